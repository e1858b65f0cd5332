"""The sources that the CRM of a tenant file stands for."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clientlore.control import sources
from clientlore.control.model import Source
from clientlore.control.tenant_file import TenantFile
from clientlore.errors import ConfigurationError
from clientlore.ids import stable_id
from clientlore.plugins import crms


def crm_sources(wanted: TenantFile, folder: Path) -> list[Source]:
    """A source for the accounts of a CRM and one for its activities, where it has any.

    Args:
        wanted: A tenant file that names a CRM.
        folder: What its paths are relative to.

    Raises:
        ConfigurationError: The accounts of the users are wanted, and no user has an address.
    """
    crm = wanted.crm
    assert crm is not None
    if crm.provider == "files":
        files = {"crm_accounts": crm.accounts, "crm_activities": crm.activities}
        located = {kind: str((folder / name).resolve()) for kind, name in files.items() if name}
    else:
        located = dict.fromkeys(crms()[crm.provider], "crm")
    only = _only(wanted)
    if only:
        # Another choice is another source: what it wants must be read from the beginning.
        mark = stable_id(json.dumps(only, sort_keys=True), size=6)
        located = {kind: f"{location}:{mark}" for kind, location in located.items()}
    return [
        Source(
            tenant_id=wanted.tenant,
            source_id=sources.source_id_for(wanted.tenant, kind, location, None),
            kind=kind,
            location=location,
            on_failure=crm.on_failure,
            options={"only": only} if only else {},
        )
        for kind, location in located.items()
    ]


def _only(wanted: TenantFile) -> dict[str, Any]:
    """Which accounts of the CRM are wanted, with the addresses of the users where they are meant."""
    only = wanted.crm.only if wanted.crm is not None else None
    if only is None:
        return {}
    owners: Iterable[str] = only.owners
    if only.owners == "users":
        owners = [user.email for user in wanted.users if user.email and user.active]
        if not owners:
            raise ConfigurationError(
                f"'{wanted.tenant}' wants the accounts of its users, and none of them has a mail address",
                "Give the users under 'users:' their 'email:', or take 'owners: users' out.",
            )
    told = only.model_dump(mode="json", exclude_defaults=True, exclude={"owners"})
    return {**told, **({"owners": sorted({o.lower() for o in owners})} if owners else {})}
