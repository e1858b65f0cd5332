"""From lines to a mail: the same items in text and HTML, nothing from outside gets out of its place, stable bytes."""

from __future__ import annotations

import email
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from clientlore.digests.content import Line, Section
from clientlore.digests.rendering import (
    Digest,
    Rendered,
    Sender,
    message_id_for,
    one_line,
    render,
)
from clientlore.digests.windows import Window

T0 = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
WINDOW = Window("acme", "ann", "daily", "2026-11-20", "f1", date(2026, 11, 20))
SENDER = Sender("news@lighthouse.example", "Client Monitor")
HEADERS = [
    "Message-ID",
    "Date",
    "Subject",
    "From",
    "To",
    "List-Id",
    "List-Unsubscribe",
    "Auto-Submitted",
    "Precedence",
    "X-Clientlore-Window",
    "X-Clientlore-Data",
    "MIME-Version",
    "Content-Type",
]


def line(n: int = 1, **values: Any) -> Line:
    made = Line(
        reference=f"AAAA-{n:04d}",
        event_id=f"e{n}",
        item_id=f"i{n}",
        client_id="harbor",
        title=f"Harbor Foods opens plant {n}",
        url=f"https://news.example/{n}?a=1&b=2",
        publisher="The Example",
        summary="The plant stands in Lisbon.",
        category="expansion",
        score=0.85,
        why="named in the headline",
        published_at=T0 - timedelta(hours=1),
        also_in=0,
        also_about=(),
        is_late=False,
    )
    return replace(made, **values)


def digest(*lines: Line, **values: Any) -> Digest:
    made = Digest(
        window=WINDOW,
        tenant_name="Lighthouse",
        mode="live",
        reader_name="Ann Okafor",
        recipient="ann@lighthouse.example",
        timezone="Europe/London",
        sections=(Section("harbor", "Harbor Foods", lines or (line(),)),),
        more=0,
        closed_at=T0,
    )
    return replace(made, **values)


def parsed(rendered: Rendered) -> EmailMessage:
    message = email.message_from_bytes(rendered.data, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def part(rendered: Rendered, kind: str) -> str:
    body = parsed(rendered).get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def web_links(html: str) -> list[str]:
    links = [node.attributes["href"] or "" for node in HTMLParser(html).css("a")]
    return [href for href in links if not href.startswith("mailto:")]


def test_text_and_html_hold_the_same_items_and_links_in_the_same_order() -> None:
    sections = (
        Section("harbor", "Harbor Foods", (line(1), line(2, url=None))),
        Section("calder", "Calder & Finch", (line(3),)),
    )
    rendered = render(digest(sections=sections), SENDER)
    assert parsed(rendered).get_content_type() == "multipart/alternative"
    kinds = [p.get_content_type() for p in parsed(rendered).iter_parts()]
    assert kinds == ["text/plain", "text/html"]
    text, html = part(rendered, "plain"), part(rendered, "html")
    tree = HTMLParser(html)
    assert re.findall(r"Ref (AAAA-\d+)", text) == ["AAAA-0001", "AAAA-0002", "AAAA-0003"]
    assert re.findall(r"Ref (AAAA-\d+)", tree.text()) == ["AAAA-0001", "AAAA-0002", "AAAA-0003"]
    links = ["https://news.example/1?a=1&b=2", "https://news.example/3?a=1&b=2"]
    assert re.findall(r"^https?://\S+$", text, re.MULTILINE) == links
    assert web_links(html) == links
    assert [node.text() for node in tree.css("h2")] == ["Harbor Foods", "Calder & Finch"]
    assert "Calder & Finch\n--------------\n" in text


@pytest.mark.parametrize("field", ["title", "summary", "publisher", "why", "url"])
def test_markup_from_outside_is_shown_and_never_obeyed(field: str) -> None:
    evil = "\"><script>alert(1)</script><img src=x onerror='alert(2)'>"
    value = f"https://news.example/{evil}" if field == "url" else evil
    rendered = render(digest(line(**{field: value})), SENDER)
    tree = HTMLParser(part(rendered, "html"))
    assert tree.css("script, img") == []
    if field == "url":
        assert web_links(part(rendered, "html")) == [value]
    else:
        assert evil in tree.text()
    assert value in part(rendered, "plain")


def test_names_of_tenant_reader_and_client_are_escaped_too() -> None:
    rendered = render(
        digest(
            tenant_name="<b>T</b>",
            reader_name="<i>R</i>",
            sections=(Section("harbor", "<u>C</u>", (line(also_about=("<s>D</s>",)),)),),
            mode="mock",
        ),
        SENDER,
    )
    tree = HTMLParser(part(rendered, "html"))
    assert tree.css("b, i, u, s") == []
    assert all(name in tree.text() for name in ("<b>T</b>", "<i>R</i>", "<u>C</u>", "<s>D</s>"))


def test_line_breaks_in_names_add_no_header() -> None:
    evil = "Harbor\r\nBcc: all@evil.example\r\n\r\n<p>body"
    rendered = render(
        digest(reader_name=evil, tenant_name=evil, sections=(Section("h", evil, (line(),)),)),
        Sender(SENDER.email, evil),
    )
    message = parsed(rendered)
    assert message.keys() == HEADERS
    assert message["Subject"] == "1 item about Harbor Bcc: all@evil.example <p>body"
    assert message["To"].addresses[0].addr_spec == "ann@lighthouse.example"
    assert len(message["To"].addresses) == 1


@given(name=st.text(max_size=80), title=st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_whatever_names_and_titles_are_the_mail_has_its_own_headers_and_one_recipient(
    name: str, title: str
) -> None:
    told = digest(
        reader_name=name, tenant_name=name, sections=(Section("h", name, (line(title=title),)),)
    )
    rendered = render(told, SENDER)
    message = parsed(rendered)
    assert message.keys() == HEADERS
    assert [a.addr_spec for a in message["To"].addresses] == ["ann@lighthouse.example"]
    assert message["Message-ID"] == rendered.message_id
    assert "\n" not in rendered.subject
    assert web_links(part(rendered, "html")) == ["https://news.example/1?a=1&b=2"]


def test_the_same_lines_are_the_same_bytes() -> None:
    assert render(digest(), SENDER) == render(digest(), SENDER)


def test_a_message_id_belongs_to_one_window_and_recipient_and_never_changes() -> None:
    first, _ = message_id_for(WINDOW, "ann@lighthouse.example", "lighthouse.example")
    assert re.fullmatch(r"<digest\.daily\.[0-9a-f]{16}@lighthouse\.example>", first)
    reopened = replace(WINDOW, fire_id="f2", as_of_day=date(2026, 11, 21))
    assert message_id_for(reopened, "ann@lighthouse.example", "lighthouse.example")[0] == first
    others = [
        message_id_for(replace(WINDOW, key="2026-11-21"), "ann@lighthouse.example", "x.example"),
        message_id_for(replace(WINDOW, user_id="ben"), "ann@lighthouse.example", "x.example"),
        message_id_for(WINDOW, "ben@lighthouse.example", "x.example"),
        message_id_for(WINDOW, "ann@lighthouse.example", "x.example"),
    ]
    assert len({token for _, token in others}) == 4


def test_the_headers_are_those_that_mail_servers_expect() -> None:
    message = parsed(render(digest(), SENDER))
    assert message.keys() == HEADERS
    assert message["From"] == "Client Monitor <news@lighthouse.example>"
    assert message["To"] == "Ann Okafor <ann@lighthouse.example>"
    assert message["Date"].datetime == T0
    assert message["List-Id"] == "<acme.digest.lighthouse.example>"
    assert (
        message["List-Unsubscribe"] == "<mailto:news@lighthouse.example?subject=unsubscribe%20acme>"
    )
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Precedence"] == "bulk"
    assert message["X-Clientlore-Window"] == WINDOW.window_id


def test_the_file_is_named_for_day_tenant_and_frequency() -> None:
    rendered = render(digest(), SENDER)
    token = rendered.message_id.split(".")[2].split("@")[0]
    assert rendered.file_name == f"2026-11-20-acme-daily-{token}.eml"


@pytest.mark.parametrize(
    ("names", "subject"),
    [
        (["Harbor"], "1 item about Harbor"),
        (["Harbor", "Calder"], "2 items about Harbor and Calder"),
        (["Harbor", "Calder", "Vela", "Umbra"], "4 items about Harbor, Calder and 2 more"),
    ],
)
def test_the_subject_counts_items_and_names_clients(names: list[str], subject: str) -> None:
    sections = tuple(Section(name, name, (line(),)) for name in names)
    assert render(digest(sections=sections), SENDER).subject == subject


def test_a_long_subject_begins_on_the_line_of_its_header() -> None:
    names = ("Société Générale de Banque", "Brightwater Utilities plc", "Sakuragi Robotics KK")
    sections = tuple(Section(name, name, (line(),)) for name in names)
    for mode in ("live", "mock"):
        data = render(digest(sections=sections, mode=mode), SENDER).data
        assert re.search(rb"^Subject: \S", data, re.MULTILINE)


def test_made_up_data_is_marked_in_subject_text_and_html_and_real_data_is_not() -> None:
    mock, live = (render(digest(mode=mode), SENDER) for mode in ("mock", "live"))
    assert parsed(mock)["Subject"] == "[Sample data] 1 item about Harbor Foods"
    assert "SAMPLE DATA. Everything below was made up" in part(mock, "plain")
    assert "Sample data. Everything below was made up" in HTMLParser(part(mock, "html")).text()
    assert parsed(mock)["X-Clientlore-Data"] == "mock"
    assert "sample data" not in live.data.decode().lower()


@pytest.mark.parametrize(
    ("zone", "day", "time"),
    [
        ("Europe/London", "Friday 20 November 2026", "Fri 20 Nov 2026, 08:00 GMT"),
        ("America/New_York", "Friday 20 November 2026", "Fri 20 Nov 2026, 03:00 EST"),
        ("Pacific/Kiritimati", "Friday 20 November 2026", "Fri 20 Nov 2026, 22:00 +14"),
        ("Asia/Kolkata", "Friday 20 November 2026", "Fri 20 Nov 2026, 13:30 IST"),
    ],
)
def test_times_are_the_readers_own_with_the_name_of_the_zone(
    zone: str, day: str, time: str
) -> None:
    rendered = render(digest(timezone=zone), SENDER)
    for told in (part(rendered, "plain"), HTMLParser(part(rendered, "html")).text()):
        assert f"{day}. Times are in {zone}." in told
        assert time in told


def test_a_line_says_what_is_known_and_what_is_not() -> None:
    told = line(
        publisher=None,
        published_at=None,
        also_in=1,
        also_about=("Calder & Finch", "Vela"),
        is_late=True,
        category="m_and_a",
    )
    text = part(render(digest(told, line(2, also_in=3), more=4), SENDER), "plain")
    assert "[M&A] [Late] Harbor Foods opens plant 1\n" in text
    assert (
        "unknown publisher, also in 1 other source | no date | also about Calder & Finch, Vela\n"
        in text
    )
    assert "The Example, also in 3 other sources | Fri 20 Nov 2026, 08:00 GMT\n" in text
    assert "Why: named in the headline. Score 0.85. Ref AAAA-0001\n" in text
    assert "4 more passed your filters and scored lower." in text


def test_no_line_of_the_mail_is_longer_than_998_octets_and_all_end_with_crlf() -> None:
    endless = "ö" * 5_000
    rendered = render(
        digest(
            line(title=endless, summary=endless, url=f"https://news.example/{'a' * 3_000}"),
            reader_name=endless,
            tenant_name=endless,
            sections=(Section("h", endless, (line(title=endless),)),),
        ),
        SENDER,
    )
    lines = rendered.data.split(b"\r\n")
    assert max(len(each) for each in lines) <= 998
    assert not any(b"\n" in each or b"\r" in each for each in lines)


def test_twenty_full_items_stay_below_the_size_at_which_mail_is_clipped() -> None:
    lines = tuple(
        line(
            n,
            title="Harbor Foods to buy a rival for forty million; " * 4,
            summary="The company said on Friday that it had agreed to it. " * 6,
            url=f"https://news.example/{'section/' * 20}{n}?utm_source=feed",
            why="named in the headline (Harbor Foods); M&A: to buy, rival; 3 publishers",
            also_about=("Calder & Finch Ltd", "Vela Logistics SE"),
        )
        for n in range(20)
    )
    assert len(render(digest(*lines), SENDER).data) < 102_000


def test_names_outside_ascii_arrive_as_they_are() -> None:
    rendered = render(
        digest(
            reader_name="Żaneta Öz-Çelik 森",
            sections=(Section("s", "Société Générale 日本", (line(),)),),
        ),
        Sender(SENDER.email, "Überblick"),
    )
    message = parsed(rendered)
    assert message["To"].addresses[0].display_name == "Żaneta Öz-Çelik 森"
    assert message["From"].addresses[0].display_name == "Überblick"
    assert message["Subject"] == "1 item about Société Générale 日本"
    assert "Société Générale 日本" in part(rendered, "plain")
    assert rendered.data.isascii()


def test_a_domain_outside_ascii_is_written_as_mail_servers_take_it() -> None:
    message = parsed(render(digest(recipient="ann@bücher.example"), SENDER))
    assert message["To"].addresses[0].addr_spec == "ann@xn--bcher-kva.example"


def test_html_has_what_mail_readers_need() -> None:
    html = part(render(digest(), SENDER), "html")
    tree = HTMLParser(html)
    root, title, body = tree.css_first("html"), tree.css_first("title"), tree.css_first("body")
    assert root is not None
    assert title is not None
    assert body is not None
    assert root.attributes["lang"] == "en"
    assert title.text() == "1 item about Harbor Foods"
    assert "font-size: 16px" in (body.attributes["style"] or "")
    assert {table.attributes.get("role") for table in tree.css("table")} == {"presentation"}
    assert tree.css("script, form, img, link") == []
    assert '<meta name="color-scheme" content="light dark">' in html
    assert "prefers-color-scheme: dark" in html


def test_one_line_has_no_breaks_no_control_characters_and_an_end() -> None:
    assert one_line("a\r\nb\tc\x00d\u2028e") == "a b c d e"
    assert len(one_line("x" * 999)) == 200


def test_a_sender_without_a_domain_is_local() -> None:
    assert Sender("clientlore", "X").domain == "clientlore"
    assert Sender("", "X").domain == "localhost"
