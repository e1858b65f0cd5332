"""Commands that set things up: `init`, `apply`, `client`."""

from __future__ import annotations

from pathlib import Path

import click

from clientlore.cli.common import (
    audit_of,
    json_option,
    one_tenant,
    opened,
    say_json,
    say_table,
    tenant_option,
)

_TAKEN_BEFORE = (
    "Today's configuration was taken before; `clientlore run --refresh-config` takes it anew."
)
_A_CLIENT = """\
# - name: Acme Corporation
#   domain: acme.example
#   aliases: [Acme]         # other names it goes by
#   ticker: ACME
#   industry: manufacturing
#   people: [Jane Roe]      # people whose name stands for it
#   exclude: [Acme Bakery]  # words that mean somebody else
#   owners: [me]            # who is told; nobody else is
#   feeds:
#     - https://news.example.com/acme.xml
#     - url: https://example.com/feed?key=${ACME_FEED_KEY}   # secrets come from the environment
#       on_failure: skip    # or fail; mock only with mode: mock
#   contacts:
#     - {name: Jane Roe, email: jane@acme.example, role: Chief Financial Officer}
"""


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default="tenant.yaml")
@click.option("--tenant", help="Id of the tenant; made from its name if not given.")
@click.option("--name", help="Name of the tenant: your team or business.")
@click.option(
    "--mode",
    type=click.Choice(["live", "mock"]),
    default="live",
    show_default=True,
    help="Real or made-up data.",
)
@click.option("--user", help="Name of the first reader.")
@click.option("--email", help="Their mail address.")
@click.option("--zone", help="Their time zone, an IANA name such as Europe/London.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
def init(
    file: Path,
    tenant: str | None,
    name: str | None,
    mode: str,
    user: str | None,
    email: str | None,
    zone: str | None,
    force: bool,
) -> None:
    """Write a commented tenant file to start from.

    At a terminal it asks four questions, unless an option says who you are. Without a terminal it asks nothing: what
    no option says gets a placeholder to be replaced in the file.
    """
    from importlib.resources import files

    import yaml

    from clientlore.cli.asking import Answers, ask_who, at_a_terminal
    from clientlore.control.tenant_file import parse_tenant_file
    from clientlore.errors import ConfigurationError
    from clientlore.ids import slug
    from clientlore.storage.files import write_bytes

    if file.exists() and not force:
        raise ConfigurationError(f"{file} exists already", "Give another name, or --force.")
    if at_a_terminal() and not any((tenant, name, user, email, zone)):
        who = ask_who()
    else:
        who = Answers(
            name=name or "My Team",
            user=user or "Your Name",
            email=email or "you@example.com",
            zone=zone or "Europe/London",
        )

    def quoted(value: str) -> str:
        return (
            str(yaml.safe_dump(value, allow_unicode=True, width=1_000))
            .removesuffix("\n...\n")
            .rstrip("\n")
        )

    template = files("clientlore.cli").joinpath("example.yaml").read_text()
    text = template.format(
        file=file.name,
        tenant=quoted(tenant or slug(who.name)),
        name=quoted(who.name),
        mode=mode,
        user=quoted(who.user),
        email=quoted(who.email),
        zone=quoted(who.zone),
        clients=_A_CLIENT,
    )
    parse_tenant_file(text, file.name)
    write_bytes(file, text.encode())
    click.echo(f"Wrote {file}. Next:\n  clientlore apply {file}")
    click.echo(
        "  clientlore client add NAME --domain DOMAIN --feed URL    (or put clients into the file)"
    )


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@json_option
def apply(file: Path, dry_run: bool, as_json: bool) -> None:
    """Bring the control plane to what a tenant FILE says; in one transaction, as often as you like."""
    from clientlore.control.apply import apply_tenant_file
    from clientlore.control.tenant_file import read_tenant_file

    wanted = read_tenant_file(file)
    with opened() as workspace:
        audit = audit_of(workspace, f"apply {file.name}")
        changes = apply_tenant_file(
            workspace.control, audit, wanted, file.resolve().parent, dry_run=dry_run
        )
        outdated = not dry_run and _outdated(workspace, wanted.tenant)
    if as_json:
        say_json(
            {
                "tenant": wanted.tenant,
                "dry_run": dry_run,
                "changes": [
                    {"action": c.action, "entity": c.entity, "id": c.entity_id, "fields": c.fields}
                    for c in changes
                ],
            }
        )
        return
    if not changes:
        click.echo(f"Tenant '{wanted.tenant}' is already as {file.name} says.")
        return
    rows = [[c.action, c.entity.replace("_", " "), c.label, _told(c.fields)] for c in changes]
    say_table("Would change" if dry_run else "Changed", ["action", "what", "which", "how"], rows)
    if outdated:
        click.echo(_TAKEN_BEFORE)


@click.group()
def client() -> None:
    """The companies that are watched."""


@client.command("add")
@click.argument("name")
@click.option("--id", "client_id", help="Its id; made from the name if not given.")
@click.option("--domain", help="Its site, such as acme.com.")
@click.option(
    "--feed", "feeds", multiple=True, metavar="URL", help="A feed about it; may be repeated."
)
@click.option("--alias", "aliases", multiple=True, help="Another name; may be repeated.")
@click.option("--ticker", help="Its ticker.")
@click.option("--industry", help="Its industry.")
@click.option(
    "--owner",
    "owners",
    multiple=True,
    metavar="USER",
    help="Who looks after it; may be repeated. Everybody, if nobody is named.",
)
@tenant_option
def add(
    name: str,
    client_id: str | None,
    domain: str | None,
    feeds: tuple[str, ...],
    aliases: tuple[str, ...],
    ticker: str | None,
    industry: str | None,
    owners: tuple[str, ...],
    tenant: str | None,
) -> None:
    """Watch a company: clientlore client add "Acme" --domain acme.com --feed URL."""
    from clientlore.control.client_entry import add_clients, entry_from

    entry = entry_from(
        {
            "name": name,
            "id": client_id,
            "domain": domain,
            "feeds": list(feeds),
            "aliases": list(aliases),
            "ticker": ticker,
            "industry": industry,
            "owners": list(owners),
        },
        "client add",
    )
    with opened() as workspace:
        found = one_tenant(workspace, tenant)
        add_clients(workspace.control, audit_of(workspace, "client add"), found, [entry])
        outdated = _outdated(workspace, found.tenant_id)
    click.echo(f"Watching {entry.name} as '{entry.client_id}' for tenant '{found.tenant_id}'.")
    if not feeds and found.mode == "live":
        click.echo(
            "It has no feed of its own yet: add one with --feed, or feeds for all in the tenant file."
        )
    if outdated:
        click.echo(_TAKEN_BEFORE)


@client.command("import")
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@tenant_option
@json_option
def import_(file: Path, tenant: str | None, as_json: bool) -> None:
    """Watch the companies of a CSV FILE: name, and if there are domain, feed, aliases, ticker, industry, owner.

    Exit status 3 if some rows could not be used; each is named with its reason.
    """
    import sys

    from clientlore.control.client_entry import add_clients, read_csv

    with opened() as workspace:
        found = one_tenant(workspace, tenant)
        entries, rejects = read_csv(file)
        added = add_clients(workspace.control, audit_of(workspace, "client import"), found, entries)
        outdated = _outdated(workspace, found.tenant_id)
    if as_json:
        say_json({"tenant": found.tenant_id, "added": added, "rejected": rejects})
    else:
        click.echo(f"Watching {len(added)} clients of {file.name} for tenant '{found.tenant_id}'.")
        for reject in rejects:
            click.echo(f"left out: line {reject['line']}: {reject['detail']}", err=True)
        if outdated:
            click.echo(_TAKEN_BEFORE)
    sys.exit(3 if rejects else 0)


@client.command("list")
@tenant_option
@json_option
def list_(tenant: str | None, as_json: bool) -> None:
    """The clients of a tenant."""
    from clientlore.control.clients import clients_of, responsible
    from clientlore.control.people import users_of
    from clientlore.control.rows import dump

    with opened() as workspace:
        found = one_tenant(workspace, tenant)
        with workspace.control.read() as connection:
            known = clients_of(connection, found.tenant_id)
            owners = responsible(connection, found.tenant_id)
            handles = {
                u.user_id: u.handle
                for u in users_of(connection, found.tenant_id, active_only=False)
            }
    named = {c.client_id: [handles[u] for u in owners.get(c.client_id, ())] for c in known}
    if as_json:
        say_json([{**dump(c), "owners": named[c.client_id]} for c in known])
        return
    rows = [[c.client_id, c.name, c.domain, ", ".join(named[c.client_id]), c.origin] for c in known]
    say_table("", ["id", "name", "domain", "owners", "from"], rows)


def _told(fields: dict[str, object]) -> str:
    """What changed, in a line: ids, and what is empty where something is new, are left to `--json`."""
    parts = []
    for name, change in fields.items():
        if not isinstance(change, list) or len(change) != 2:
            parts.append(f"{name} {change}")
            continue
        old, new = change
        if old is not None:
            parts.append(f"{name}: {old} -> {new}")
        elif new not in (None, "", True, [], {}) and not name.endswith("_id") and name != "origin":
            parts.append(f"{name}: {new}")
    return "; ".join(parts)


def _outdated(workspace: object, tenant_id: str) -> bool:
    """Whether today's snapshot was taken before the configuration became what it is."""
    from clientlore.control.snapshots import is_outdated
    from clientlore.control.tenants import get_tenant
    from clientlore.workspace import Workspace

    assert isinstance(workspace, Workspace)
    with workspace.control.read() as connection:
        tenant = get_tenant(connection, tenant_id)
        return is_outdated(connection, tenant, workspace.clock.now().date())
