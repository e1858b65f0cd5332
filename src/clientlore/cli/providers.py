"""`clientlore providers`, `collect` and `fake-providers`: who is asked, what one would give, and fakes to try it on."""

from __future__ import annotations

import datetime
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from clientlore.cli.common import (
    json_option,
    one_tenant,
    opened,
    parse_day,
    say_json,
    say_table,
    tenant_option,
)
from clientlore.errors import ConfigurationError

if TYPE_CHECKING:
    from clientlore.monitoring.asking import SourceOutcome
    from clientlore.runs.providers import Standing


@click.command()
@json_option
def providers(as_json: bool) -> None:
    """Who can be asked, and who judges, embeds and reranks: what is missing, what is left today, how each did last."""
    from clientlore.runs.everybody import everybody

    with opened() as workspace:
        found = everybody(workspace)
    if as_json:
        say_json([asdict(one) for one in found])
        return
    say_table(
        "Providers",
        [
            "name",
            "mode",
            "gives",
            "set up",
            "used by",
            "failing",
            "left today",
            "last success",
            "terms",
        ],
        [
            [
                one.name,
                one.mode,
                one.table.replace("_", " "),
                f"missing: {', '.join(one.missing)}" if one.missing else "yes",
                one.sources,
                one.failing,
                _left(one),
                one.last_success_at,
                _terms(one.terms),
            ]
            for one in found
        ],
    )
    for one in found:
        for note in (
            one.ends and f"{one.title}: {one.ends}",
            one.error and f"{one.title} failed last: {one.error}",
            one.elsewhere and f"{one.title} is asked at {', '.join(one.elsewhere)}",
        ):
            if note:
                click.echo(note)


def _left(one: Standing) -> str:
    told = [str(left) for left in one.left[:2]]
    if len(one.left) > len(told):
        told.append(f"and {len(one.left) - len(told)} more tenants")
    if one.account_left is not None:
        told.append(f"account: {one.account_left:,}")
    return "; ".join(told)


def _terms(terms: Any) -> str:
    if terms is None:
        return ""
    kept = "text may be kept" if terms.may_store_text else "text may not be kept"
    days = f" for {terms.keep_days} days" if terms.keep_days else ""
    return f"{kept}{days}; shown to {terms.shown_to}"


@click.command()
@click.option(
    "--provider", required=True, metavar="NAME", help="As `clientlore providers` lists it."
)
@click.option("--client", required=True, metavar="NAME", help="About whom; a name or an id.")
@click.option("--day", callback=parse_day, metavar="DAY", help="Which day; today if not given.")
@click.option(
    "--dry-run", is_flag=True, help="Needed: nothing is stored. `clientlore run` collects."
)
@tenant_option
@json_option
def collect(
    provider: str,
    client: str,
    day: datetime.date | None,
    dry_run: bool,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Asks one provider about one client and prints what would be stored. It counts as a call of the account."""
    from clientlore.runs.providers import try_out

    if not dry_run:
        raise ConfigurationError(
            "`clientlore collect` only tries a provider out, and stores nothing",
            "Add --dry-run; to collect, use `clientlore run --client NAME --day DAY`.",
        )
    with opened() as workspace:
        outcome = try_out(
            workspace,
            one_tenant(workspace, tenant),
            provider,
            client,
            day or workspace.clock.now().date(),
        )
    if as_json:
        say_json(_told(outcome))
    else:
        _say(outcome)
    if outcome.outcome == "failed":
        sys.exit(1)


def _told(outcome: SourceOutcome) -> dict[str, Any]:
    return {
        "outcome": outcome.outcome,
        "error_kind": outcome.error_kind,
        "error": outcome.error,
        "requests": [response.request for response, _ in outcome.new],
        "items": [asdict(item) for _, parsed in outcome.new if parsed for item in parsed.items],
        "rejects": [list(reject[1:]) for reject in outcome.rejects],
        "drift": outcome.drift,
    }


def _say(outcome: SourceOutcome) -> None:
    told = _told(outcome)
    for request in told["requests"]:
        click.echo(f"asked: {request}")
    say_table(
        f"{outcome.items} items would be stored",
        ["published", "publisher", "title", "address"],
        [[i["published_at"], i["publisher"], i["title"], i["url"]] for i in told["items"]],
    )
    for position, reason, detail in told["rejects"]:
        click.echo(f"would be set aside: {reason} at {position}: {detail}")
    if outcome.drift:
        click.echo(f"fields that are not known: {', '.join(sorted(outcome.drift))}")
    click.echo(f"outcome: {outcome.outcome}" + (f" ({outcome.error})" if outcome.error else ""))


@click.command("fake-providers")
@click.option("--port", default=8765, show_default=True, help="On loopback; 0 for any free one.")
@click.option("--seed", default=7, show_default=True, help="Another number, other news.")
def fake_providers(port: int, seed: int) -> None:
    """Serves fakes of every provider until Ctrl-C, to try things with no account.

    Prints the variables that send Clientlore to them: put them into the shell, or into the .env file, of what you try.
    Salesforce is asked over TLS, at the port after that one, with a certificate that ends with this command.
    """
    import tempfile
    import threading
    from pathlib import Path

    from clientlore.testing.fakes import every
    from clientlore.testing.fakes.serving import Fake

    try:
        import starlette  # noqa: F401 - whether they are there
        import trustme  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            f"The fakes need {error.name}, which is not installed", "Install clientlore[fakes]."
        ) from None
    with (
        tempfile.TemporaryDirectory(prefix="clientlore-fakes-") as folder,
        every.served(Fake(seed=seed), Path(folder), port=port) as environment,
    ):
        for name, value in sorted(environment.items()):
            click.echo(f"export {name}='{value}'")
        click.echo("# Serving until Ctrl-C.", err=True)
        threading.Event().wait()
