"""`clientlore feedback`: what people say of what they were told, and what is learned from it."""

from __future__ import annotations

import json
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
    from clientlore.control.feedback import Feedback, Kind
    from clientlore.workspace import Workspace

_KINDS = ("useful", "not_useful", "wrong_client", "wrong_category")
_user_option = click.option(
    "--user", metavar="NAME", help="Only this person: handle, address or id."
)


@click.group()
def feedback() -> None:
    """What people say of what they were told, and what is learned from it."""


@feedback.command()
@click.argument("name", metavar="REF|EVENT")
@click.argument("kind", type=click.Choice(_KINDS))
@click.option("--user", required=True, metavar="NAME", help="Who says so: handle, address or id.")
@click.option("--client", metavar="ID", help="Needed where the event is about several clients.")
@click.option("--category", help="The right one, with wrong_category.")
@tenant_option
@json_option
def give(
    name: str,
    kind: Kind,
    user: str,
    client: str | None,
    category: str | None,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Say what a line of a digest, or an event, was worth."""
    from clientlore.digests.feedback import give as take

    with opened() as workspace:
        tenant_id = one_tenant(workspace, tenant).tenant_id
        taken = take(workspace, tenant_id, name, user, kind, client=client, category=category)
        (row,) = _rows(workspace, tenant_id, [taken.feedback])
    if as_json:
        say_json({**row, "fresh": taken.fresh})
        return
    said = f"{row['kind']}{f' (rather {category})' if category else ''}"
    state = "Kept" if taken.fresh else "Known already"
    click.echo(f"{state}: {row['user']} on {row['event_id']}, client {row['client_id']}: {said}.")


@feedback.command("list")
@_user_option
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 1_000),
    help="At most this many.",
)
@tenant_option
@json_option
def list_(user: str | None, limit: int, tenant: str | None, as_json: bool) -> None:
    """The newest feedback of a tenant."""
    with opened() as workspace:
        tenant_id = one_tenant(workspace, tenant).tenant_id
        rows = _rows(workspace, tenant_id, _given(workspace, tenant_id, user)[::-1][:limit])
    if as_json:
        say_json(rows)
        return
    columns = ["given_at", "user", "event_id", "client_id", "kind", "category", "channel"]
    told = [[*(row[c] for c in columns), row["judgement"].get("score")] for row in rows]
    say_table("", [*columns, "score then"], told)


@feedback.command()
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="JSON lines; - is standard output.",
)
@_user_option
@tenant_option
def export(out: Path, user: str | None, tenant: str | None) -> None:
    """Everything that people said, one JSON object a line, oldest first, without names and texts."""
    from clientlore.control.feedback import in_force
    from clientlore.storage.files import write_bytes

    with opened() as workspace:
        tenant_id = one_tenant(workspace, tenant).tenant_id
        said = _given(workspace, tenant_id, user)
        rows = _rows(workspace, tenant_id, said)
    counts = {each.feedback_id for each in in_force(said)}
    lines = "".join(
        json.dumps({**row, "in_force": row["feedback_id"] in counts}, default=_plain) + "\n"
        for row in rows
    )
    if str(out) == "-":
        click.echo(lines, nl=False)
    else:
        write_bytes(out, lines.encode())
        click.echo(f"Wrote {len(rows)} lines to {out}.", err=True)


@feedback.command()
@tenant_option
@json_option
def suggest(tenant: str | None, as_json: bool) -> None:
    """For each person the threshold that best tells useful from not useful; nothing is changed."""
    from dataclasses import asdict

    from clientlore.control import people
    from clientlore.control.feedback import given
    from clientlore.control.model import Preferences
    from clientlore.digests.suggesting import AT_LEAST, AT_LEAST_EACH
    from clientlore.digests.suggesting import suggest as suggest_one

    with opened() as workspace:
        tenant_id = one_tenant(workspace, tenant).tenant_id
        with workspace.control.read() as connection:
            said = given(connection, tenant_id)
            users = people.users_of(connection, tenant_id)
            wanted = people.preferences_of(connection, tenant_id)
    found = [
        (
            user.handle,
            suggest_one(
                said,
                user.user_id,
                wanted.get(user.user_id, Preferences(user.user_id, tenant_id)).relevance_threshold,
            ),
        )
        for user in users
    ]
    if as_json:
        say_json([{"user": handle, **asdict(each)} for handle, each in found])
        return
    rows = [
        (handle, s.useful, s.not_useful, s.present, s.threshold, s.kept, s.stopped)
        for handle, s in found
    ]
    columns = ["user", "useful", "not useful", "threshold", "suggested", "kept", "stopped"]
    say_table("", columns, rows)
    if any(each.threshold is None for _, each in found):
        click.echo(
            f"Nothing is suggested below {AT_LEAST} verdicts, {AT_LEAST_EACH} of each kind, or where none tells them "
            "apart."
        )


@feedback.command()
@tenant_option
@json_option
def teach(tenant: str | None, as_json: bool) -> None:
    """Teach the tenant's classifier; live only if not worse on feedback held back."""
    from dataclasses import asdict

    from clientlore.runs.teaching import teach as teach_one

    with opened() as workspace:
        tenant_id = one_tenant(workspace, tenant).tenant_id
        with workspace.locks.hold(tenant_id, "feedback teach"):
            taught = teach_one(workspace, tenant_id)
    if as_json:
        say_json(asdict(taught))
        return
    click.echo(f"{taught.version}: {taught.why}.")
    if taught.before is not None:
        click.echo(
            f"Right on {taught.examples} events held back: {taught.after:.3f}; "
            f"the model of the home: {taught.before:.3f}."
        )


def _given(workspace: Workspace, tenant_id: str, user: str | None) -> list[Feedback]:
    from clientlore.control import people
    from clientlore.control.feedback import given

    with workspace.control.read() as connection:
        user_id = user and people.find_user(connection, tenant_id, user).user_id
        return given(connection, tenant_id, user_id)


def _rows(workspace: Workspace, tenant_id: str, said: list[Feedback]) -> list[dict[str, Any]]:
    from clientlore.control import people
    from clientlore.control.rows import dump

    with workspace.control.read() as connection:
        users = people.users_of(connection, tenant_id, active_only=False)
    handles = {user.user_id: user.handle for user in users}
    return [{**dump(each), "user": handles.get(each.user_id, each.user_id)} for each in said]


def _plain(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
