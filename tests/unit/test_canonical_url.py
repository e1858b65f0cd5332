"""Which addresses name the same page."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.monitoring.addresses import canonical_url

PAGE = "news.example/2026/acme-opens-plant"
SAME = [
    "https://news.example/2026/acme-opens-plant",
    "http://news.example/2026/acme-opens-plant",
    "HTTPS://News.Example/2026/acme-opens-plant",
    "https://www.news.example/2026/acme-opens-plant",
    "https://www2.news.example/2026/acme-opens-plant",
    "https://m.news.example/2026/acme-opens-plant",
    "https://mobile.news.example/2026/acme-opens-plant",
    "https://amp.news.example/2026/acme-opens-plant",
    "https://www.m.news.example/2026/acme-opens-plant",
    "https://news.example./2026/acme-opens-plant",
    "https://news.example:443/2026/acme-opens-plant",
    "http://news.example:80/2026/acme-opens-plant",
    "https://news.example:/2026/acme-opens-plant",
    "https://reader:word@news.example/2026/acme-opens-plant",
    "https://news.example/2026/acme-opens-plant/",
    "https://news.example//2026///acme-opens-plant//",
    "https://news.example/2026/acme-opens-plant#comments",
    "https://news.example/2026/acme-opens-plant/#",
    "https://news.example/2026/acme-opens-plant#a?b=c",
    "https://news.example/2026/acme-opens-plant?",
    "https://news.example/2026/acme-opens-plant?&",
    "https://news.example/2026/acme-opens-plant/amp",
    "https://news.example/2026/acme-opens-plant/amp/",
    "https://news.example/2026/acme-opens-plant/AMP/?utm_medium=x",
    "https://news.example/2026/acme-opens-plant/index.html",
    "https://news.example/2026/acme-opens-plant/index.htm",
    "https://news.example/2026/acme-opens-plant/index.php",
    "https://news.example/2026/acme-opens-plant/amp/index.html",
    "https://news.example/2026/acme-opens-plant/index.html/",
    "https://news.example/2026/acme-opens-plant?utm_source=feed&utm_medium=rss",
    "https://news.example/2026/acme-opens-plant?UTM_Campaign=x#top",
    "https://news.example/2026/acme-opens-plant?fbclid=abc",
    "https://news.example/2026/acme-opens-plant?gclid=a&msclkid=b&dclid=c",
    "https://news.example/2026/acme-opens-plant?mc_cid=1&mc_eid=2",
    "https://news.example/2026/acme-opens-plant?ref=homepage",
    "https://news.example/2026/acme-opens-plant?_hsenc=1&_ga=2",
    "https://news.example/2026/acme-opens-plant?at_medium=RSS&at_campaign=k",
    "https://news.example/2026/acme-opens-plant?ocid=a&icid=b&ncid=c",
    "https://news.example/2026/acme-opens-plant?rss",
    "  https://news.example/2026/acme-opens-plant\n",
]
OTHER = [
    ("https://news.example/a?b=2&a=1", "news.example/a?a=1&b=2"),
    ("https://news.example/a?utm_source=x&id=7", "news.example/a?id=7"),
    ("https://news.example/?p=12", "news.example?p=12"),
    ("https://news.example/index.php?id=3", "news.example?id=3"),
    ("https://news.example?mail=a@b.example", "news.example?mail=a@b.example"),
    ("https://news.example/a?source_id=4", "news.example/a?source_id=4"),
    ("https://news.example/a?preference=4", "news.example/a?preference=4"),
    ("https://news.example/A", "news.example/A"),
    ("https://news.example:8443/a", "news.example:8443/a"),
    ("https://m.example/a", "m.example/a"),
    ("https://www.example/a", "www.example/a"),
    ("https://mail.news.example/a", "mail.news.example/a"),
    ("https://news.example/ramp", "news.example/ramp"),
    ("https://news.example/amp/a", "news.example/amp/a"),
    ("https://news.example/my-index.html", "news.example/my-index.html"),
    ("https://news.example/a%20b", "news.example/a%20b"),
    ("https://news.example/größe", "news.example/größe"),
    ("http://[2001:db8::1]:80/a", "[2001:db8::1]/a"),
]
NO_PAGE = [
    "https://news.example",
    "https://www.news.example/",
    "https://news.example/index.html",
    "https://news.example/amp/",
    "https://news.example/?utm_source=x",
    "https://news.example/#top",
    "mailto:desk@news.example",
    "/2026/acme-opens-plant",
    "acme opens plant",
    "",
    None,
]

ADDRESSES = st.builds(
    lambda scheme, labels, port, path, query, tail: (
        f"{scheme}://{''.join(labels)}x.example{port}/{'/'.join(path)}{query}{tail}"
    ),
    st.sampled_from(["http", "https", "HTTPS"]),
    st.lists(
        st.sampled_from(["www.", "www2.", "m.", "amp.", "mobile.", "a-b.", "co."]), max_size=3
    ),
    st.sampled_from(["", "", ":", ":80", ":8443"]),
    st.lists(
        st.sampled_from(["amp", "index.html", "a", "b.c", "", "INDEX.PHP", "x%2Fy", "größe"]),
        max_size=5,
    ),
    st.sampled_from(
        ["", "?", "?a=1&&b", "?utm_source=x&id=7", "?ref", "?m=a@b.example/?:", "?b&a"]
    ),
    st.sampled_from(["", "#", "#top", "/", "#/?a=1"]),
)


def _canonical(*urls: str | None) -> list[str | None]:
    frame = pl.DataFrame({"u": urls}, schema={"u": pl.String})
    return frame.select(canonical_url("u").alias("page"))["page"].to_list()


@pytest.mark.parametrize("url", SAME)
def test_what_does_not_name_the_page_is_left_out(url: str) -> None:
    assert _canonical(url) == [PAGE]


@pytest.mark.parametrize(("url", "expected"), OTHER)
def test_what_names_the_page_stays(url: str, expected: str) -> None:
    assert _canonical(url) == [expected]


@pytest.mark.parametrize("url", NO_PAGE)
def test_an_address_of_a_site_or_of_nothing_names_no_page(url: str | None) -> None:
    assert _canonical(url) == [None]


@given(st.lists(ADDRESSES, min_size=1, max_size=20))
@settings(max_examples=40, deadline=None)
def test_the_canonical_form_of_a_canonical_address_is_itself(urls: list[str]) -> None:
    once = [page for page in _canonical(*urls) if page is not None]
    assert _canonical(*(f"https://{page}" for page in once)) == once


@given(
    ADDRESSES,
    st.permutations(["a=1", "b=2", "id=3"]),
    st.lists(st.sampled_from(["utm_source=x", "fbclid=1", "ref=y"]), max_size=3),
)
@settings(max_examples=30, deadline=None)
def test_the_order_of_a_query_and_what_tracks_readers_do_not_matter(
    url: str, query: list[str], tracking: list[str]
) -> None:
    page = url.partition("?")[0].partition("#")[0]
    assert _canonical(f"{page}?{'&'.join(tracking + query)}") == _canonical(f"{page}?a=1&b=2&id=3")


def test_a_column_is_treated_row_by_row() -> None:
    assert _canonical("https://a.example/1", None, "https://a.example/1?ref=x") == [
        "a.example/1",
        None,
        "a.example/1",
    ]
