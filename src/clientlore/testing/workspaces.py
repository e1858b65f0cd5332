"""Short ways to a workspace with tenants in it."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

from clientlore.clock import Clock
from clientlore.control.apply import Change, apply_tenant_file
from clientlore.control.tenant_file import parse_tenant_file
from clientlore.providers.registry import Providers
from clientlore.settings import Settings
from clientlore.workspace import Workspace


def open_workspace(
    home: Path, clock: Clock, *, providers: Providers | None = None, **settings: object
) -> Workspace:
    """A workspace in a folder. The caller closes it."""
    made = Settings.model_validate({"home": home, **settings})
    return Workspace.open(made, clock=clock, providers=providers)


def open_copy(home: Path, to: Path, clock: Clock) -> Workspace:
    """A workspace in a copy of a home, which stays as it is. The caller closes it."""
    shutil.copytree(home, to)
    return open_workspace(to, clock)


def put_tenant(workspace: Workspace, text: str, folder: Path | None = None) -> list[Change]:
    """Applies the text of a tenant file."""
    wanted = parse_tenant_file(textwrap.dedent(text))
    audit = workspace.audit("test", "a test sets up")
    return apply_tenant_file(workspace.control, audit, wanted, folder or workspace.settings.home)
