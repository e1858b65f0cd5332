"""The Dagster home inside the Clientlore home, and the limits in it.

Dagster reads only the `dagster.yaml` of its home, so every start puts the one of this folder there.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from clientlore.settings import Settings, load_settings
from clientlore.storage.files import write_bytes

APP = Path(__file__).resolve().parent.parent
LIMITS = "dagster.yaml"


def prepare_home(settings: Settings | None = None) -> Path:
    """Makes the Dagster home, puts the limits there, and points this process and its children at it."""
    settings = settings or load_settings(start=APP)
    home = settings.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    wanted = limits_file().read_bytes()
    target = home / LIMITS
    if not target.exists() or target.read_bytes() != wanted:
        write_bytes(target, wanted)
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"
    os.environ.setdefault("CLIENTLORE_HOME", str(settings.home))
    os.environ["CLIENTLORE_APP"] = str(APP)
    return home


def limits_file() -> Path:
    """The file with the limits: `CLIENTLORE_DAGSTER_YAML`, else the one of this folder."""
    named = os.environ.get("CLIENTLORE_DAGSTER_YAML")
    return Path(named) if named else APP / LIMITS


@contextmanager
def instance(settings: Settings | None = None) -> Generator[dg.DagsterInstance]:
    """The Dagster instance of the home, closed afterwards."""
    prepare_home(settings)
    with dg.DagsterInstance.get() as opened:
        yield opened


def limits_in_force(opened: dg.DagsterInstance) -> list[str]:
    """Where the limits in force differ from the file, one sentence each; empty where they are the same."""
    wanted = yaml.safe_load(limits_file().read_text())
    differing = []
    for name, value in wanted.items():
        found = opened.get_settings(name)
        differing += [
            f"{path}: {a!r} in the file, {b!r} in force"
            for path, a, b in _differ(name, value, found)
        ]
    return differing


def _differ(path: str, wanted: Any, found: Any) -> list[tuple[str, Any, Any]]:
    if isinstance(wanted, dict):
        held = found if isinstance(found, dict) else {}
        return [
            d
            for key, value in wanted.items()
            for d in _differ(f"{path}.{key}", value, held.get(key))
        ]
    return [] if wanted == found else [(path, wanted, found)]
