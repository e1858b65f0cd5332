"""Progress of runs, on standard error: one line that changes on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from clientlore.run_context import Progress


@contextmanager
def shown(*, quiet: bool = False) -> Iterator[Progress]:
    """Gives a progress that shows what is going on; nothing at all with `quiet`."""
    if quiet:
        yield lambda _what, _detail: None
    elif sys.stderr.isatty():
        with _live() as progress:
            yield progress
    else:
        yield _plain


@contextmanager
def _live() -> Iterator[Progress]:
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True)
    with console.status("starting ...") as status:

        def progress(what: str, detail: dict[str, Any]) -> None:
            if what == "stage":
                console.print(f"[green]ok[/green] {escape(_line(detail))}", highlight=False)
            elif what == "tenant":
                status.update(
                    escape(f"{detail['day']} {detail['stage']} {detail['tenant']} ...".strip())
                )
            elif what in {"waiting", "reaped"}:
                console.print(escape(_other(what, detail)))

        yield progress


def _plain(what: str, detail: dict[str, Any]) -> None:
    if what == "stage":
        click.echo(_line(detail), err=True)
    elif what in {"waiting", "reaped"}:
        click.echo(_other(what, detail), err=True)


def _line(detail: dict[str, Any]) -> str:
    counts = ", ".join(f"{name} {value}" for name, value in detail["counts"].items() if value)
    days = detail["days"]
    when = "" if not days else days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    failed = f"; failed for {', '.join(detail['failed'])}" if detail["failed"] else ""
    told = counts or f"{detail['rows']} rows"
    return f"{when:10} {detail['stage']:22} {told}{failed}"


def _other(what: str, detail: dict[str, Any]) -> str:
    if what == "reaped":
        return f"run {detail['run_id']} had died and is now marked failed"
    return str(detail["message"])
