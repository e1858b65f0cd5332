"""Commands of memory: load and ask by file, rebuild the index."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, BinaryIO

import click

from clientlore.cli.common import (
    json_option,
    mode_option,
    opened,
    rerank_option,
    say_json,
    say_table,
    tenant_option,
)
from clientlore.cli.upkeep import MEMORY_COMMANDS


@click.group()
def memory() -> None:
    """What is remembered."""


@memory.command("rebuild")
@tenant_option
@json_option
def memory_rebuild(tenant: str | None, as_json: bool) -> None:
    """Make the memory index anew from the log: the ordinary repair."""
    from clientlore.control.tenants import chosen_tenants
    from clientlore.memory.embedding import embedder_of
    from clientlore.memory.store import MemoryStore

    done: list[dict[str, Any]] = []
    with opened() as workspace:
        with workspace.control.read() as connection:
            chosen = chosen_tenants(connection, [tenant] if tenant else [])
        for found in chosen:
            store = MemoryStore(workspace, embedder_of(workspace, found))
            with workspace.locks.hold(found.tenant_id, "memory rebuild"):
                state = store.update(found.tenant_id, rebuild=True)
            done.append(
                {"tenant": found.tenant_id, "memories": state.rows, "operations": state.applied}
            )
    if as_json:
        say_json(done)
        return
    say_table("", ["tenant", "memories", "operations"], [list(row.values()) for row in done])


@memory.command("load")
@click.argument("source", metavar="IN", type=click.File("rb"))
@click.option("--tenant", required=True, metavar="ID", help="Whose memory; created as live if new.")
@json_option
def memory_load(source: BinaryIO, tenant: str, as_json: bool) -> None:
    """Remember the lines of a file word for word; - is standard input.

    Each line is a JSON object: id, owner and text; if known occurred_at, session, speaker, kind and metadata. What
    was loaded before stays; a line that is there already changes nothing.
    """
    from dataclasses import asdict

    from clientlore.json_lines import read_file
    from clientlore.memory.bulk import Line, load, prepare

    lines = read_file(source, Line)
    with opened(migrated=False) as workspace:
        prepare(workspace, tenant)
        with click.progressbar(length=len(lines), label="memories", file=sys.stderr) as bar:
            done = load(
                workspace,
                tenant,
                lines,
                name=Path(source.name).name,
                told=lambda n, _: bar.update(n - bar.pos),
            )
    told = {"tenant": tenant, **asdict(done)}
    if as_json:
        say_json(told)
        return
    say_table("", ["tenant", "added", "revised", "known before", "memories"], [list(told.values())])


@memory.command("query")
@click.argument("source", metavar="IN", type=click.File("rb"))
@click.option("--tenant", required=True, metavar="ID", help="Whose memory.")
@click.option(
    "--limit",
    default=10,
    show_default=True,
    type=click.IntRange(1, 1_000),
    help="At most this many hits for each query.",
)
@mode_option
@rerank_option
@click.option("--out", required=True, metavar="OUT", help="The answers; - is standard output.")
def memory_query(
    source: BinaryIO, tenant: str, limit: int, mode: Any, rerank: int, out: str
) -> None:
    """Answer the queries of a file; - is standard input.

    Each line is a JSON object: id, owner, query and if wanted as_of. Each line of the answer has the id of the query
    and its hits, best first, with the ids under which they were loaded.
    """
    from clientlore.json_lines import read_file
    from clientlore.memory.bulk import Asked, answers
    from clientlore.storage.files import write_bytes

    asked = read_file(source, Asked)
    with opened() as workspace:
        found = list(answers(workspace, tenant, asked, limit=limit, mode=mode, rerank=rerank))
        written = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in found)
    if out == "-":
        click.echo(written, nl=False)
    else:
        write_bytes(Path(out), written.encode())
    reasons = [one["not_reranked"] for one in found if "not_reranked" in one]
    if reasons:
        click.echo(f"{len(reasons)} of {len(found)} not reranked: {reasons[-1]}", err=True)


@memory.command("extract")
@click.argument("source", metavar="IN", type=click.File("rb"))
@click.option("--tenant", metavar="ID", help="Whose model and budget; by rules if not given.")
@click.option("--out", required=True, metavar="OUT", help="The answers; - is standard output.")
def memory_extract(source: BinaryIO, tenant: str | None, out: str) -> None:
    """Find what the texts of a file say, and remember nothing; - is standard input.

    Each line is a JSON object: id, text and if known owner. Each line of the answer has the id and memories: kind,
    text, the place in the text (start, end), confidence and method. The tenant file says who finds them.
    """
    from clientlore.json_lines import read_file
    from clientlore.memory.extracting import RulesExtractor
    from clientlore.memory.extracting.remembering import TextLine, answers
    from clientlore.storage.files import write_bytes

    lines = read_file(source, TextLine)
    found = list(answers(RulesExtractor(), lines)) if tenant is None else _by_tenant(tenant, lines)
    written = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in found)
    if out == "-":
        click.echo(written, nl=False)
    else:
        write_bytes(Path(out), written.encode())


def _by_tenant(tenant: str, lines: Any) -> list[dict[str, Any]]:
    from clientlore.cli.common import one_tenant
    from clientlore.memory.extracting import RulesExtractor
    from clientlore.memory.extracting.asking import ModelExtractor
    from clientlore.memory.extracting.choosing import extractor_for
    from clientlore.memory.extracting.remembering import answers

    with opened() as workspace:
        extractor = extractor_for(workspace, one_tenant(workspace, tenant)) or RulesExtractor()
        try:
            return list(answers(extractor, lines))
        finally:
            if isinstance(extractor, ModelExtractor):
                extractor.model.close()


for _command in MEMORY_COMMANDS:
    memory.add_command(_command)
