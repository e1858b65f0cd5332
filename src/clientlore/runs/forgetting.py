"""Forgetting somebody: everything that is theirs goes, from every store, and a proof without content stays.

The order is safe at every point: who it is and what is theirs is written down first, the gate is closed, then each
place is cleaned, each of which may be done again; what was written down goes last. Whatever kills the process, the
next run goes on from there.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from clientlore.control import forgotten, tenants
from clientlore.control import tables as t
from clientlore.control.forgotten import REMOVED, Subject, key_hash
from clientlore.errors import ConfigurationError, NotFoundError, StoreError
from clientlore.ids import new_id
from clientlore.memory.documents import inbox
from clientlore.memory.dossier_files import write_dossiers
from clientlore.memory.dossiers import read_dossiers
from clientlore.memory.store import MemoryStore
from clientlore.run_context import Progress, quiet
from clientlore.runs.finding import find
from clientlore.storage import erasing
from clientlore.storage.files import write_bytes
from clientlore.workspace import Workspace

BACKUP_DAYS = 30
"""Days after which no backup, and no write-ahead log of PostgreSQL, may hold what was forgotten."""
_SQLITE = b"SQLite format 3\x00"
logger = logging.getLogger("clientlore")


@dataclass(frozen=True)
class Forgetting:
    """What is known about a forgetting, finished or not.

    Attributes:
        proof: Counts by place, and what was looked into at the end; nothing of what it was about.
    """

    forget_id: str
    tenant_id: str
    state: str
    subject_hash: str
    proof: Mapping[str, Any]
    asked_at: Any
    finished_at: Any
    backups_expire_on: Any


def forget(
    workspace: Workspace, tenant_id: str, owner: str, actor: str, progress: Progress = quiet
) -> Forgetting:
    """Forgets a client, contact, user or other owner of memories of a tenant, for ever.

    Args:
        workspace: The stores.
        tenant_id: Whose.
        owner: The id of a client (its contacts go too), of a contact, of a user, or any owner of memories.
        actor: Who asks for it.
        progress: Told of each place.

    Raises:
        NotFoundError: Nothing is known of such an owner, nor was it ever forgotten.
        StoreError: A place cannot be cleaned yet; nothing of what is done is lost, and the next run goes on.
    """
    if owner == tenant_id:
        raise ConfigurationError(
            f"'{owner}' is the tenant itself", "Name one of its clients, contacts or users."
        )
    with workspace.locks.hold(tenant_id, "forget"):
        forget_id = _begin(workspace, tenant_id, owner, actor)
        return _finish(workspace, forget_id, progress)


def resume(workspace: Workspace, progress: Progress = quiet) -> list[Forgetting]:
    """Finishes every forgetting that was begun and not finished."""
    with workspace.control.read() as connection:
        rows = connection.execute(
            sa.select(t.forgettings.c.forget_id, t.forgettings.c.tenant_id)
            .where(t.forgettings.c.state == "open")
            .order_by(t.forgettings.c.asked_at)
        ).all()
    done = []
    for forget_id, tenant_id in rows:
        with workspace.locks.hold(tenant_id, "forget"):
            done.append(_finish(workspace, forget_id, progress))
    return done


def forgettings(workspace: Workspace, tenant_id: str | None = None) -> list[Forgetting]:
    """All of them, the newest first."""
    query = sa.select(t.forgettings).order_by(t.forgettings.c.asked_at.desc())
    if tenant_id is not None:
        query = query.where(t.forgettings.c.tenant_id == tenant_id)
    with workspace.control.read() as connection:
        return [_told(dict(row)) for row in connection.execute(query).mappings()]


def _begin(workspace: Workspace, tenant_id: str, owner: str, actor: str) -> str:
    now = workspace.clock.now()
    with workspace.control.read() as connection:
        tenants.get_tenant(connection, tenant_id)
        open_ = connection.execute(
            sa.select(t.forgettings.c.forget_id).where(
                t.forgettings.c.tenant_id == tenant_id,
                t.forgettings.c.subject_hash == key_hash(tenant_id, owner),
                t.forgettings.c.state == "open",
            )
        ).scalar()
        before = forgotten.gate(connection, tenant_id).knows(owner)
        subject = forgotten.known_as(connection, tenant_id, owner)
    if open_ is not None:
        return str(open_)
    subject = find(workspace, tenant_id, subject)
    unknown = len(subject.ids) == 1 and not subject.words and not subject.files
    if unknown and not before:
        raise NotFoundError(
            f"Nothing is known of '{owner}' at tenant '{tenant_id}'",
            "Name a client, contact or user by its id, or an owner of memories.",
        )
    forget_id = new_id()
    with workspace.control.write() as connection:
        connection.execute(
            sa.insert(t.forgettings).values(
                forget_id=forget_id,
                tenant_id=tenant_id,
                subject=subject.plain(),
                subject_hash=key_hash(tenant_id, owner),
                state="open",
                actor=actor,
                proof={},
                backups_expire_on=now.date() + timedelta(days=BACKUP_DAYS),
                asked_at=now,
                finished_at=None,
            )
        )
        forgotten.put_keys(connection, tenant_id, forget_id, subject.keys)
        workspace.audit(actor, "somebody is to be forgotten").log(
            connection, "forget", "forgettings", forget_id, tenant_id=tenant_id
        )
    return forget_id


def _finish(workspace: Workspace, forget_id: str, progress: Progress) -> Forgetting:
    with workspace.control.read() as connection:
        row = (
            connection.execute(
                sa.select(t.forgettings).where(t.forgettings.c.forget_id == forget_id)
            )
            .mappings()
            .one()
        )
    tenant_id = row["tenant_id"]
    proof = dict(row["proof"])
    if row["state"] == "done":
        return _told(dict(row))
    if row["subject"]:
        subject = Subject.of(row["subject"])
        places: dict[str, Any] = {}
        for place, clean in PLACES.items():
            progress("forgetting", {"place": place})
            places[place] = clean(workspace, tenant_id, subject)
            logger.info("forgetting %s: %s cleaned", forget_id, place)
        looked = look(workspace, tenant_id, subject)
        if looked["left"]:
            raise StoreError(
                f"After forgetting, {looked['left']} places still hold something: "
                f"{', '.join(looked['where'][:5])}",
                "Delete these files, or stop what writes them, and run `clientlore forget --resume`.",
            )
        before = proof.get("places", {})
        proof = {
            "places": {k: _more(before.get(k, 0), v) for k, v in places.items()},
            "looked_into": looked["files"],
            "left": 0,
        }
        with workspace.control.write() as connection:
            connection.execute(
                sa.update(t.forgettings)
                .where(t.forgettings.c.forget_id == forget_id)
                .values(subject={}, proof=proof)
            )
    _scour(workspace)
    with workspace.control.write() as connection:
        connection.execute(
            sa.update(t.forgettings)
            .where(t.forgettings.c.forget_id == forget_id)
            .values(state="done", finished_at=workspace.clock.now())
        )
        again = connection.execute(
            sa.select(t.forgettings).where(t.forgettings.c.forget_id == forget_id)
        ).mappings()
        return _told(dict(again.one()))


def _lake(workspace: Workspace, tenant_id: str, subject: Subject) -> int:
    root = workspace.lake.root
    return sum(
        erasing.clean_parquet(path, subject.ids, subject.needles, subject.responses)
        for path in sorted(root.rglob("*.parquet"))
        if f"tenant={tenant_id}" in path.parts
    )


def _vectors(workspace: Workspace, tenant_id: str, subject: Subject) -> int:
    folder = workspace.vectors.root / tenant_id
    gone = 0
    for path in sorted(folder.glob("*.lance")):
        if path.stem.startswith("memories"):
            # Made anew from the log, once that is clean.
            shutil.rmtree(path)
            (folder / f"{path.stem}.json").unlink(missing_ok=True)
            gone += 1
        else:
            gone += erasing.clean_lance(folder, path.stem, subject.ids, subject.needles)
    return gone


def _mails(workspace: Workspace, _tenant_id: str, subject: Subject) -> int:
    gone = 0
    for name in subject.files:
        for path in [*workspace.settings.mail.rglob(Path(name).name)]:
            path.unlink()
            gone += 1
    for path in _files(workspace.settings.mail):
        if _mentions(erasing.text_of(path.read_bytes()), subject):
            path.unlink()
            gone += 1
    return gone


def _blobs(workspace: Workspace, tenant_id: str, subject: Subject) -> int:
    gone = 0
    for path in _files(workspace.blobs.root / tenant_id):
        if path.name in subject.blobs or _mentions(erasing.text_of(path.read_bytes()), subject):
            path.unlink()
            gone += 1
    return gone


def _written(workspace: Workspace, tenant_id: str, subject: Subject) -> int:
    """Dossiers, edits that were set aside, pages and builds of the warehouse: all made again from what is left.

    So is what feedback taught, with the next teaching: until then the model of the home judges.
    """
    settings, gone = workspace.settings, 0
    for root in (settings.dossiers, settings.pages, settings.models):
        folder = root / tenant_id
        for path in _files(folder):
            aside = "set-aside" in path.parts
            if not aside or _mentions(path.read_text(errors="replace") + path.name, subject):
                path.unlink()
                gone += 1
    for name in ("builds", "work"):
        gone += sum(1 for _ in _files(settings.warehouse / name))
        shutil.rmtree(settings.warehouse / name, ignore_errors=True)
    (settings.warehouse / "current").unlink(missing_ok=True)
    return gone


def _runs(workspace: Workspace, _tenant_id: str, subject: Subject) -> int:
    """Run records and logs, of Dagster too, where they are files of this home."""
    needles = [n for n in erasing.json_needles(subject.needles) if not n.startswith("'")]

    def clean(text: str) -> str:
        low = text.lower()
        for needle in needles:
            if needle.lower() in low:
                mark = f'"{REMOVED}"' if needle.startswith('"') else REMOVED
                text = forgotten.replaced(text, needle, mark)
                low = text.lower()
        return text

    changed = 0
    skipped = {workspace.settings.home / "control.db"}
    for path in [
        *_files(workspace.settings.home / "dagster"),
        *workspace.settings.home.glob("*.log"),
    ]:
        head = path.read_bytes()[:16]
        if path in skipped or path.name.endswith(("-wal", "-shm", "-journal")):
            continue
        if head == _SQLITE:
            changed += erasing.clean_sqlite(path, clean)
        elif b"\x00" not in head:
            said = path.read_text(errors="surrogateescape")
            fixed = clean(said)
            if fixed != said:
                write_bytes(path, fixed.encode(errors="surrogateescape"))
                changed += 1
    return changed


def _control(workspace: Workspace, tenant_id: str, subject: Subject) -> dict[str, int]:
    with workspace.control.write() as connection:
        if not workspace.control.is_postgresql:
            connection.exec_driver_sql("PRAGMA secure_delete=ON")
        return forgotten.scrub(connection, tenant_id, subject)


def _again(workspace: Workspace, tenant_id: str, _subject: Subject) -> int:
    """What is derived from what is left: the index of memory, the dossiers."""
    with workspace.control.read() as connection:
        tenant = tenants.get_tenant(connection, tenant_id)
    state = MemoryStore(workspace).update(tenant_id, rebuild=True)
    write_dossiers(workspace.settings.dossiers / tenant_id, read_dossiers(workspace, tenant))
    return state.rows


PLACES: dict[str, Callable[[Workspace, str, Subject], Any]] = {
    "lake": _lake,
    "vectors": _vectors,
    "mails": _mails,
    "blobs": _blobs,
    "inbox": lambda w, tenant_id, s: inbox.wipe(w, tenant_id, s.ids, lambda x: _mentions(x, s)),
    "written": _written,
    "runs": _runs,
    "control_plane": _control,
    "made_again": _again,
}
"""Where somebody is taken out, in this order; the control plane last but one, since it says what is theirs."""


def look(workspace: Workspace, tenant_id: str, subject: Subject) -> dict[str, Any]:
    """Looks into every file of the tenant for something of theirs: how many, and where something is left."""
    where: list[str] = []
    files = 0
    home = workspace.settings.home
    roots = {home, workspace.lake.root, workspace.blobs.root, workspace.settings.mail}
    words = [w.lower() for w in subject.words if len(w) >= forgotten.SHORTEST]
    for path in sorted({p for root in roots for p in _files(root)}):
        others = any(p.startswith("tenant=") and p != f"tenant={tenant_id}" for p in path.parts)
        if others or path.name.startswith("control.db"):
            continue
        files += 1
        if path.suffix == ".parquet":
            rows = pl.read_parquet(path, glob=False, hive_partitioning=False)
            held = bool(erasing.theirs(rows, subject.ids, subject.needles).any())
        elif _of_another_tenant(workspace, path, tenant_id) or path.suffix == ".lock":
            continue
        else:
            said = erasing.text_of(path.read_bytes()).lower()
            held = any(word in said for word in words)
        if held:
            where.append(str(path.relative_to(home)) if path.is_relative_to(home) else path.name)
    return {"files": files, "left": len(where), "where": where}


def _of_another_tenant(workspace: Workspace, path: Path, tenant_id: str) -> bool:
    settings = workspace.settings
    for root in (workspace.vectors.root, workspace.blobs.root, settings.dossiers, settings.pages):
        if path.is_relative_to(root):
            return path.relative_to(root).parts[0] != tenant_id
    return False


def _scour(workspace: Workspace) -> None:
    control = workspace.control
    if control.is_postgresql:
        with control.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as opened:
            opened.exec_driver_sql("VACUUM (FULL)")
        return
    control.close()
    erasing.scour_sqlite(Path(str(control.engine.url.database)))


def _mentions(text: str, subject: Subject) -> bool:
    low = text.lower()
    return any(w.lower() in low for w in subject.words if len(w) >= forgotten.SHORTEST)


def _files(root: Path) -> Iterable[Path]:
    return sorted(p for p in root.rglob("*") if p.is_file() and not p.is_symlink())


def _more(before: Any, now: Any) -> Any:
    return before if isinstance(now, int) and isinstance(before, int) and before > now else now


def _told(row: Mapping[str, Any]) -> Forgetting:
    proof = row["proof"] if isinstance(row["proof"], dict) else json.loads(row["proof"])
    return Forgetting(
        forget_id=row["forget_id"],
        tenant_id=row["tenant_id"],
        state=row["state"],
        subject_hash=row["subject_hash"],
        proof=proof,
        asked_at=row["asked_at"],
        finished_at=row["finished_at"],
        backups_expire_on=row["backups_expire_on"],
    )
