"""The inbox: files that people or programs lay into a folder become documents.

`inbox/<tenant>/<owner>/...` holds files, `.eml` and `.mbox` among them. A file is taken once nobody has written to it
for a while; it goes when what it holds is kept. What cannot be kept goes to `inbox/.rejected` and is set aside with the
reason. After a crash the file is still there and is taken again, which changes nothing.
"""

from __future__ import annotations

import mailbox
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from clientlore.control import quarantine, tenants
from clientlore.control.quarantine import Reject
from clientlore.errors import BadDataError
from clientlore.ids import sha256
from clientlore.memory.documents import mail
from clientlore.memory.documents.model import MOST_BYTES, Added, NewDocument, too_large
from clientlore.memory.documents.service import BATCH, Documents
from clientlore.storage.erasing import text_of
from clientlore.storage.files import write_bytes
from clientlore.workspace import Workspace

SETTLED_SECONDS = 10.0
"""A file to which somebody wrote a shorter time ago may not be whole yet."""
REJECTED = ".rejected"
STAGE = "inbox"


@dataclass(frozen=True)
class Taken:
    """What was taken from a tenant's inbox.

    Attributes:
        files: Files that were looked at.
        added: Documents that are new; `replaced`, `known` and `failed` likewise.
    """

    tenant_id: str
    files: int
    added: int = 0
    replaced: int = 0
    known: int = 0
    failed: int = 0


def waiting(
    workspace: Workspace, tenant_id: str, settled_seconds: float = SETTLED_SECONDS
) -> list[Path]:
    """The files of a tenant's inbox to which nobody has written for a while, in the order of their names.

    What begins with a dot is not taken, nor is what lies beside the owners' folders; a link is never followed.
    """
    root = workspace.settings.inbox / tenant_id
    before = workspace.clock.now().timestamp() - settled_seconds
    found = []
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if len(parts) < 2 or any(part.startswith(".") for part in parts):
            continue
        linked = any(p.is_symlink() for p in (path, *path.parents) if p.is_relative_to(root))
        if linked or not path.is_file():
            continue
        if not settled_seconds or path.stat().st_mtime <= before:
            found.append(path)
    return found


def take(
    workspace: Workspace,
    tenant_id: str,
    run_id: str | None = None,
    settled_seconds: float = SETTLED_SECONDS,
) -> Taken:
    """Keeps what lies in a tenant's inbox.

    Args:
        workspace: The stores.
        tenant_id: Whose.
        run_id: The run that does it.
        settled_seconds: Leave files to which somebody has written within this time; 0 takes all.

    Raises:
        NotFoundError: There is no such tenant.
        StoreError: A store cannot be written; what was not kept is still in the inbox.
    """
    documents = Documents(workspace, tenant_id, "inbox")
    files = waiting(workspace, tenant_id, settled_seconds)
    done: list[Added] = []
    for path in files:
        done += _take(workspace, documents, path, run_id)
        path.unlink(missing_ok=True)
    if files:
        documents.add_documents([])
    counts = dict.fromkeys(("added", "replaced", "known", "failed"), 0)
    for one in done:
        counts[one.outcome] += 1
    return Taken(tenant_id, len(files), **counts)


def take_all(workspace: Workspace, run_id: str | None = None) -> list[Taken]:
    """Keeps what lies in the inboxes of all tenants that have something in them."""
    return [take(workspace, tenant_id, run_id) for tenant_id in tenants_waiting(workspace)]


def tenants_waiting(workspace: Workspace) -> list[str]:
    """The tenants in whose inbox something can be taken."""
    if not workspace.settings.inbox.is_dir():
        return []
    with workspace.control.read() as connection:
        ids = [tenant.tenant_id for tenant in tenants.chosen_tenants(connection, [])]
    return [tenant_id for tenant_id in ids if waiting(workspace, tenant_id)]


def wipe(
    workspace: Workspace,
    tenant_id: str,
    owners: Collection[str],
    mentions: Callable[[str], bool],
) -> int:
    """Deletes files of some owners, and those that mention them, waiting or rejected; returns how many."""
    gone = 0
    for root in (workspace.settings.inbox, workspace.settings.inbox / REJECTED):
        for path in sorted(p for p in (root / tenant_id).rglob("*") if p.is_file()):
            inner = path.relative_to(root / tenant_id)
            if inner.parts[0] in owners or mentions(text_of(path.read_bytes()) + str(inner)):
                path.unlink()
                gone += 1
    return gone


def documents_in(path: Path, owner: str, origin: str) -> Iterator[NewDocument]:
    """The documents of a file: each mail of an `.mbox`, else the file.

    Mails have the id of their message, files their place in the owner's folder.

    Raises:
        BadDataError: The file is too large.
    """
    if path.suffix.lower() == ".mbox":
        box = mailbox.mbox(path, create=False)
        try:
            for key in box.keys():  # noqa: SIM118 - a mailbox iterates over its messages, not over its keys
                yield _of_mail(box.get_bytes(key), owner, f"{origin}-{key}.eml")
        finally:
            box.close()
        return
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise too_large(origin, f"{size:,} bytes", f"{MOST_BYTES:,}")
    data = path.read_bytes()
    if path.suffix.lower() == ".eml":
        yield _of_mail(data, owner, path.name)
    else:
        yield NewDocument(owner, origin, path.name, data)


def _of_mail(data: bytes, owner: str, name: str) -> NewDocument:
    try:
        message_id = mail.parse(data).message_id[:200]
    except BadDataError:
        message_id = f"sha256-{sha256(data)}"
    return NewDocument(owner, message_id, name, data, "email")


def _take(
    workspace: Workspace, documents: Documents, path: Path, run_id: str | None
) -> list[Added]:
    root = workspace.settings.inbox / documents.tenant_id
    place = path.relative_to(root)
    owner, origin = place.parts[0], "/".join(place.parts[1:])
    aside = workspace.settings.inbox / REJECTED / documents.tenant_id / place.parent
    rejects: list[Reject] = []
    done: list[Added] = []
    try:
        rest = documents_in(path, owner, origin)
        while part := list(islice(rest, BATCH)):
            kept = documents.add_documents(part, index=False)
            for document, one in zip(part, kept, strict=True):
                if one.error is not None:
                    target = aside / Path(document.name).name
                    write_bytes(target, document.data)
                    rejects.append(_reject(target, one.error, workspace.settings.inbox))
            done += kept
    except BadDataError as error:
        aside.mkdir(parents=True, exist_ok=True)
        path.replace(aside / path.name)
        rejects.append(_reject(aside / path.name, str(error), workspace.settings.inbox))
        done.append(Added(owner, origin, "failed", error=str(error)))
    _set_aside(workspace, documents.tenant_id, rejects, run_id)
    return done


def _reject(target: Path, why: str, inbox: Path) -> Reject:
    place = target.relative_to(inbox / REJECTED)
    reference = f"{STAGE}:{place.relative_to(place.parts[0])}"
    return Reject(reference[:255], "not_a_document", why)


def _set_aside(
    workspace: Workspace, tenant_id: str, rejects: Sequence[Reject], run_id: str | None
) -> None:
    if not rejects:
        return
    now = workspace.clock.now()
    with workspace.control.write() as connection:
        quarantine.put_rejects(
            connection,
            tenant_id=tenant_id,
            day=now.date(),
            stage=STAGE,
            rejects=rejects,
            run_id=run_id,
            now=now,
            complete=False,
        )
