"""The page of the demo's tenant: what is on it, that it is sound, and how it looks in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from selectolax.lexbor import LexborHTMLParser, LexborNode

from clientlore.clock import FrozenClock
from clientlore.control import tables as t
from clientlore.control.model import Tenant
from clientlore.control.tenants import get_tenant
from clientlore.digests.explaining import explain
from clientlore.digests.tracing import trace
from clientlore.errors import NotFoundError
from clientlore.monitoring.events import EVENTS, MEMBERS
from clientlore.monitoring.raw import RESPONSES
from clientlore.pages.writing import write_page
from clientlore.run_context import Scope
from clientlore.runs.orchestrator import InlineOrchestrator, RunRequest
from clientlore.testing.workspaces import open_workspace, put_tenant
from clientlore.workspace import Workspace
from tests.conftest import NOW
from tests.support.browser import Browser, Scheme, find_browser
from tests.support.markup import contrast, faults, loads, parse_errors, srcdocs

TODAY = NOW.date()
WIDTHS = (1200, 600, 360)
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
FOREIGN = """
    tenant: other
    name: Elsewhere
    mode: mock
    users: [{id: zoe, name: Zoe Foreign}]
    clients: [{name: Xanadu Oil}]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The demo's tenant after two days with mail, and another tenant that is nobody's business."""
    home = tmp_path_factory.mktemp("page") / "home"
    with open_workspace(home, FrozenClock(NOW)) as workspace:
        put_tenant(workspace, files("clientlore.cli").joinpath("demo.yaml").read_text())
        put_tenant(workspace, FOREIGN)
        request = RunRequest(TODAY - timedelta(days=1), TODAY, Scope(), deliver=True)
        results = InlineOrchestrator(workspace).launch(request)
        assert {result.outcome for result in results} == {"succeeded"}
        yield workspace


@pytest.fixture(scope="module")
def demo(made: Workspace) -> Tenant:
    with made.control.read() as connection:
        return get_tenant(connection, "demo")


@pytest.fixture(scope="module")
def page(made: Workspace, demo: Tenant) -> Path:
    return write_page(made, demo)


@pytest.fixture(scope="module")
def html(page: Path) -> str:
    return page.read_text()


@pytest.fixture(scope="module")
def root(html: str) -> LexborNode:
    found = LexborHTMLParser(html).root
    assert found is not None
    return found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find_browser()
    if program is None:
        pytest.skip("no Chromium here: apt-get install chromium, and the page is looked at too")
    with Browser(program, tmp_path_factory.mktemp("browser")) as started:
        yield started


def words(node: LexborNode) -> str:
    return " ".join(node.text(separator=" ").split())


def test_the_page_is_sound_html_that_everybody_can_find_their_way_in(html: str) -> None:
    assert parse_errors(html) == []
    assert faults(html) == []
    for inner in srcdocs(html):
        assert parse_errors(inner) == []


def test_the_page_runs_nothing_and_loads_nothing(html: str) -> None:
    assert loads(html) == []
    assert "default-src 'none'" in html
    for inner in srcdocs(html):
        assert loads(inner) == ["<base>"]
        assert "default-src 'none'" in inner


def test_the_same_state_gives_the_same_bytes(made: Workspace, demo: Tenant, page: Path) -> None:
    before = page.read_bytes()
    assert write_page(made, demo) == page
    assert page.read_bytes() == before


def test_the_page_lies_under_the_home_with_the_tenant_in_its_path(
    made: Workspace, page: Path
) -> None:
    assert page == made.settings.home / "pages" / "demo" / "index.html"


def test_nothing_of_another_tenant_is_on_it(html: str) -> None:
    assert "Xanadu" not in html
    assert "Zoe" not in html
    assert "tenant=other" not in html


def test_made_up_data_is_named_as_such(root: LexborNode) -> None:
    notice = root.css_first("header .notice")
    assert notice is not None
    assert "made up for the mock tenant “demo”" in words(notice)


def test_the_chart_and_its_table_tell_the_same_and_it_is_what_the_stores_hold(
    made: Workspace, root: LexborNode
) -> None:
    rows = {
        words(row.css("th")[0]): [int(words(cell)) for cell in row.css("td")]
        for row in root.css("#flow tbody tr")
    }
    days = [TODAY - timedelta(days=1), TODAY]
    for column, day in enumerate(days):
        items = made.lake.scan(MEMBERS, ["demo"], [day]).collect().height
        events = made.lake.scan(EVENTS, ["demo"], [day]).collect().height
        with made.control.read() as connection:
            n = t.notifications.c
            query = sa.select(n.event_id).where(
                n.tenant_id == "demo", n.day == day, n.decision == "sent"
            )
            sent = connection.execute(query).scalars().all()
        assert rows["Items collected"][column] == items > 0
        assert rows["Distinct events"][column] == events
        assert rows["Mailed"][column] == len(set(sent))
        assert rows["Lines in mails"][column] == len(sent)
        assert rows["Mails"][column] == 3
        told = words(root.css("#flow svg desc")[column])
        for name, number in (
            ("items collected", items),
            ("distinct events", events),
            ("about a client", rows["About a client"][column]),
            ("wanted by somebody", rows["Wanted by somebody"][column]),
            ("mailed", len(set(sent))),
        ):
            assert f"{number} {name}" in told


def test_every_mail_is_shown_as_it_was_written_in_light_and_in_dark(
    made: Workspace, html: str, root: LexborNode
) -> None:
    frames = srcdocs(html)
    assert len(frames) == 2 * len(list(made.settings.mail.glob("*-demo-*.eml"))) == 12
    for light, dark in zip(frames[::2], frames[1::2], strict=True):
        assert (
            light.replace("@media not all", "@media all").replace(
                'content="light"', 'content="dark"'
            )
            == dark
        )
        assert "prefers-color-scheme" not in light + dark
        assert "items for" in light or "item for" in light
    links = [str(a.attributes["href"]) for a in root.css(".mail > p a")]
    folder = made.settings.pages / "demo"
    assert len(links) == 6
    assert all((folder / link).resolve().parent == made.settings.mail for link in links)
    assert all((folder / link).exists() for link in links)


def test_every_line_of_every_mail_leads_back_to_the_bytes_it_came_from(
    made: Workspace, root: LexborNode
) -> None:
    ways = root.css(".way")
    with made.control.read() as connection:
        n = t.notifications.c
        query = sa.select(n.reference).where(n.tenant_id == "demo", n.decision == "sent")
        references = connection.execute(query).scalars().all()
    assert len(ways) == len(references) > 10
    told = {words(way).split("Ref ")[1][:9]: words(way) for way in ways}
    assert set(told) == set(references)
    for reference in references:
        found = trace(made, "demo", reference)
        facts = {name: value for step in found.steps for name, value in step.facts.items()}
        for name in ("event_id", "item_id", "response_id", "sha256"):
            assert facts[name] in told[reference]
        assert found.path.relative_to(made.settings.home).as_posix() in told[reference]
        assert f"clientlore trace {reference} --tenant demo" in told[reference]
        assert "✓ the bytes are those that came" in told[reference]


def test_bytes_that_are_not_those_that_came_are_said_to_be_so(
    made: Workspace, demo: Tenant, tmp_path: Path
) -> None:
    path = next(made.lake.root.glob("raw/responses/day=*/tenant=demo/search_results-*.parquet"))
    kept = path.read_bytes()
    try:
        frame = pl.read_parquet(path).with_columns(body=pl.lit(b"changed"))
        frame.select(list(RESPONSES.schema)).write_parquet(path)
        html = write_page(made, demo, path=tmp_path / "page.html").read_text()
    finally:
        path.write_bytes(kept)
    assert "✗ the bytes are not those that came" in html


def test_a_mail_that_is_gone_is_said_to_be_gone(
    made: Workspace, demo: Tenant, tmp_path: Path
) -> None:
    with made.control.read() as connection:
        sha = connection.execute(
            sa.select(t.outbox.c.blob).where(t.outbox.c.tenant_id == "demo").limit(1)
        ).scalar_one()
    blob = made.blobs.path("demo", sha)
    kept = blob.read_bytes()
    blob.unlink()
    try:
        html = write_page(made, demo, path=tmp_path / "page.html").read_text()
    finally:
        blob.write_bytes(kept)
    assert html.count("The stored mail is gone") == 1
    assert len(srcdocs(html)) == 10


def test_what_was_folded_is_counted_by_reason_and_shown_side_by_side(
    made: Workspace, root: LexborNode
) -> None:
    members = made.lake.scan(MEMBERS, ["demo"]).collect()
    counts = dict(members["layer"].value_counts().iter_rows())
    told = {
        re.findall(r"\((\w+)\)", words(row.css("th")[0]))[0]: int(words(row.css("td")[0]))
        for row in root.css("#folded tbody tr")
    }
    assert told == {name: count for name, count in counts.items() if name != "first"}
    by_id = {row["item_id"]: row for row in members.iter_rows(named=True)}
    pairs = root.css(".pair")
    assert len(pairs) >= 4
    for pair in pairs:
        first, later = ([words(x) for x in side.css("p")] for side in pair.css(".told"))
        ids = [side[-1].removeprefix("item ") for side in (first, later)]
        assert by_id[ids[1]]["matched_item_id"] == ids[0]
        assert by_id[ids[1]]["event_id"] in words(pair)
        for side, item in zip((first, later), ids, strict=True):
            assert side[1] == " ".join(by_id[item]["title"].split())
    assert root.css("#folded .pair del")
    assert root.css("#folded .pair ins")


def test_what_stopped_the_rest_is_counted_and_its_examples_can_be_asked_for(
    made: Workspace, root: LexborNode
) -> None:
    examples = root.css(".gate li")
    assert len(examples) >= 6
    for example in examples:
        command = words(example.css("code")[0]).split()
        assert command[:2] == ["clientlore", "explain"]
        found = explain(made, "demo", command[2], command[command.index("--user") + 1])
        assert not found.told
        reason = words(example.css("p")[1]).rsplit(": ", 1)[1]
        assert reason in found.verdict
    cards = {words(card.css("h3")[0]): words(card) for card in root.css(".card")}
    assert set(cards) == {"Ann Okafor", "Kenji Mori", "Sofia Reyes"}
    with made.control.read() as connection:
        n = t.notifications.c
        query = (
            sa.select(t.users.c.name, sa.func.count())
            .join(t.users, t.users.c.user_id == n.user_id)
            .where(n.tenant_id == "demo", n.decision == "sent")
            .group_by(t.users.c.name)
        )
        for name, lines in connection.execute(query):
            assert f"lines in mails {lines} " in cards[name]


def test_the_dossiers_are_on_it_and_lead_to_their_files(made: Workspace, root: LexborNode) -> None:
    assert len(root.css(".dossier")) == 12
    folder = made.settings.pages / "demo"
    links = [str(a.attributes["href"]) for a in root.css(".dossier a[href$='.md']")]
    assert len(links) == 24
    for link in links:
        path = (folder / link).resolve()
        assert path.is_relative_to(made.settings.dossiers / "demo")
        assert path.exists()


def test_a_page_elsewhere_still_leads_to_the_mails(
    made: Workspace, demo: Tenant, tmp_path: Path
) -> None:
    path = write_page(made, demo, path=tmp_path / "a b" / "page.html", days=1)
    root = LexborHTMLParser(path.read_text()).root
    assert root is not None
    links = [str(a.attributes["href"]) for a in root.css(".mail > p a")]
    assert len(links) == 3
    assert all((path.parent / link).exists() for link in links)


def test_a_tenant_without_data_is_told_what_to_do(made: Workspace) -> None:
    put_tenant(made, "{tenant: empty, name: Empty, mode: mock, users: [], clients: []}")
    with made.control.read() as connection:
        empty = get_tenant(connection, "empty")
    with pytest.raises(NotFoundError, match="`clientlore run` collects"):
        write_page(made, empty)


def test_a_tenant_whose_people_got_nothing_has_a_page_too(made: Workspace, tmp_path: Path) -> None:
    with made.control.read() as connection:
        other = get_tenant(connection, "other")
    html = write_page(made, other, path=tmp_path / "page.html").read_text()
    assert parse_errors(html) == []
    assert faults(html) == []
    assert "No mail: nothing passed for Zoe Foreign" in html


OVERFLOW = """
[...document.querySelectorAll('body *')].filter(e => {
  const r = e.getBoundingClientRect();
  return r.width && (r.right > innerWidth + 0.5 || r.left < -0.5) && !e.closest('.skip, .glass');
}).slice(0, 5).map(e => `${e.tagName}.${e.className} ${e.getBoundingClientRect().right}`)
"""
# Every run of text with the colour it has and the first opaque colour behind it.
TEXTS = """
(() => {
  const seen = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || e.closest('svg title, svg desc, .skip, script, style')) continue;
    let behind = e, paper = 'rgba(0, 0, 0, 0)';
    while (behind && /, 0\\)$/.test(paper = getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
    const style = getComputedStyle(e);
    const ink = e.closest('svg') ? style.fill : style.color;
    seen.set(`${ink}|${behind ? paper : 'none'}`, e.tagName + '.' + e.className);
  }
  return [...seen.entries()];
})()
"""


def hexed(colour: str) -> str:
    parts = [int(x) for x in re.findall(r"\d+", colour)]
    assert len(parts) == 3, f"{colour} is not opaque"
    return "#{:02x}{:02x}{:02x}".format(*parts)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_nothing_sticks_out_and_everything_is_read_easily(
    browser: Browser, page: Path, width: int, scheme: Scheme
) -> None:
    browser.open(page, width, scheme)
    for _ in range(2):
        size = browser.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert size == [width, width]
        assert browser.evaluate(OVERFLOW) == []
        texts = browser.evaluate(TEXTS)
        assert len(texts) > 5
        for pair, where in texts:
            ink, paper = pair.split("|")
            assert contrast(hexed(ink), hexed(paper)) >= 4.5, (where, pair)
        # Once more with everything open, and the frames the other way round.
        browser.evaluate(
            "document.querySelectorAll('details').forEach(d => d.open = true);"
            "document.querySelectorAll('[value=b]').forEach(i => i.click())"
        )


@pytest.mark.parametrize("width", [640, 360])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_mail_fits_and_is_read_easily_as_the_reader_sees_it(
    browser: Browser, html: str, tmp_path: Path, width: int, scheme: Scheme
) -> None:
    file = tmp_path / "mail.html"
    file.write_text(srcdocs(html)[SCHEMES.index(scheme)])
    # The browser prefers the other colours: what is shown must not depend on it.
    browser.open(file, width, "dark" if scheme == "light" else "light")
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    assert browser.evaluate(OVERFLOW) == []
    texts = [pair.split("|") for pair, _ in browser.evaluate(TEXTS)]
    assert len(texts) >= 4
    for ink, paper in texts:
        assert contrast(hexed(ink), hexed(paper)) >= 4.5, (ink, paper)
    body = hexed(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert (contrast(body, "#000000") > 10) == (scheme == "light")


def test_the_browser_asks_for_nothing_but_the_page(browser: Browser, page: Path) -> None:
    browser.open(page, 1200, "light")
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    browser.evaluate("document.querySelectorAll('iframe').forEach(f => f.scrollIntoView())")
    asked = [url for url in browser.requested if not url.startswith("about:")]
    assert asked == [page.as_uri()]
    assert browser.said == []


def test_the_two_ways_to_see_a_mail_swap_sizes(browser: Browser, page: Path) -> None:
    browser.open(page, 1200, "light")
    measure = (
        "['.light', '.dark'].map(c => document.querySelector(`.frame${c} iframe`).clientWidth)"
    )
    assert browser.evaluate(measure) == [640, 360]
    browser.evaluate("document.querySelector('[value=b]').click()")
    assert browser.evaluate(measure) == [360, 640]


def test_the_mail_in_the_frame_is_drawn(browser: Browser, page: Path, tmp_path: Path) -> None:
    browser.open(page, 1200, "light", height=2000)
    browser.evaluate("document.querySelector('.frame.dark').scrollIntoView()")
    clip = browser.evaluate(
        "(() => { const r = document.querySelector('.frame.dark iframe').getBoundingClientRect();"
        "return {x: r.x + scrollX, y: r.y + scrollY, width: r.width, height: r.height}; })()"
    )
    picture = tmp_path / "frame.png"
    for _ in range(100):
        browser.screenshot(picture, clip)
        if picture.stat().st_size > 15_000:
            break
    # A frame in which nothing is drawn is one colour, and a few hundred bytes.
    assert picture.stat().st_size > 15_000
