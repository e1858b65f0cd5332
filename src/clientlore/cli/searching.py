"""`search`: the one search of memory, with everything by which the library narrows it."""

from __future__ import annotations

import datetime
from typing import Any

import click

from clientlore.cli.common import (
    json_option,
    mode_option,
    one_tenant,
    opened,
    rerank_option,
    say_json,
    tenant_option,
)


class _Moment(click.ParamType[datetime.date]):
    """A day, or an instant; in UTC if no zone is given."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime.date:
        try:
            if len(value) == len("2026-11-20"):
                return datetime.date.fromisoformat(value)
            told = datetime.datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"'{value}' is no time; write 2026-11-20 or 2026-11-20T09:00", param, ctx)
        return told if told.tzinfo else told.replace(tzinfo=datetime.UTC)


@click.command()
@click.argument("query")
@tenant_option
@click.option(
    "--client",
    "clients",
    multiple=True,
    metavar="NAME",
    help="Only what is about this client; may be repeated.",
)
@click.option(
    "--owner", "owners", multiple=True, metavar="ID", help="Only about this owner; may be repeated."
)
@click.option(
    "--kind", "kinds", multiple=True, help="Only this kind, such as event or fact; may be repeated."
)
@click.option(
    "--where",
    multiple=True,
    metavar="KEY=VALUE",
    help="Only with this metadata; a key that is repeated may have any of its values.",
)
@click.option("--id", "ids", multiple=True, help="Only what came with this id; may be repeated.")
@click.option("--since", type=_Moment(), help="Only what happened from then on, included.")
@click.option("--until", type=_Moment(), help="Only what happened up to then, included.")
@click.option("--as-of", type=_Moment(), help="As it was known and held then; a day is its end.")
@click.option(
    "--clearance",
    type=click.Choice(["general", "confidential", "secret", "ultra_secret"]),
    help="Leave out whatever is above this security tier.",
)
@click.option("--closed", is_flag=True, help="What holds no longer, too.")
@click.option("--by-session", is_flag=True, help="Only the best of each session or document.")
@click.option(
    "--context",
    default=0,
    show_default=True,
    type=click.IntRange(0, 100),
    help="Show so many of the same session before and after each.",
)
@mode_option
@rerank_option
@click.option("--explain", is_flag=True, help="Show what each score is made of.")
@click.option(
    "--limit",
    default=10,
    show_default=True,
    type=click.IntRange(1, 1_000),
    help="At most this many.",
)
@json_option
def search(
    query: str,
    tenant: str | None,
    clients: tuple[str, ...],
    owners: tuple[str, ...],
    where: tuple[str, ...],
    as_of: datetime.date | None,
    limit: int,
    explain: bool,
    as_json: bool,
    **narrowed: Any,
) -> None:
    """Search what is remembered about a tenant's clients. Words are stemmed: plants finds plant."""
    from dataclasses import asdict

    from clientlore.control.clients import resolve_clients
    from clientlore.memory.embedding import embedder_of
    from clientlore.memory.store import MemoryStore

    metadata = _pairs(where)
    with opened() as workspace:
        chosen = one_tenant(workspace, tenant)
        tenant_id = chosen.tenant_id
        about: set[str] | None = None
        if clients or owners:
            with workspace.control.read() as connection:
                about = {*owners, *resolve_clients(connection, tenant_id, clients)}
        found = MemoryStore(workspace, embedder_of(workspace, chosen)).search(
            tenant_id,
            query,
            owners=None if about is None else sorted(about),
            where=metadata,
            as_of=_end(as_of),
            limit=limit,
            **narrowed,
        )
    if as_json:
        hits = [asdict(hit) for hit in found.hits]
        say_json({**{k: v for k, v in vars(found).items() if k != "hits"}, "hits": hits})
        return
    if not found.hits:
        click.echo("Nothing of that is remembered.")
    for hit in found.hits:
        for text in hit.before:
            click.echo(f"        | {text}")
        click.echo(f"{hit.score:6.2f}  {hit.recorded_at:%Y-%m-%d}  {hit.owner_id}  ({hit.kind})")
        click.echo(f"        {hit.text}")
        click.echo(f"        {hit.attributes.get('url') or ''}  {', '.join(hit.sources)}")
        for text in hit.after:
            click.echo(f"        | {text}")
        if explain:
            ranks = [f"{leg} rank {rank}" for leg, rank in hit.legs.items()]
            parts = [f"{part} {value:.3f}" for part, value in hit.parts.items()]
            click.echo(f"        = {', '.join([*parts, *ranks])}")
    told = [f"{found.mode} search"]
    if found.behind:
        told.append(f"{found.behind} operations behind")
    if found.reranked_by is not None:
        told.append(f"reranked by {found.reranked_by}")
    if found.not_reranked is not None:
        told.append(f"not reranked: {found.not_reranked}")
    click.echo("; ".join(told), err=True)


def _pairs(where: tuple[str, ...]) -> dict[str, Any]:
    told: dict[str, list[str]] = {}
    for pair in where:
        key, equals, value = pair.partition("=")
        if not equals:
            message = "--where takes KEY=VALUE"
            raise click.UsageError(message)
        told.setdefault(key, []).append(value)
    return {key: values if len(values) > 1 else values[0] for key, values in told.items()}


def _end(moment: datetime.date | None) -> datetime.datetime | None:
    if moment is None or isinstance(moment, datetime.datetime):
        return moment
    return datetime.datetime.combine(moment, datetime.time.max, datetime.UTC)
