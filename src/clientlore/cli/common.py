"""What commands share: the workspace they open, who they are, tables and JSON."""

from __future__ import annotations

import datetime
import json
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from clientlore.control.audit import Audit
    from clientlore.workspace import Workspace

tenant_option = click.option(
    "--tenant",
    metavar="ID",
    help="Which tenant; needed where several are live, or none is and several are mock.",
)
data_option = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the labelled sets; CLIENTLORE_EVALUATION_DIR if not given.",
)
mode_option = click.option(
    "--mode",
    default="hybrid",
    show_default=True,
    type=click.Choice(["hybrid", "lexical", "vector"]),
    help="By words and meaning, or by one of them; hybrid is lexical where there is no embedder.",
)
rerank_option = click.option(
    "--rerank",
    default=50,
    show_default=True,
    type=click.IntRange(0, 1_000),
    help="How many of the best a reranker puts in order, where one is configured; 0 for none.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


@contextmanager
def opened(*, migrated: bool = True) -> Iterator[Workspace]:
    """The workspace of the environment."""
    from clientlore.settings import load_settings
    from clientlore.workspace import Workspace

    settings = load_settings()
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(message)s"
    )
    logging.getLogger("clientlore").setLevel(settings.log_level)
    with Workspace.open(settings, migrated=migrated) as workspace:
        yield workspace


def audit_of(workspace: Workspace, reason: str) -> Audit:
    """The person at the keyboard as one who changes the control plane."""
    import getpass

    try:
        login = getpass.getuser()
    except (KeyError, OSError):
        login = "unknown"
    return workspace.audit(f"cli:{login}", reason)


def one_tenant(workspace: Workspace, wanted: str | None) -> Any:
    """The wanted tenant, or the only one."""
    from clientlore.control.tenants import only_tenant

    with workspace.control.read() as connection:
        return only_tenant(connection, wanted)


def say_json(value: Any) -> None:
    """Writes JSON to standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def say_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Writes a table to standard output; numbers to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    found = [list(row) for row in rows]
    table = Table(title=title or None, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for number, column in enumerate(columns):
        numeric = bool(found) and all(isinstance(row[number], int | float) for row in found)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in found:
        table.add_row(*(Text(_cell(value)) for value in row))
    console = Console(soft_wrap=False)
    if not console.is_terminal:
        # Piped into a file or another program: do not fold at 80 columns.
        console = Console(width=200)
    console.print(table)


def parse_day(
    _ctx: click.Context, _parameter: click.Parameter, value: str | None
) -> datetime.date | None:
    """A day written as 2026-11-20, or today, or yesterday; in UTC."""
    if value is None:
        return None
    today = datetime.datetime.now(datetime.UTC).date()
    named = {"today": today, "yesterday": today - datetime.timedelta(days=1)}
    if value in named:
        return named[value]
    try:
        day = datetime.date.fromisoformat(value)
    except ValueError:
        message = f"'{value}' is no day; write 2026-11-20, today or yesterday"
        raise click.BadParameter(message) from None
    if day > today:
        message = f"{day} has not come yet; in UTC it is {today}"
        raise click.BadParameter(message)
    return day


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, float):
        return f"{value:.2f}"
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    return str(value)
