"""A tenant's newest days as one HTML file: everything read, then rendered, then written.

The file needs nothing beside it: no script, no font, no picture from elsewhere, and a policy in it forbids any.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import jinja2
from markupsafe import Markup, escape

from clientlore.clock import utc
from clientlore.control.model import Preferences, Tenant
from clientlore.errors import NotFoundError
from clientlore.memory.dossier_files import headline, path_of
from clientlore.memory.dossiers import Dossier, read_dossiers
from clientlore.pages.chart import LABELS, draw
from clientlore.pages.flow import STEPS, DayFlow, flow_of, newest_days
from clientlore.pages.folded import Layer, layers_of
from clientlore.pages.mails import Person, people_of
from clientlore.pages.stopped import NAMES, Stopped, stopped_of
from clientlore.storage.files import write_bytes
from clientlore.taxonomy import label
from clientlore.workspace import Workspace

MOST_DOSSIERS = 30
"""Dossiers on a page; of the others it gives the number."""
MOST_MAILS = 5
"""Mails of each person on a page, the newest."""
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True)
class Page:
    """What is on a page.

    Attributes:
        home: The home of the stores: paths on the page are told from there.
        folder: Where the page lies: links on it are told from there.
    """

    tenant: Tenant
    days: tuple[date, ...]
    flow: tuple[DayFlow, ...]
    people: tuple[Person, ...]
    layers: tuple[Layer, ...]
    stopped: Stopped
    dossiers: tuple[Dossier, ...]
    home: Path
    folder: Path
    dossier_folder: Path


def write_page(
    workspace: Workspace, tenant: Tenant, *, days: int = 3, path: Path | None = None
) -> Path:
    """Writes the page of a tenant; returns where it lies.

    Args:
        workspace: The stores.
        tenant: Whose page.
        days: How many of the newest days with data.
        path: Where to write it; `pages/<tenant>/index.html` under the home if not given.

    Raises:
        NotFoundError: Nothing was collected for the tenant yet.
        StoreError: Something cannot be read or written.
    """
    target = (path or workspace.settings.pages / tenant.tenant_id / "index.html").absolute()
    page = read_page(workspace, tenant, days=days, folder=target.parent)
    write_bytes(target, render(page).encode())
    return target


def read_page(workspace: Workspace, tenant: Tenant, *, days: int, folder: Path) -> Page:
    """Reads what is on the page of a tenant. See `write_page`."""
    tenant_id = tenant.tenant_id
    chosen = newest_days(workspace, tenant_id, days)
    if not chosen:
        raise NotFoundError(
            f"Nothing was collected for tenant '{tenant_id}' yet", "`clientlore run` collects."
        )
    people = people_of(workspace, tenant_id, chosen)
    return Page(
        tenant=tenant,
        days=tuple(chosen),
        flow=tuple(flow_of(workspace, tenant_id, chosen)),
        people=tuple(people),
        layers=tuple(layers_of(workspace, tenant_id, chosen)),
        stopped=stopped_of(workspace, tenant_id, chosen, [person.user for person in people]),
        dossiers=tuple(read_dossiers(workspace, tenant)),
        home=workspace.settings.home,
        folder=folder,
        dossier_folder=workspace.settings.dossiers / tenant_id,
    )


def render(page: Page) -> str:
    """The HTML of a page. The same state is the same text."""
    of_clients = sorted(
        (d for d in page.dossiers if d.kind == "client"),
        key=lambda d: (-d.newest.timestamp(), d.name),
    )
    by_id = {d.entity_id: d for d in page.dossiers if d.kind == "contact"}

    def relative(file: Path) -> str:
        return quote(Path(os.path.relpath(file, page.folder)).as_posix(), safe="/.-_~")

    def from_home(file: Path) -> str:
        inside = file.is_relative_to(page.home)
        return (file.relative_to(page.home) if inside else file).as_posix()

    def dossier_file(dossier: Dossier) -> str | None:
        file = path_of(page.dossier_folder, dossier)
        return relative(file) if file.exists() else None

    return (
        _templates()
        .get_template("page.html.j2")
        .render(
            page=page,
            css=files("clientlore.pages").joinpath("templates/page.css").read_text(),
            drawings=draw(page.flow),
            steps=STEPS,
            labels=LABELS,
            gate_names=NAMES,
            clients=of_clients[:MOST_DOSSIERS],
            more_clients=max(0, len(of_clients) - MOST_DOSSIERS),
            contacts=by_id,
            most_mails=MOST_MAILS,
            relative=relative,
            from_home=from_home,
            dossier_file=dossier_file,
            span=_span(page.days),
            total={s: sum(f.count(s) for f in page.flow) for s in (*STEPS, "lines", "mails")},
        )
    )


@functools.cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("clientlore.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "label": label,
        "headline": headline,
        "at": _at,
        "day": _day,
        "web": _web,
        "wants": _wants,
        "plural": _plural,
        "command": _command,
    }
    return environment


def _at(instant: datetime | None) -> str:
    if instant is None:
        return "no date"
    told = utc(instant).astimezone(UTC)
    return f"{told.day} {told:%b %Y, %H:%M} UTC"


def _day(day: date) -> str:
    return f"{day:%A}, {day.day} {day:%B %Y}"


def _span(days: tuple[date, ...]) -> str:
    first, last = days[0], days[-1]
    end = f"{last.day} {last:%B %Y}"
    if first == last:
        return end
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day} to {end}"
    return f"{first.day} {first:%B}{f' {first.year}' if first.year != last.year else ''} to {end}"


def _web(url: str | None) -> str | None:
    """An address that may be linked; None for any other."""
    return url if url is not None and url.startswith(("http://", "https://")) else None


def _wants(preferences: Preferences) -> str:
    p = preferences
    when = {
        "daily": f"a digest every day at {p.local_time}",
        "weekly": f"a digest every {_WEEKDAYS[p.weekday]} at {p.local_time}",
        "instant": "a mail as soon as there is news",
    }[p.frequency]
    said = [f"{when}, {p.timezone}", f"score {p.relevance_threshold:.2f} or more"]
    if p.categories:
        said.append(f"only {', '.join(label(name) for name in p.categories)}")
    if p.quiet_from and p.quiet_to:
        said.append(f"nothing from {p.quiet_from} to {p.quiet_to}")
    said.append(f"at most {p.max_items} items a mail")
    return "; ".join(said)


def _command(text: str) -> Markup:
    """A command whose options are not torn from their dashes at the end of a line."""
    first, *options = text.split(" --")
    whole = Markup(' <span class="whole">--{}</span>')
    return escape(first) + Markup("").join(whole.format(option) for option in options)


def _plural(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
