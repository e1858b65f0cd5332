"""What a feed says, however it is written."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.clock import FrozenClock
from clientlore.errors import BadDataError
from clientlore.providers.base import Item, Parsed, Response, describe_request
from clientlore.providers.search.rss import RssProvider
from clientlore.testing.feeds import Entry, atom, rss

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TODAY = NOW.date()
FEED = "https://feeds.example/acme/feed.xml"
PLAIN = Entry("Acme opens plant", "It makes kilns.", "https://wire.example/a", "g-1", NOW)
OTHER = Entry("Acme hires", "Forty people.", "https://wire.example/b", "g-2", NOW)


def _read(
    body: bytes, *, content_type: str = "application/rss+xml", day: date = TODAY, url: str = FEED
) -> Parsed:
    response = Response(
        source_id="s-1",
        client_id="acme",
        provider="rss",
        request=describe_request("GET", url),
        status=200,
        headers={"content-type": content_type} if content_type else {},
        body=body,
        fetched_at=NOW,
        mode="live",
    )
    return RssProvider(FrozenClock(NOW), 1_000_000).parse(response, day)


def _one(body: bytes, **options: str) -> Item:
    parsed = _read(body, **options)  # type: ignore[arg-type]
    assert parsed.rejects == ()
    assert parsed.degraded is None
    (item,) = parsed.items
    return item


def _with(inside: str) -> bytes:
    head = '<?xml version="1.0"?><rss version="2.0"><channel><title>Wire</title>'
    return f"{head}<item>{inside}</item></channel></rss>".encode()


@pytest.mark.parametrize("write", [rss, atom])
def test_an_entry_is_read_as_it_stands(write: object) -> None:
    assert callable(write)
    parsed = _read(write("Meridian Wire", [PLAIN, OTHER]))
    first, second = parsed.items
    assert (first.position, second.position) == (0, 1)
    assert first.title == "Acme opens plant"
    assert first.text == "It makes kilns."
    assert first.url == "https://wire.example/a"
    assert first.publisher == "Meridian Wire"
    assert first.published_at == NOW
    assert first.origin_id.endswith("g-1")
    assert parsed.rejects == ()
    assert dict(parsed.drift) == {}


def test_rss_1_0_is_read_too() -> None:
    body = (
        b'<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        b'xmlns="http://purl.org/rss/1.0/"><channel rdf:about="x"><title>Wire</title></channel>'
        b'<item rdf:about="https://wire.example/a"><title>Acme opens</title>'
        b"<link>https://wire.example/a</link></item></rdf:RDF>"
    )
    item = _one(body)
    assert (item.title, item.url) == ("Acme opens", "https://wire.example/a")


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "windows-1252", "utf-16"])
@pytest.mark.parametrize("content_type", ["application/rss+xml", "text/xml", ""])
def test_every_usual_encoding_gives_the_same_words(encoding: str, content_type: str) -> None:
    body = rss(
        "Wire", [Entry("Größe Café", "naïve", "https://wire.example/a", "g")], encoding=encoding
    )
    item = _one(body, content_type=content_type)
    assert (item.title, item.text) == ("Größe Café", "naïve")


def test_a_byte_order_mark_is_no_part_of_a_feed() -> None:
    assert _one(b"\xef\xbb\xbf" + rss("Wire", [PLAIN])).title == "Acme opens plant"


@pytest.mark.parametrize(
    ("really", "declared"),
    [
        ("windows-1252", b"utf-8"),
        ("utf-8", b"iso-8859-1"),
        ("utf-8", b"klingon"),
        ("utf-8", b"us-ascii"),
    ],
)
def test_a_feed_that_lies_about_its_encoding_is_read_as_what_it_is(
    really: str, declared: bytes
) -> None:
    body = rss("Wire", [Entry("Größe “x”", "y", "https://wire.example/a", "g")], encoding=really)
    lying = body.replace(f'encoding="{really}"'.encode(), b'encoding="' + declared + b'"')
    assert lying != body
    assert _one(lying).title == "Größe “x”"


def test_markup_scripts_entities_and_control_characters_do_not_reach_the_text() -> None:
    entry = Entry(
        "<b>Acme</b> &amp; Sons\x0b<script>steal()</script>",
        "<p>One.</p><p>Two&nbsp;&hellip;</p><style>p{}</style>",
        "https://wire.example/a",
        "g",
    )
    item = _one(rss("<i>Wire</i>", [entry]))
    assert item.title == "Acme & Sons"
    assert item.text == "One. Two …"
    assert item.publisher == "Wire"


@pytest.mark.parametrize("reference", ["&#xD83D;", "&#55357;", "&#x110000;", "&#99999999999999;"])
def test_a_reference_to_no_character_harms_neither_its_entry_nor_the_others(reference: str) -> None:
    body = rss("Wire", [Entry("Acme XX opens", "x", None, "g"), PLAIN])
    parsed = _read(body.replace(b"XX", reference.encode()))
    assert [item.title for item in parsed.items] == ["Acme \ufffd opens", "Acme opens plant"]


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("/news/a", "https://feeds.example/news/a"),
        ("a?id=1", "https://feeds.example/acme/a?id=1"),
        ("//wire.example/a", "https://wire.example/a"),
        ("https://wire.example/a", "https://wire.example/a"),
        ("http://[oops/", None),
        (None, None),
    ],
)
def test_a_relative_link_starts_at_the_feed(link: str | None, url: str | None) -> None:
    assert _one(rss("Wire", [Entry("Acme opens", "x", link, "g")])).url == url


def test_an_entry_without_guid_is_known_by_its_link_else_by_its_words() -> None:
    entries = [
        Entry("Acme opens", "x", "https://wire.example/a"),
        Entry("Acme opens", "x"),
        Entry("Acme opens", "y"),
    ]
    by_link, by_words, other = _read(rss("Wire", entries)).items
    assert by_link.origin_id == "https://wire.example/a"
    assert by_words.origin_id.startswith("text:")
    assert by_words.origin_id != other.origin_id
    assert _one(rss("Wire", [Entry("Acme opens", "x")])).origin_id == by_words.origin_id


def test_one_guid_on_entries_with_different_links_names_nothing() -> None:
    entries = [
        Entry("One", "x", "https://wire.example/1", "feed"),
        Entry("Two", "y", "https://wire.example/2", "feed"),
    ]
    one, two = _read(rss("Wire", entries)).items
    assert one.origin_id != two.origin_id


def test_one_guid_on_entries_with_one_link_is_one_thing_in_two_versions() -> None:
    entries = [
        Entry("One", "x", "https://wire.example/1", "g"),
        Entry("CORRECTED: One", "y", "https://wire.example/1", "g"),
    ]
    one, two = _read(rss("Wire", entries)).items
    assert one.origin_id == two.origin_id == "g"


def test_an_entry_with_neither_title_nor_text_is_set_aside() -> None:
    parsed = _read(rss("Wire", [Entry(link="https://wire.example/a", guid="g"), PLAIN]))
    assert [item.position for item in parsed.items] == [1]
    assert parsed.rejects == ((0, "no_text", "the entry has neither title nor text"),)


def test_a_text_without_title_lends_it_its_beginning() -> None:
    item = _one(rss("Wire", [Entry(None, "word " * 60, None, "g")]))
    assert item.title == ("word " * 60)[:120]


def test_the_longest_of_summary_and_content_is_the_text() -> None:
    item = _one(
        _with(
            "<title>Acme</title><description>short</description>"
            '<content:encoded xmlns:content="http://purl.org/rss/1.0/modules/content/">'
            "<![CDATA[<p>the whole of it</p>]]></content:encoded>"
        )
    )
    assert item.text == "the whole of it"


def test_an_entry_may_name_the_publisher_it_was_taken_from() -> None:
    item = _one(_with('<title>Acme</title><source url="https://p.example/">Ledger Post</source>'))
    assert item.publisher == "Ledger Post"
    nameless = rss("", [PLAIN])
    assert _one(nameless).publisher == "feeds.example"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("Fri, 20 Nov 2026 09:00:00 GMT", NOW),
        ("Fri, 20 Nov 2026 10:00:00 +0100", NOW),
        ("Fri, 20 Nov 2026 04:00:00 EST", NOW),
        ("2026-11-20T09:00:00Z", NOW),
        ("2026-11-20T18:00:00+09:00", NOW),
        ("20 Nov 26 09:00 GMT", NOW),
        ("yesterday", None),
        ("", None),
        ("Mon, 01 Jan 0001 00:00:00 GMT", None),
        ("Mon, 01 Jan 2029 00:00:00 GMT", None),
        ("Fri, 31 Dec 1937 00:00:00 GMT", None),
    ],
)
def test_a_date_is_an_instant_or_nothing(told: str, expected: datetime | None) -> None:
    item = _one(_with(f"<title>Acme</title><pubDate>{told}</pubDate>"))
    assert item.published_at == expected


def test_where_the_date_cannot_be_read_the_next_one_counts() -> None:
    body = (
        b'<feed xmlns="http://www.w3.org/2005/Atom"><title>W</title><entry><id>tag:a</id><title>A</title>'
        b"<published>soon</published><updated>2026-11-19T00:00:00Z</updated></entry></feed>"
    )
    assert _one(body).published_at == datetime(2026, 11, 19, tzinfo=UTC)


@given(st.integers(0, 10**8), st.integers(-12 * 4, 14 * 4))
@settings(max_examples=40, deadline=None)
def test_a_date_of_any_zone_is_the_same_instant(seconds: int, quarters: int) -> None:
    at = NOW - timedelta(seconds=seconds)
    there = at.astimezone(timezone(timedelta(minutes=15 * quarters)))
    entry = Entry("Acme", "x", "https://wire.example/a", "g", there)
    assert _one(rss("W", [entry])).published_at == at
    assert _one(atom("W", [entry])).published_at == at


def test_of_a_past_day_only_what_was_published_by_its_end_is_taken() -> None:
    midnight = datetime(2026, 11, 19, tzinfo=UTC)
    entries = [
        Entry("long ago", "x", None, "1", midnight - timedelta(days=9)),
        Entry("at its last second", "x", None, "2", midnight - timedelta(seconds=1)),
        Entry("a day later", "x", None, "3", midnight),
        Entry("without date", "x", None, "4"),
    ]
    past = _read(rss("W", entries), day=date(2026, 11, 18))
    assert [i.title for i in past.items] == ["long ago", "at its last second", "without date"]
    assert past.rejects == ()
    assert len(_read(rss("W", entries)).items) == 4


def test_fields_that_nobody_knows_are_counted() -> None:
    body = _with('<title>Acme</title><x:mood xmlns:x="https://x.example/">glad</x:mood>')
    assert dict(_read(body).drift) == {"x_mood": 1}


def test_of_a_feed_that_broke_off_the_whole_entries_are_kept() -> None:
    body = rss("Wire", [PLAIN, OTHER, Entry("Third", "never whole", None, "g-3")])
    cut = _read(body[: body.index(b"never")])
    assert [item.origin_id for item in cut.items] == ["g-1", "g-2"]
    assert [(position, reason) for position, reason, _ in cut.rejects] == [(2, "cut_off")]
    assert cut.degraded == "the feed breaks off after 2 whole entries"


def test_a_feed_cut_between_two_entries_says_so_too() -> None:
    body = rss("Wire", [PLAIN, OTHER])
    cut = _read(body[: body.rindex(b"<item>")])
    assert [item.origin_id for item in cut.items] == ["g-1"]
    assert cut.rejects == ()
    assert cut.degraded == "the feed breaks off after 1 whole entries"


@pytest.mark.parametrize(
    "behind", [b"\n<!-- cached at noon -->\n", b"<script>count()</script>", b"\n\n", b"\x00"]
)
def test_what_a_server_adds_behind_a_whole_feed_is_no_break(behind: bytes) -> None:
    parsed = _read(rss("Wire", [PLAIN, OTHER]) + behind)
    assert [item.origin_id for item in parsed.items] == ["g-1", "g-2"]
    assert parsed.degraded is None


def test_a_feed_whose_encoding_is_gibberish_is_bad_data() -> None:
    with pytest.raises(BadDataError, match="The feed cannot be decoded"):
        _read(rss("Wire", [PLAIN]).replace(b'"utf-8"', b'"utf-\xd1"'))


def test_a_feed_of_no_entries_is_a_feed() -> None:
    assert _read(rss("Wire", [])) == Parsed()


@pytest.mark.parametrize("body", [b"", b"  \r\n\t"])
def test_an_empty_answer_is_no_feed(body: bytes) -> None:
    with pytest.raises(BadDataError, match="The feed is empty: not one byte"):
        _read(body)


@pytest.mark.parametrize(
    ("link", "named"),
    [
        (
            "<link rel='alternate' type='application/rss+xml' href='/news.xml'>",
            "https://feeds.example/news.xml",
        ),
        ('<LINK TYPE="application/atom+xml" href="https://o.example/f">', "https://o.example/f"),
    ],
)
def test_a_web_page_is_no_feed_and_the_message_names_the_feed_of_the_page(
    link: str, named: str
) -> None:
    page = f"<!DOCTYPE html><html><head>{link}</head><body>hello</body></html>".encode()
    with pytest.raises(BadDataError) as caught:
        _read(page, content_type="text/html")
    assert caught.value.what == "This is a web page, not a feed"
    assert caught.value.next_step == f"The page names this feed: {named}"
    assert caught.value.detail == "html"


def test_a_web_page_without_a_feed_and_other_data_say_what_they_are() -> None:
    with pytest.raises(BadDataError, match="look for its feed"):
        _read(b"<html><body>hello</body></html>")
    for other in (json.dumps({"a": 1}).encode(), b"\x89PNG\r\n", b"<svg/>"):
        with pytest.raises(BadDataError, match="neither RSS nor Atom"):
            _read(other)


SPLINTERS = [
    b"<item>",
    b"</item>",
    b"</rss>",
    b"<![CDATA[",
    b"]]>",
    b"<!--",
    b"\x00",
    b"&#xFFFF0000;",
    b'xml:base="http://[x"',
    b"<link>http://[z</link>",
    b"<pubDate>2026-99-99T99:99</pubDate>",
    b'<?xml version="1.0" encoding="utf-7"?>',
]
MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, 700),
        st.integers(0, 12),
        st.one_of(st.binary(max_size=4), st.sampled_from(SPLINTERS)),
    ),
    max_size=4,
)


@given(MUTATIONS, st.sampled_from(["application/rss+xml", "text/xml; charset=klingon", ""]))
@settings(max_examples=60, deadline=None)
def test_whatever_a_feed_is_like_its_entries_come_out_or_it_is_bad_data(
    mutations: list[tuple[int, int, bytes]], content_type: str
) -> None:
    body = rss("Wire", [PLAIN, OTHER, Entry("Größe", "<p>x</p>", "/rel", None, NOW)])
    for at, gone, come in mutations:
        body = body[:at] + come + body[at + gone :]
    try:
        parsed = _read(body, content_type=content_type)
    except BadDataError:
        return
    for item in parsed.items:
        assert repr(item).encode().decode() == repr(item)
        assert item.title or item.text
