"""Dossiers as Markdown files: rendered, checksummed, written only where they changed, removed with their subject.

A file says in its head what it was made for and the SHA-256 of everything else in it. One that no longer fits its
own checksum was edited by hand: it is moved aside, so that nothing is lost, and is never read again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from pathlib import Path

import jinja2

from clientlore.clock import utc
from clientlore.errors import StoreError
from clientlore.ids import SLUG, sha256, stable_id
from clientlore.memory.dossiers import Dossier
from clientlore.memory.markdown import Marked, templates
from clientlore.storage.files import write_bytes
from clientlore.taxonomy import label

FORMAT = "clientlore dossier 1"
SET_ASIDE = "set-aside"
_FOLDERS = {"client": "clients", "contact": "contacts"}
_CHECKSUM = re.compile(rb"^checksum: ([0-9a-f]{64})\n", re.MULTILINE)
_HEADLINE = 90
_SHORT = 25
"""A full stop before this belongs to an abbreviation such as Inc."""
_AS_CODE = ("Mail", "Telephone", "Web site", "Ticker", "Id in the CRM")


@dataclass(frozen=True)
class WrittenDossiers:
    """What became of a tenant's files.

    Attributes:
        set_aside: Where files that had been edited by hand were put, by the file they stood in for.
    """

    clients: int
    contacts: int
    changed: int
    unchanged: int
    removed: int
    set_aside: dict[str, Path]


def render(dossier: Dossier) -> str:
    """The Markdown of a dossier, with its head. The same dossier is the same text."""
    body = _template().render(
        d=dossier,
        days=[
            (_day(day), list(known))
            for day, known in groupby(dossier.known, key=lambda k: utc(k.happened_at).date())
        ],
        at=_at,
        file_name=file_name,
        as_code=_AS_CODE,
    )
    head = [
        f"generator: {FORMAT}",
        f"tenant: {dossier.tenant_id}",
        f"{dossier.kind}: {_plain(dossier.entity_id)}",
        f"data: {dossier.mode}",
    ]
    before = "---\n" + "".join(f"{line}\n" for line in head)
    after = f"---\n{body.rstrip()}\n"
    return f"{before}checksum: {sha256((before + after).encode())}\n{after}"


def is_untouched(data: bytes) -> bool:
    """Whether a file is as it was generated: whether it fits the checksum in its head."""
    found = _CHECKSUM.search(data)
    if found is None or not data.startswith(f"---\ngenerator: {FORMAT}\n".encode()):
        return False
    without = data[: found.start()] + data[found.end() :]
    return sha256(without) == found[1].decode()


def file_name(entity_id: str) -> str:
    """The name of the file about a client or contact; an id that could not be a file's name is hashed."""
    return f"{_plain(entity_id)}.md"


def path_of(folder: Path, dossier: Dossier) -> Path:
    """Where a dossier lies below the folder of its tenant."""
    return folder / _FOLDERS[dossier.kind] / file_name(dossier.entity_id)


def write_dossiers(folder: Path, dossiers: Sequence[Dossier]) -> WrittenDossiers:
    """Makes a tenant's folder what the dossiers say. The caller holds the tenant's lock.

    Args:
        folder: The tenant's own; nobody else's files are in it.
        dossiers: All of the tenant's.

    Raises:
        StoreError: A file cannot be read or written.
    """
    wanted = {path_of(folder, dossier): render(dossier).encode() for dossier in dossiers}
    set_aside: dict[str, Path] = {}
    changed = removed = 0
    try:
        for path, data in wanted.items():
            found = path.read_bytes() if path.exists() else None
            if found == data:
                continue
            if found is not None and not is_untouched(found):
                set_aside[_relative(folder, path)] = _put_aside(folder, path, found)
            write_bytes(path, data)
            changed += 1
        for path in _present(folder):
            if path in wanted:
                continue
            found = path.read_bytes()
            if is_untouched(found):
                path.unlink()
                removed += 1
            else:
                set_aside[_relative(folder, path)] = _put_aside(folder, path, found)
    except OSError as error:
        raise StoreError(
            f"The dossiers in {folder} cannot be brought up to date ({error.strerror})",
            "Check the folder's permissions; the files may be deleted and are made again.",
        ) from error
    return WrittenDossiers(
        clients=sum(d.kind == "client" for d in dossiers),
        contacts=sum(d.kind == "contact" for d in dossiers),
        changed=changed,
        unchanged=len(wanted) - changed,
        removed=removed,
        set_aside=set_aside,
    )


def _present(folder: Path) -> Iterable[Path]:
    return [p for name in _FOLDERS.values() for p in sorted((folder / name).glob("[!.]*.md"))]


def _put_aside(folder: Path, path: Path, data: bytes) -> Path:
    """Moves a file to a name made from its content, so that the same edit made twice is there once."""
    aside = folder / SET_ASIDE / f"{path.parent.name}-{path.stem}-{sha256(data)[:8]}.md"
    aside.parent.mkdir(parents=True, exist_ok=True)
    return path.replace(aside)


def _relative(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()


def _plain(entity_id: str) -> str:
    return entity_id if SLUG.match(entity_id) else f"x-{stable_id(entity_id, size=8)}"


def _template() -> jinja2.Template:
    environment = templates("clientlore.memory")
    environment.filters |= {"label": label, "headline": headline}
    return environment.get_template("dossier.md.j2")


def headline(words: str) -> str:
    """The beginning of a text: its first sentence where that is not too long."""
    end = words.find(". ", _SHORT)
    if 0 < end < _HEADLINE:
        return words[:end]
    if len(words) <= _HEADLINE:
        return words
    return f"{words[:_HEADLINE].rsplit(' ', 1)[0].rstrip('.,;:')} …"


def _at(instant: datetime) -> Marked:
    return Marked(f"{utc(instant):%Y-%m-%d %H:%M} UTC")


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
