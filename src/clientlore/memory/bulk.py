"""Files of memories in, files of answers out: one JSON object a line, word for word.

Nothing is extracted, nothing is folded: a line is a memory. It goes into the log like everything else, so that it has
a history, can be searched as of an instant and can be forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from clientlore.control import migrate, tenants
from clientlore.control.model import Tenant
from clientlore.errors import ConfigurationError
from clientlore.ids import SLUG
from clientlore.memory import log
from clientlore.memory.embedding import embedder_of
from clientlore.memory.fold import fold
from clientlore.memory.kinds import Tier
from clientlore.memory.log import Operation, canonical, memory_id_for
from clientlore.memory.search import RERANKED, Found, Mode
from clientlore.memory.store import MemoryStore
from clientlore.workspace import Workspace

BATCH = 1_000
"""Memories that are committed together."""
MOST_CHARACTERS = 1_000_000
MOST_METADATA_BYTES = 64 * 1024
DEFAULT_KIND = "memory"


def _instant(value: object) -> object:
    """A day alone is its first moment; a time without a zone is in UTC."""
    if isinstance(value, str) and len(value) == len("2026-11-20"):
        value = date.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time.min, UTC)
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


def _until(value: object) -> object:
    """A day alone is its last moment."""
    if isinstance(value, str) and len(value) == len("2026-11-20"):
        return datetime.combine(date.fromisoformat(value), time.max, UTC)
    return _instant(value)


def _storable(value: object) -> object:
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError("it holds a NUL character")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("it holds half a surrogate pair") from None
    return value


_Text = Annotated[str, BeforeValidator(_storable)]
_Id = Annotated[int | Annotated[_Text, StringConstraints(min_length=1, max_length=200)], Field()]
_Owner = Annotated[_Text, StringConstraints(min_length=1, max_length=64)]
_Label = Annotated[_Text, StringConstraints(min_length=1, max_length=255)]


class Line(BaseModel):
    """A memory to be loaded. What else a line holds becomes metadata."""

    model_config = ConfigDict(extra="allow", frozen=True, coerce_numbers_to_str=True)

    id: _Id
    owner: _Owner
    text: Annotated[_Text, StringConstraints(min_length=1, max_length=MOST_CHARACTERS)]
    occurred_at: Annotated[datetime | None, BeforeValidator(_instant)] = None
    session: _Label | None = None
    speaker: _Label | None = None
    kind: Annotated[_Text, StringConstraints(min_length=1, max_length=32)] = DEFAULT_KIND
    security: Tier | None = None
    metadata: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _is_small(self) -> Self:
        if len(canonical(self.attributes()).encode()) > MOST_METADATA_BYTES:
            raise ValueError("its metadata takes more than 64 kB")
        return self

    def attributes(self) -> dict[str, Any]:
        """What the memory keeps beside its text, without its place in the file."""
        metadata = {**(self.metadata or {}), **(self.__pydantic_extra__ or {})}
        told = {
            "id": self.id,
            "session": self.session,
            "speaker": self.speaker,
            "security": self.security,
        }
        return {k: v for k, v in {**told, "metadata": metadata}.items() if v not in (None, {})}


class Asked(BaseModel):
    """A query to be answered."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)

    id: _Id
    owner: _Owner
    query: _Text
    as_of: Annotated[datetime | None, BeforeValidator(_until)] = None


@dataclass(frozen=True)
class Loaded:
    """How loading went.

    Attributes:
        added: Memories that are new.
        revised: Memories that were there under the same owner and id, with other content.
        known: Memories that were there already, word for word.
        rows: Memories of the tenant that can be found now.
    """

    added: int
    revised: int
    known: int
    rows: int


Told = Callable[[int, int], None]


def prepare(workspace: Workspace, tenant_id: str) -> None:
    """Brings the control plane up to date and creates the tenant, live, where it is not there.

    Raises:
        ConfigurationError: That cannot be the id of a tenant.
    """
    if not SLUG.match(tenant_id):
        raise ConfigurationError(
            f"'{tenant_id}' cannot be the id of a tenant",
            "Use up to 63 small letters, digits, - and _, a letter or digit first.",
        )
    if migrate.current(workspace.control) != migrate.HEAD:
        migrate.upgrade(workspace.control)
    with workspace.control.write() as connection:
        if tenants.find_tenant(connection, tenant_id) is None:
            audit = workspace.audit("cli:memory load", "memories are loaded for it")
            tenants.put_tenant(connection, audit, Tenant(tenant_id, tenant_id, "live"))


def load(
    workspace: Workspace,
    tenant_id: str,
    lines: Sequence[Line],
    *,
    name: str,
    store: MemoryStore | None = None,
    told: Told | None = None,
) -> Loaded:
    """Remembers lines, a batch a transaction, and brings the index up to them.

    What is committed is acknowledged: after a crash, loading the same file again adds what is missing. Without
    `occurred_at`, a line is known from now on, and stands in its session where it stands in the file.

    Args:
        workspace: The stores.
        tenant_id: Whose memory; the tenant must exist.
        lines: The memories.
        name: The file's name, kept as their source.
        store: The index to bring up to date.
        told: Is told how many of how many are committed.

    Raises:
        StoreError: A store cannot be written.
    """
    now = workspace.clock.now()
    numbered = list(enumerate(lines, start=1))
    added = revised = 0
    for start in range(0, len(numbered), BATCH):
        part = numbered[start : start + BATCH]
        with workspace.control.write() as connection:
            held = _held(connection, tenant_id, part)
            operations = list(_operations(tenant_id, part, held, name, now))
            log.append(connection, operations, now)
        added += sum(op.op == "add" for op in operations)
        revised += sum(op.op == "revise" for op in operations)
        if told is not None:
            told(start + len(part), len(numbered))
    store = store or _store_of(workspace, tenant_id)
    with workspace.locks.hold(tenant_id, "memory load"):
        rows = store.update(tenant_id).rows
    return Loaded(added, revised, len(numbered) - added - revised, rows)


def answers(
    workspace: Workspace,
    tenant_id: str,
    asked: Iterable[Asked],
    *,
    limit: int,
    mode: Mode = "hybrid",
    rerank: int = RERANKED,
    store: MemoryStore | None = None,
) -> Iterator[dict[str, Any]]:
    """The hits of each query, best first, under the ids that were given when they were loaded.

    Where a reranker is there and did not put them in order, `not_reranked` says why.

    Args:
        workspace: The stores.
        tenant_id: Whose memory.
        asked: The queries.
        limit: At most this many hits each.
        mode: By words and meaning, or by one of them.
        rerank: How many of the best of each a reranker puts in order, where there is one.
        store: The index.

    Raises:
        NotFoundError: There is no such tenant.
        ConfigurationError: The mode needs an embedder and there is none.
    """
    store = store or _store_of(workspace, tenant_id)
    for one in asked:
        found = Found((), mode)
        if one.query.strip():
            found = store.search(
                tenant_id,
                one.query,
                owners=[one.owner],
                limit=limit,
                mode=mode,
                rerank=rerank,
                as_of=one.as_of,
            )
        hits = [{"id": h.attributes.get("id", h.memory_id), "score": h.score} for h in found.hits]
        yield {
            "id": one.id,
            "hits": hits,
            **({"not_reranked": found.not_reranked} if found.not_reranked else {}),
        }


def _store_of(workspace: Workspace, tenant_id: str) -> MemoryStore:
    with workspace.control.read() as connection:
        tenant = tenants.get_tenant(connection, tenant_id)
    return MemoryStore(workspace, embedder_of(workspace, tenant))


_Held = dict[str, tuple[int, bool, tuple[object, ...]]]


def _held(connection: Any, tenant_id: str, part: Sequence[tuple[int, Line]]) -> _Held:
    """Of each memory that is there already: how many operations it has, whether it lives, and its content."""
    ids = {_memory_id(tenant_id, line) for _, line in part}
    held: _Held = {}
    if not log.head(connection, tenant_id):
        return held
    for row in fold(log.read(connection, tenant_id, memory_ids=ids)).iter_rows(named=True):
        attributes = {k: v for k, v in json.loads(row["attributes"]).items() if k != "order"}
        content = (row["kind"], row["text"], row["valid_from"], canonical(attributes))
        held[row["memory_id"]] = (row["operations"], row["last_op"] != "retract", content)
    return held


def _operations(
    tenant_id: str, part: Sequence[tuple[int, Line]], held: _Held, name: str, now: datetime
) -> Iterator[Operation]:
    for number, line in part:
        memory_id, attributes = _memory_id(tenant_id, line), line.attributes()
        content = (line.kind, line.text, line.occurred_at, canonical(attributes))
        count, lives, before = held.get(memory_id, (0, False, ()))
        if lives and before == content:
            continue
        held[memory_id] = (count + 1, True, content)
        yield Operation(
            tenant_id=tenant_id,
            owner_id=line.owner,
            memory_id=memory_id,
            op="revise" if lives else "add",
            kind=line.kind,
            text=line.text,
            recorded_at=line.occurred_at or now,
            actor="cli:memory load",
            reason="loaded from a file",
            origin=f"load:{line.id}",
            generation=count,
            valid_from=line.occurred_at,
            attributes={**attributes, "order": number},
            sources=(f"file:{name}#{number}",),
        )


def _memory_id(tenant_id: str, line: Line) -> str:
    return memory_id_for(tenant_id, line.owner, "loaded", f"load:{line.id}")
