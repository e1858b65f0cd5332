"""Commands that read: `digest`, `search`, `trace`, `explain`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clientlore.cli.common import (
    json_option,
    one_tenant,
    opened,
    say_json,
    say_table,
    tenant_option,
)

if TYPE_CHECKING:
    from clientlore.digests.tracing import Step


@click.group()
def digest() -> None:
    """The mails that were written."""


@digest.command("list")
@tenant_option
@click.option("--user", help="Handle, address or id of a person.")
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 1_000),
    help="At most this many.",
)
@json_option
def list_(tenant: str | None, user: str | None, limit: int, as_json: bool) -> None:
    """The newest mails of a tenant."""
    with opened() as workspace:
        rows = _mails(workspace, one_tenant(workspace, tenant).tenant_id, user, limit)
    if as_json:
        say_json(rows)
        return
    columns = ["closed_at", "handle", "frequency", "window_key", "subject", "state", "file_name"]
    say_table("", columns, [[row[c] for c in columns] for row in rows])


@digest.command("show")
@tenant_option
@click.option("--user", help="Handle, address or id of a person.")
@click.option("--message-id", help="A certain mail; the newest if not given.")
@click.option(
    "--html",
    "html_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the HTML part to a file instead.",
)
@json_option
def show(
    tenant: str | None,
    user: str | None,
    message_id: str | None,
    html_file: Path | None,
    as_json: bool,
) -> None:
    """A mail as text, the newest one if none is named."""
    import email
    from email.policy import default

    from clientlore.errors import NotFoundError
    from clientlore.storage.files import write_bytes

    with opened() as workspace:
        tenant_id = one_tenant(workspace, tenant).tenant_id
        rows = _mails(workspace, tenant_id, user, 1, message_id)
        if not rows:
            raise NotFoundError(
                "No such mail was written", "`clientlore run --deliver` writes some."
            )
        row = rows[0]
        message = email.message_from_bytes(
            workspace.blobs.get(tenant_id, row["blob"]), policy=default
        )
    text = message.get_body(("plain",))
    markup = message.get_body(("html",))
    if html_file is not None:
        assert markup is not None
        write_bytes(html_file, markup.get_content().encode())
        click.echo(f"Wrote {html_file}.")
    elif as_json:
        say_json({**row, "text": text.get_content() if text else None})
    else:
        click.echo(f"To: {message['To']}\nSubject: {message['Subject']}\nState: {row['state']}\n")
        click.echo(text.get_content() if text else "")


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
    "--kind", "kinds", multiple=True, help="Only this kind: event or activity; may be repeated."
)
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
    kinds: tuple[str, ...],
    limit: int,
    as_json: bool,
) -> None:
    """Search what is remembered about a tenant's clients. Words are stemmed: plants finds plant."""
    from dataclasses import asdict

    from clientlore.control.clients import resolve_clients
    from clientlore.memory.embedding import embedder_of
    from clientlore.memory.store import MemoryStore

    with opened() as workspace:
        chosen = one_tenant(workspace, tenant)
        tenant_id = chosen.tenant_id
        with workspace.control.read() as connection:
            owners = sorted(resolve_clients(connection, tenant_id, clients)) if clients else None
        found = MemoryStore(workspace, embedder_of(workspace, chosen)).search(
            tenant_id, query, owners=owners, kinds=kinds, limit=limit
        )
    if as_json:
        say_json(
            {
                "mode": found.mode,
                "behind": found.behind,
                "hits": [asdict(hit) for hit in found.hits],
            }
        )
        return
    if not found.hits:
        click.echo("Nothing of that is remembered.")
    for hit in found.hits:
        click.echo(f"{hit.score:6.2f}  {hit.recorded_at:%Y-%m-%d}  {hit.owner_id}  ({hit.kind})")
        click.echo(f"        {hit.text}")
        click.echo(f"        {hit.attributes.get('url') or ''}  {', '.join(hit.sources)}")
    behind = f"; {found.behind} operations behind" if found.behind else ""
    click.echo(f"{found.mode} search{behind}", err=True)


@click.command()
@click.argument("reference")
@tenant_option
@click.option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the stored response bytes to a file.",
)
@json_option
def trace(reference: str, tenant: str | None, save: Path | None, as_json: bool) -> None:
    """Walk from a digest line back to the stored response bytes.

    REFERENCE stands behind Ref in a digest; the id of an event or an item does too.
    """
    from clientlore.digests.tracing import trace as walk
    from clientlore.storage.files import write_bytes

    with opened() as workspace:
        found = walk(workspace, one_tenant(workspace, tenant).tenant_id, reference)
    if save is not None:
        write_bytes(save, found.response.body)
    if as_json:
        say_json({"steps": [{"what": s.what, **s.facts} for s in found.steps], "saved": save})
        return
    for step in found.steps:
        _say_step(step)
    click.echo(f"\nThe bytes are those that were stored: SHA-256 {found.response.body_sha}.")
    if save is not None:
        click.echo(f"Wrote {len(found.response.body):,} bytes to {save}.")


@click.command()
@click.argument("reference")
@click.option(
    "--user", help="Handle, address or id of a person; without one, what was folded and why."
)
@tenant_option
@json_option
def explain(reference: str, user: str | None, tenant: str | None, as_json: bool) -> None:
    """Why a person was told of an event, or the first gate that stopped it; or what was folded into the event.

    REFERENCE is the Ref of a digest line (also of another person's), or the id of an event or an item.
    """
    if user is None:
        _explain_merges(reference, tenant, as_json=as_json)
        return
    from clientlore.digests.explaining import explain as answer

    with opened() as workspace:
        found = answer(workspace, one_tenant(workspace, tenant).tenant_id, reference, user)
    if as_json:
        answers = [
            {"question": a.question, "passed": a.passed, "detail": a.detail} for a in found.answers
        ]
        say_json(
            {
                "event_id": found.event_id,
                "user": found.user.handle,
                "told": found.told,
                "verdict": found.verdict,
                "answers": answers,
            }
        )
        return
    click.echo(f"{found.user.name}: {found.verdict}\n")
    for step in found.answers:
        mark = {True: "yes", False: "no", None: "-"}[step.passed]
        click.echo(f"  {step.question:10} {mark:4} {step.detail}")


def _explain_merges(reference: str, tenant: str | None, *, as_json: bool) -> None:
    """Each folded item beside the one it was folded for, what differs in brackets; then the story it is of."""
    from dataclasses import asdict

    from clientlore.control import splits
    from clientlore.digests.tracing import resolve_event
    from clientlore.monitoring.events import REASONS
    from clientlore.monitoring.merges import merges_of, story_of

    with opened() as workspace:
        tenant_id = one_tenant(workspace, tenant).tenant_id
        event_id = resolve_event(workspace, tenant_id, reference)
        pairs = merges_of(workspace.lake, tenant_id, event_id)
        story_id, tellings, told = story_of(workspace.lake, tenant_id, event_id)
        with workspace.control.read() as connection:
            split = splits.find(connection, tenant_id, event_id)
    if as_json:
        merges = [{**asdict(pair), "reason": REASONS[pair.layer]} for pair in pairs]
        story = {"story_id": story_id, "total": tellings, "events": [asdict(one) for one in told]}
        say_json({"event_id": event_id, "merges": merges, "story": story, "split": split})
        return
    click.echo(f"Event {event_id}: {len(pairs)} folded into it.")
    for pair in pairs:
        click.echo(f"\n{pair.layer} ({pair.similarity:.2f}): {REASONS[pair.layer]}")
        click.echo(f"No copy? clientlore event split {pair.later.item_id} --tenant {tenant_id}")
        sides = [
            (side.publisher or "", f"{_marked(side.title)}\n\n{_marked(side.text)}")
            for side in (pair.first, pair.later)
        ]
        say_table("", [f"{name or 'item'}" for name, _ in sides], [[text for _, text in sides]])
    if split is not None and split["state"] == "apart":
        click.echo(
            f"\nTaken out of {split['event_id']} by {split['decided_by']} on {split['updated_at']:%Y-%m-%d}: "
            f"{split['reason']}. Undo: clientlore event split {event_id} --undo --tenant {tenant_id}"
        )
    if tellings > 1:
        click.echo(f"\nStory {story_id}: told by {tellings} events, the newest last.")
        columns = ["day", "event_id", "like it", "publisher", "title"]
        rows = [[t.day, t.event_id, t.similarity, t.publisher, t.title] for t in told]
        say_table("", columns, rows)


def _marked(segments: Sequence[tuple[str, bool]]) -> str:
    return " ".join(f"[{words}]" if differs else words for words, differs in segments)


def _say_step(step: Step) -> None:
    click.echo(f"\n{step.what}")
    for name, value in step.facts.items():
        if isinstance(value, list):
            click.echo(f"  {name}:")
            for entry in value:
                told = (
                    json.dumps(entry, ensure_ascii=False) if isinstance(entry, dict) else str(entry)
                )
                click.echo(f"    {told}")
        elif value is not None:
            click.echo(f"  {name}: {value}")


def _mails(
    workspace: Any, tenant_id: str, user: str | None, limit: int, message_id: str | None = None
) -> list[dict[str, Any]]:
    """The newest mails of a tenant's windows, newest first."""
    import sqlalchemy as sa

    from clientlore.control import tables as t
    from clientlore.control.people import find_user

    query = (
        sa.select(
            t.windows.c.closed_at,
            t.users.c.handle,
            t.windows.c.frequency,
            t.windows.c.window_key,
            t.outbox.c.subject,
            t.outbox.c.state,
            t.outbox.c.message_id,
            t.outbox.c.file_name,
            t.outbox.c.blob,
        )
        .join(t.outbox, t.outbox.c.window_id == t.windows.c.window_id)
        .join(t.users, t.users.c.user_id == t.windows.c.user_id)
        .where(t.windows.c.tenant_id == tenant_id)
        .order_by(t.windows.c.closed_at.desc(), t.outbox.c.outbox_id)
        .limit(limit)
    )
    with workspace.control.read() as connection:
        if user is not None:
            query = query.where(
                t.windows.c.user_id == find_user(connection, tenant_id, user).user_id
            )
        if message_id is not None:
            query = query.where(t.outbox.c.message_id == message_id)
        return [dict(row) for row in connection.execute(query).mappings()]
