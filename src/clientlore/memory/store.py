"""The index of memory in LanceDB: the state as it stands, with vectors where there is an embedder; and its search.

It follows the log: how far it has come is kept beside it, and whatever is appended is caught up. In doubt it is
rebuilt, which costs about a second for 100,000 operations.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from clientlore.errors import BusyError, ConfigurationError, ProviderError, StoreError
from clientlore.memory import log
from clientlore.memory.compaction import NO_MARK, Mark, tidied
from clientlore.memory.fold import NEEDED, alive, fold
from clientlore.memory.reranking import reranking_for
from clientlore.memory.scope import Scope, make_scope
from clientlore.memory.search import Found, Query, ScopeKey, Scopes, answer, seen
from clientlore.memory.standing import Standing
from clientlore.providers.judging import Embedder, Reranker
from clientlore.storage.files import write_bytes
from clientlore.storage.vectors import quoted
from clientlore.workspace import Workspace

INDEX_VERSION = 2
READS = 5
"""How often rows are asked for whose version went meanwhile."""
PATIENCE_SECONDS = 5.0
"""How long a search waits for whoever is writing, before it answers from what the index has."""

_TIME = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        ("memory_id", pa.string()),
        ("tenant_id", pa.string()),
        ("owner_id", pa.string()),
        ("kind", pa.string()),
        ("text", pa.string()),
        ("attributes", pa.string()),
        ("valid_from", _TIME),
        ("valid_to", _TIME),
        ("recorded_at", _TIME),
        ("revised_at", _TIME),
        ("sources", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True)
class IndexState:
    """How an update of the index went."""

    rows: int
    applied: int
    rebuilt: bool
    head: int


class MemoryStore:
    """The memory of all tenants of a workspace.

    Args:
        workspace: The stores.
        embedder: Makes vectors; that of the environment if not given. Without one, search is by words alone and
            says so.
        reranker: Puts the best hits in order, as far as a tenant lets it; that of the environment if not given.
    """

    def __init__(
        self,
        workspace: Workspace,
        embedder: Embedder | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        self._workspace = workspace
        self._reranker = reranker
        self._embedder = workspace.embedder if embedder is None else embedder
        self._scopes = Scopes()

    @cached_property
    def table_name(self) -> str:
        """The table, named for model and dimension where there are vectors."""
        if self._embedder is None:
            return "memories"
        plain = "".join(c if c.isalnum() else "_" for c in self._embedder.model)
        return f"memories_{plain}_{self._embedder.dimension}"

    def state(self, tenant_id: str, as_of: datetime | None = None) -> pl.DataFrame:
        """The memories of a tenant as they stand now, or as they were known at an instant; from the log alone."""
        with self._workspace.control.read() as connection:
            operations = log.read(connection, tenant_id, only=NEEDED)
        return alive(fold(operations, as_of))

    def update(
        self, tenant_id: str, *, rebuild: bool = False, standing: Standing | None = None
    ) -> IndexState:
        """Brings the index up to the log. The caller holds the tenant's lock.

        Args:
            tenant_id: Whose.
            rebuild: Make it anew, whatever is there.
            standing: Its log, where that has been read.

        Raises:
            StoreError: It cannot be written.
        """
        if rebuild:
            self._clear_broken(tenant_id)
        with self._workspace.control.read() as connection:
            edition, head = log.reached(connection, tenant_id)
            mark = NO_MARK if rebuild else self._mark(tenant_id, edition)
            table = self._open(tenant_id) if mark.seq else None
            changed = set() if table is None else log.touched(connection, tenant_id, mark.seq)
            if standing is None:
                ids = None if table is None else changed
                state = fold(log.read(connection, tenant_id, memory_ids=ids, only=NEEDED))
            else:
                state = standing.whole(connection)
                if table is not None:
                    state = state.filter(pl.col("memory_id").is_in(list(changed)))
        living = alive(state)
        try:
            if table is None:
                table = self._workspace.vectors.replace(
                    tenant_id,
                    self.table_name,
                    self._arrow(living),
                    scalar_columns=("memory_id", "owner_id"),
                )
                mark, rebuilt = Mark(head, int(table.version), time.time()), True
            else:
                self._apply(table, living, sorted(changed))
                mark, rebuilt = tidied(table, replace(mark, seq=head)), False
            count = int(table.count_rows())
        except (RuntimeError, ValueError, OSError) as error:
            raise _broken(tenant_id, "written", error) from error
        self._set_mark(tenant_id, edition, mark)
        return IndexState(count, int(state["operations"].sum()), rebuilt, head)

    def search(
        self,
        tenant_id: str,
        text: str,
        *,
        owners: Sequence[str] | None = None,
        kinds: Sequence[str] | None = None,
        limit: int = 10,
        **narrowed: Any,
    ) -> Found:
        """Finds memories by words, stemmed; and by meaning where there is an embedder.

        The index is brought up to the log first, so that whatever was acknowledged is found; where another run
        is just writing, the answer says how many operations it is behind.

        Args:
            tenant_id: Whose memory. Rows of nobody else are ever looked at.
            text: Words.
            owners: Only memories about these; None for all of the tenant's.
            kinds: Only of these kinds.
            limit: At most this many, 1 to 1,000.
            narrowed: The other attributes of `memory.search.Query`.

        Raises:
            ConfigurationError: The query cannot be answered.
            ProviderError: The embedder failed, and search by meaning alone was asked for.
        """
        told = None if owners is None else tuple(sorted(set(owners)))
        query = Query(text, told, tuple(kinds or ()), limit=limit, **narrowed).checked()
        mode = query.mode
        if self._embedder is None and mode == "vector":
            raise ConfigurationError(
                "There is no embedder, so that there is no search by meaning",
                "Name one with EMBEDDING_MODEL, or search with the mode hybrid or lexical.",
            )
        if self._embedder is None:
            mode = "lexical"
        if told == ():
            return Found((), mode)
        edition, mark, behind = self._catch_up(tenant_id)
        key = ScopeKey(tenant_id, told, query.as_of, query.clearance, edition)
        scope = self._scope(key, mark)
        vector = None
        if self._embedder is not None and mode != "lexical" and scope is not None:
            try:
                vector = _unit(np.asarray(self._embedder.embed([text]), dtype=np.float32))[0]
            except ProviderError:
                if mode == "vector":
                    raise
                mode = "lexical"  # worse, and better than nothing
        if scope is None:
            return Found((), mode, behind)
        asked = reranking_for(self._workspace, tenant_id, self._reranker) if query.rerank else None
        now = self._workspace.clock.now()
        if asked is None:
            return Found(tuple(answer(scope, query, vector, now)), mode, behind)
        hits = answer(scope, query, vector, now, asked.relevance)
        return Found(tuple(hits), mode, behind, asked.by, asked.why_not)

    def duplicates(self, tenant_id: str) -> list[str]:
        """Ids that stand more than once in the index: LanceDB lets two writers insert one new key twice."""
        table = self._open(tenant_id)
        if table is None:
            return []
        ids = pl.Series(table.search().select(["memory_id"]).limit(None).to_arrow()["memory_id"])
        return sorted(ids.filter(ids.is_duplicated()).unique().to_list())

    def behind(self, tenant_id: str) -> int:
        """How many operations of the log the index has not caught up with."""
        return self._looked(tenant_id)[2]

    def _looked(self, tenant_id: str) -> tuple[int, Mark, int]:
        """The edition of the log, how far the index has come in it, and how many operations it is behind."""
        with self._workspace.control.read() as connection:
            edition, head = log.reached(connection, tenant_id)
        mark = self._mark(tenant_id, edition)
        return edition, mark, max(0, head - mark.seq)

    def _catch_up(self, tenant_id: str) -> tuple[int, Mark, int]:
        looked = self._looked(tenant_id)
        if looked[2]:
            try:
                with self._workspace.locks.hold(tenant_id, "a search", patience=PATIENCE_SECONDS):
                    self.update(tenant_id)
            except (BusyError, ProviderError):
                pass  # what the index has is better than nothing
            return self._looked(tenant_id)
        return looked

    def _scope(self, key: ScopeKey, mark: Mark) -> Scope | None:
        """What a search may see; None where there is no index yet."""
        seq = mark.seq
        if not seq:
            return None

        def is_same(since: int) -> bool:
            if key.owners is None or since > seq:
                return False
            with self._workspace.control.read() as connection:
                return not set(key.owners) & log.owners_touched(connection, key.tenant_id, since)

        def make(before: Scope | None) -> Scope:
            rows = self._rows(key)
            vectors = None
            if "vector" in rows.columns:
                vectors = rows["vector"].to_numpy().astype(np.float32).reshape(rows.height, -1)
                vectors, rows = _unit(vectors), rows.drop("vector")
            if key.as_of is not None:
                rows, vectors = self._as_of(key, key.as_of, rows, vectors)
            kept = seen(rows.with_row_index("kept"), key.clearance)
            if vectors is not None:
                vectors = vectors[kept["kept"].to_numpy()]
            return make_scope(kept.drop("kept"), vectors, before)

        return self._scopes.get(key, seq, is_same, make)

    def _rows(self, key: ScopeKey) -> pl.DataFrame:
        """The rows of a tenant and of the owners, with their vectors if there are any."""
        where = f"tenant_id = {quoted(key.tenant_id)}"
        if key.owners is not None:
            where += f" AND owner_id IN ({', '.join(quoted(o) for o in key.owners)})"
        error: Exception = FileNotFoundError("it is gone")
        for tries in range(READS):
            time.sleep(0.02 * tries)
            try:
                table = self._open(key.tenant_id)
                if table is not None:
                    return pl.DataFrame(_read(table, where))
            except (RuntimeError, ValueError, OSError, StoreError) as caught:
                # Whoever writes may have taken away the files of the version that was being read.
                error = caught
        if isinstance(error, StoreError):
            raise error
        raise _broken(key.tenant_id, "read", error) from error

    def _as_of(
        self, key: ScopeKey, as_of: datetime, rows: pl.DataFrame, vectors: np.ndarray | None
    ) -> tuple[pl.DataFrame, np.ndarray | None]:
        """What was known at an instant and held then. A text that has changed since has no vector."""
        with self._workspace.control.read() as connection:
            operations = log.read(connection, key.tenant_id, owners=key.owners, only=NEEDED)
        then = alive(fold(operations, as_of)).filter(
            pl.col("valid_from").is_null() | (pl.col("valid_from") <= as_of)
        )
        if vectors is None:
            return then, None
        places = rows.select("memory_id", "text").with_row_index("place")
        known = then.join(places, on=["memory_id", "text"], how="left", maintain_order="left")
        found = known["place"].fill_null(len(vectors)).to_numpy()
        padded = np.vstack([vectors, np.zeros((1, vectors.shape[1]), dtype=np.float32)])
        return then, padded[found]

    def _open(self, tenant_id: str) -> Any:
        return self._workspace.vectors.open(tenant_id, self.table_name)

    def _clear_broken(self, tenant_id: str) -> None:
        """Takes away an index that cannot even be opened: LanceDB would not write over it."""
        try:
            self._open(tenant_id)
        except StoreError:
            shutil.rmtree(self._table_path(tenant_id), ignore_errors=True)

    def _apply(self, table: Any, living: pl.DataFrame, changed: list[str]) -> None:
        """Writes what changed."""
        if not living.is_empty():
            (
                table.merge_insert("memory_id")
                .when_matched_update_all()
                .when_not_matched_insert_all()
                .execute(self._arrow(living))
            )
        gone = sorted(set(changed) - set(living["memory_id"]))
        for start in range(0, len(gone), 500):
            listed = ", ".join(quoted(i) for i in gone[start : start + 500])
            table.delete(f"memory_id IN ({listed})")

    def _arrow(self, state: pl.DataFrame) -> pa.Table:
        # Polars writes large strings, of which LanceDB makes no scalar index.
        rows = state.select(SCHEMA.names).to_arrow().cast(SCHEMA)
        if self._embedder is None:
            return rows
        size = self._embedder.dimension
        made = np.zeros((0, size), dtype=np.float32)
        if rows.num_rows:
            made = np.asarray(self._embedder.embed(state["text"].to_list()), dtype=np.float32)
        if made.shape[1] != size:
            raise ConfigurationError(
                f"The embedder {self._embedder.model} says {size} dimensions and gives {made.shape[1]}",
                "Correct EMBEDDING_DIMENSIONS.",
            )
        flat = pa.array(made.ravel(), pa.float32())
        return rows.append_column("vector", pa.FixedSizeListArray.from_arrays(flat, size))

    def _table_path(self, tenant_id: str) -> Path:
        return _path(self._workspace.vectors.root, tenant_id, f"{self.table_name}.lance")

    def _mark_path(self, tenant_id: str) -> Path:
        return _path(self._workspace.vectors.root, tenant_id, f"{self.table_name}.json")

    def _mark(self, tenant_id: str, edition: int) -> Mark:
        """How far the index has come; nowhere where there is none, or one of another version or edition of the log."""
        try:
            mark = json.loads(self._mark_path(tenant_id).read_text())
        except (OSError, ValueError):
            return NO_MARK
        if (
            mark.pop("version", None) != _version(edition)
            or not self._table_path(tenant_id).is_dir()
        ):
            return NO_MARK
        return Mark(**mark)

    def _set_mark(self, tenant_id: str, edition: int, mark: Mark) -> None:
        content = json.dumps({"version": _version(edition), **asdict(mark)})
        write_bytes(self._mark_path(tenant_id), content.encode())


@lru_cache(maxsize=1_000)
def _path(root: Path, tenant_id: str, name: str) -> Path:
    """Made once: each search looks at it."""
    return root / tenant_id / name


def _version(edition: int) -> int | str:
    """What an index says that is made from an edition of the log."""
    return f"{INDEX_VERSION}.{edition}" if edition else INDEX_VERSION


def _read(table: Any, where: str) -> pa.Table:
    return table.search().where(where).limit(None).to_arrow()


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    made: np.ndarray = vectors / np.maximum(lengths, 1e-9)
    return made


def _broken(tenant_id: str, how: str, error: Exception) -> StoreError:
    return StoreError(
        f"The memory index of tenant '{tenant_id}' cannot be {how} ({_first_line(error)})",
        f"Run `clientlore memory rebuild --tenant {tenant_id}`.",
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
