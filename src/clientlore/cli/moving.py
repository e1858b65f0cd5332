"""`export` and `import`: memory out of a home and into another; and `demo memory`."""

from __future__ import annotations

from pathlib import Path

import click

from clientlore.cli.common import (
    json_option,
    one_tenant,
    opened,
    say_json,
    say_table,
    tenant_option,
)


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@tenant_option
@click.option("--owner", help="Only memories about this client, contact or user.")
@json_option
def export(file: Path, tenant: str | None, owner: str | None, as_json: bool) -> None:
    """Write memory, with its whole past, to FILE: `.jsonl` or `.parquet`."""
    from clientlore.memory.portability import export as write
    from clientlore.memory.service import MemoryService

    with opened() as workspace:
        done = write(MemoryService(workspace, one_tenant(workspace, tenant).tenant_id), file, owner)
    if as_json:
        say_json({"file": str(file), "operations": done.operations, "memories": done.memories})
    else:
        click.echo(f"Wrote {done.operations} operations on {done.memories} memories to {file}.")


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@tenant_option
@click.option(
    "--from",
    "source",
    type=click.Choice(["clientlore", "mem0", "hippocampai"]),
    default="clientlore",
    show_default=True,
    help="Who wrote it.",
)
@json_option
def import_(file: Path, tenant: str | None, source: str, as_json: bool) -> None:
    """Bring in what `export` wrote, or an export of mem0 or HippocampAI; all of it or nothing, never twice."""
    from clientlore.memory.portability import import_ as read
    from clientlore.memory.service import MemoryService

    with opened() as workspace:
        done = read(MemoryService(workspace, one_tenant(workspace, tenant).tenant_id), file, source)
    if as_json:
        say_json({"appended": done.appended, "known": done.known, "left_out": done.left_out})
        return
    click.echo(
        f"Brought in {done.appended} operations; {done.known} were there, {done.left_out} are about "
        "somebody who was forgotten."
    )


@click.command("memory")
@json_option
def demo_memory(as_json: bool) -> None:
    """Nine steps with a made-up memory: policies, triggers, upkeep, tasks; needs no key and no network."""
    from clientlore.runs.memory_demo import play

    with opened() as workspace:
        steps = play(workspace)
    if as_json:
        say_json([{"step": n, "what": s.what, **s.found} for n, s in enumerate(steps, start=1)])
        return
    rows = [
        [n, s.what, ", ".join(f"{k} {v}" for k, v in s.found.items())]
        for n, s in enumerate(steps, start=1)
    ]
    say_table("", ["step", "what", "found"], rows)
