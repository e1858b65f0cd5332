"""The parts of a page: chart, differences, mails in two schemes, colours, and words from outside."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clientlore.control.model import Client, Preferences, Tenant, User
from clientlore.memory.dossiers import Contact, Dossier, Known
from clientlore.monitoring.merges import Pair, Told, differences
from clientlore.pages.chart import ROW, WIDTH, draw
from clientlore.pages.flow import STEPS, DayFlow
from clientlore.pages.folded import Layer
from clientlore.pages.mails import Back, Mail, Person
from clientlore.pages.stopped import Example, Gate, Reach, Stopped
from clientlore.pages.writing import MOST_DOSSIERS, MOST_MAILS, Page, render
from tests.support.markup import colours, contrast, faults, loads, parse_errors, srcdocs

T0 = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
DAY = T0.date()
EVIL = "\"><script>alert(1)</script><img src=x onerror=y>' {{ 7 * 7 }} &amp; ü 漢"
BAD_URL = "javascript:alert(1)"
CSS = files("clientlore.pages").joinpath("templates/page.css").read_text()
USER = User("u1", "acme", "ann", EVIL, "ann@acme.example")


def flow(*counts: int, day: date = DAY) -> DayFlow:
    return DayFlow(day, *counts, lines=counts[-1], mails=1, threshold=0.5)


def line() -> Back:
    return Back(
        reference="ABCD-EFGH",
        title=EVIL,
        url=BAD_URL,
        publisher=EVIL,
        client=EVIL,
        category="m_and_a",
        score=0.9,
        is_late=True,
        event_id="e" * 32,
        item_id="i" * 32,
        published_at=None,
        collected_at=T0,
        response_id="r" * 32,
        position=1,
        provider="rss",
        request=EVIL,
        fetched_at=T0,
        size=10,
        body_sha="0" * 64,
        is_whole=True,
        path=Path("/home/x/lake/raw/a.parquet"),
    )


def mail(html: str | None = "<!DOCTYPE html><html><head></head><body>x</body></html>") -> Mail:
    return Mail(
        as_of_day=DAY,
        closed_at=T0,
        frequency="daily",
        subject=EVIL,
        sender=EVIL,
        recipient=EVIL,
        state="sent",
        file=None,
        html=html,
        lines=(line(),),
    )


def known(url: str | None = BAD_URL) -> Known:
    return Known(
        memory_id="m" * 32,
        kind="event",
        label=EVIL,
        text=EVIL,
        held_from=T0,
        held_to=T0,
        known_since=T0,
        revised_at=T0.replace(hour=10),
        by_hand=True,
        event_id="e" * 32,
        url=url,
        publisher=EVIL,
        score=0.9,
        confidence=0.9,
        why=EVIL,
        copies=2,
        publishers=2,
        sources=(EVIL,),
    )


def dossier(entity_id: str = "evil") -> Dossier:
    contact = Contact("p-1", entity_id, EVIL, EVIL, EVIL, EVIL, "crm", T0)
    return Dossier(
        tenant_id="acme",
        tenant_name=EVIL,
        mode="live",
        kind="client",
        entity_id=entity_id,
        name=EVIL,
        facts=((EVIL, EVIL),),
        origin="the CRM",
        since=T0,
        contacts=(contact,),
        at=None,
        looked_after_by=(EVIL,),
        known=(known(), replace(known(), event_id=None)),
        older=1,
        taken_back=1,
        not_remembered=1,
    )


def page(**values: object) -> Page:
    of_client = dossier()
    of_contact = replace(
        of_client, kind="contact", entity_id="p-1", contacts=(), at=Client("acme", "evil", EVIL)
    )
    side = Told("i" * 32, ((EVIL, True),), ((EVIL, False), (EVIL, True)), EVIL, BAD_URL, None, DAY)
    made = Page(
        tenant=Tenant("acme", EVIL, "mock"),
        days=(DAY,),
        flow=(flow(9, 5, 4, 3, 2),),
        people=(Person(USER, Preferences("u1", "acme", categories=("m_and_a",)), (mail(),)),),
        layers=(
            Layer("near", "nearly the same text", 1, (Pair("near", 0.8, "e" * 32, side, side),)),
        ),
        stopped=Stopped(
            gates=(
                Gate("age", "too old", 1, (Example("e" * 32, EVIL, EVIL, 0.4, "ann", EVIL, EVIL),)),
            ),
            people=(Reach(USER, 9, {"age": 1}, 2),),
            quarantined={EVIL: 2},
            silent=((EVIL, 2, EVIL),),
        ),
        dossiers=(of_client, of_contact),
        home=Path("/home/x"),
        folder=Path("/home/x/pages/acme"),
        dossier_folder=Path("/home/x/dossiers/acme"),
    )
    return replace(made, **values)  # type: ignore[arg-type]


def test_words_from_outside_stay_words_wherever_they_stand() -> None:
    html = render(page())
    assert parse_errors(html) == []
    assert faults(html) == []
    assert loads(html) == []
    assert "<script" not in html
    assert "<img" not in html
    assert BAD_URL not in html
    assert "{{ 7 * 7 }}" in html


def test_only_web_addresses_are_linked() -> None:
    good = "https://news.example/a?b=1&c=2"
    html = render(page(dossiers=(replace(dossier(), contacts=(), known=(known(good),)),)))
    assert 'href="https://news.example/a?b=1&amp;c=2"' in html
    assert 'href="javascript' not in html


@pytest.mark.parametrize(
    "empty",
    [
        {"people": ()},
        {"layers": ()},
        {"dossiers": ()},
        {"stopped": Stopped((), ())},
        {"people": (Person(USER, Preferences("u1", "acme"), ()),)},
        {"people": (Person(USER, Preferences("u1", "acme"), (mail(None),)),)},
        {"flow": (flow(0, 0, 0, 0, 0),)},
        {"tenant": Tenant("acme", "Acme", "live")},
    ],
)
def test_what_is_not_there_is_said_and_the_page_stays_sound(empty: dict[str, object]) -> None:
    html = render(page(**empty))
    assert parse_errors(html) == []
    assert faults(html) == []
    assert ("Sample data" in html) == ("tenant" not in empty)


def test_long_lists_are_cut_and_what_is_left_out_is_counted() -> None:
    many = tuple(replace(dossier(f"c{n}"), contacts=()) for n in range(MOST_DOSSIERS + 3))
    mails = tuple(mail() for _ in range(MOST_MAILS + 2))
    html = render(page(dossiers=many, people=(Person(USER, Preferences("u1", "acme"), mails),)))
    assert f"{MOST_DOSSIERS + 3 - MOST_DOSSIERS} more clients in" in html
    assert "2 earlier ones are left out" in html
    assert len(srcdocs(html)) == 2 * MOST_MAILS


def test_a_mail_is_shown_in_the_colours_that_are_asked_for_whatever_the_browser_prefers() -> None:
    shown = mail(
        '<html><head><meta name="color-scheme" content="light dark"></head>'
        "<style>@media (prefers-color-scheme: dark) { body { color: red } }</style></html>"
    )
    dark, light = shown.shown_in("dark"), shown.shown_in("light")
    assert dark is not None
    assert light is not None
    assert "@media all { body" in dark
    assert "@media not all { body" in light
    assert 'content="dark"' in dark
    assert 'content="light"' in light
    assert '<head><base target="_blank">' in light
    assert mail(None).shown_in("dark") is None


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_has_a_contrast_of_four_and_a_half_to_one_and_drawings_of_three(mode: str) -> None:
    named = colours(CSS)[mode]
    papers = ("paper", "sheet", "sunk")
    pairs = [(ink, paper) for ink in ("ink", "soft", "accent") for paper in papers]
    pairs += [("ok", "sunk"), ("bad", "sunk"), ("note-ink", "note-paper")]
    pairs += [("head-ink", "head"), ("head-soft", "head")]
    pairs += [(ink, mark) for ink in ("ink", "soft") for mark in ("del", "ins")]
    for ink, paper in pairs:
        assert contrast(named[ink], named[paper]) >= 4.5, (ink, paper)
    for drawn in ("bar", "hatch"):
        assert contrast(named[drawn], named["sheet"]) >= 3, drawn
    assert set(named) == {name for pair in pairs for name in pair} | {"line", "bar", "hatch"}


def test_contrast_is_that_of_the_guidelines() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)
    assert contrast("#777777", "#777777") == 1


def test_the_stylesheet_names_its_colours_and_uses_no_other() -> None:
    import re

    rules = re.sub(r":root \{.*?\}", "", CSS, flags=re.DOTALL)
    assert re.findall(r"#[0-9a-f]{3,8}\b|rgba?\(|hsla?\(", rules) == []


def test_bars_are_to_one_scale_and_show_what_each_step_took_out() -> None:
    first, second = draw([flow(100, 50, 40, 40, 1), flow(50, 60, 0, 0, 0)])
    assert [bar.width for bar in first.bars] == [320, 160, 128, 128, 3.2]
    assert [bar.lost for bar in first.bars] == [0, 50, 10, 0, 39]
    assert [bar.before for bar in first.bars] == [320, 320, 160, 128, 128]
    assert [bar.y for bar in first.bars] == [n * ROW for n in range(5)]
    # More than before is not drawn as a loss, and nothing is drawn as nothing.
    assert [(bar.width, bar.lost) for bar in second.bars][:3] == [(160, 0), (192, 0), (0, 60)]
    assert first.width == WIDTH


@given(st.lists(st.tuples(*[st.integers(0, 10_000)] * len(STEPS)), min_size=1, max_size=4))
def test_no_bar_is_wider_than_the_drawing_or_than_what_was_before(
    counts: list[tuple[int, ...]],
) -> None:
    for drawing in draw([flow(*row) for row in counts]):
        for bar in drawing.bars:
            assert 0 <= bar.width <= bar.before <= drawing.width
            assert bar.lost >= 0
            assert (bar.width == 0) == (bar.count == 0)


def test_differences_are_told_in_words() -> None:
    first, later = differences("It cut 599 jobs in Turin.", "It cut 606 jobs in Turin. More.")
    assert first == (("It cut", False), ("599", True), ("jobs in Turin.", False))
    assert later == (("It cut", False), ("606", True), ("jobs in Turin.", False), ("More.", True))
    assert differences("", "") == ((), ())


@given(st.text(max_size=80), st.text(max_size=80))
def test_both_sides_can_be_put_together_again(one: str, other: str) -> None:
    first, later = differences(one, other)
    assert " ".join(words for words, _ in first).split() == one.split()
    assert " ".join(words for words, _ in later).split() == other.split()
    assert [w for w, differs in first if not differs] == [w for w, differs in later if not differs]
