"""Which items are about which client, and on what evidence."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.control.model import Client
from clientlore.monitoring.matching import match
from clientlore.monitoring.naming import core_name, patterns

SCHEMA = dict.fromkeys(("item_id", "title", "text", "url", "client_id"), pl.String)
FAR = "filler " * 60


def _client(name: str, client_id: str = "c", **given: Any) -> Client:
    known = {key: given.pop(key) for key in ("domain", "ticker") if key in given}
    return Client("desk", client_id, name, profile=given, **known)


def _item(title: str = "", text: str = "", **given: str | None) -> dict[str, str | None]:
    return {"item_id": "i", "title": title, "text": text, "url": None, "client_id": None, **given}


def _match(clients: list[Client], *items: dict[str, str | None]) -> list[dict[str, Any]]:
    return match(pl.DataFrame(items, schema=SCHEMA), clients).to_dicts()


def _hits(client: Client, title: str = "", text: str = "", **given: str | None) -> list[str]:
    return [row["evidence"] for row in _match([client], _item(title, text, **given))]


@pytest.mark.parametrize(
    ("name", "core"),
    [
        ("Kiln Works, Inc.", "kiln works"),
        ("Kiln Works Incorporated", "kiln works"),
        ("KILN WORKS CORP", "kiln works"),
        ("Kiln Works Co., Ltd.", "kiln works"),
        ("Kiln & Söhne GmbH & Co. KG", "kiln söhne"),
        ("Kiln Works N.V.", "kiln works"),
        ("Kiln Works S.A.", "kiln works"),
        ("Kiln Works S.p.A.", "kiln works"),
        ("Kiln Works L.L.C.", "kiln works"),
        ("Kiln Works plc", "kiln works"),
        ("Kiln Holdings", "kiln holdings"),
        ("Kiln's Works", "kiln works"),
        ("U.S. Kiln Corp.", "u s kiln"),
        ("Company", "company"),
        ("Inc.", "inc"),
        ("S.A.", "s a"),
        ("", ""),
    ],
)
def test_a_name_is_known_without_its_legal_form(name: str, core: str) -> None:
    assert core_name(name) == core


@given(
    st.lists(st.sampled_from(["Kiln", "Works", "Inc.", "S.A.", "Ltd", "B", "V", "&"]), max_size=6)
)
@settings(deadline=None)
def test_the_core_of_a_core_is_itself(parts: list[str]) -> None:
    core = core_name(" ".join(parts))
    assert core_name(core) == core


@pytest.mark.parametrize(
    "title",
    [
        "Kiln Works opens plant",
        "KILN WORKS OPENS PLANT",
        "Shares of Kiln Works, Inc. rise",
        "Kiln Works' plan",
        "Kiln Works's plan",
        "Kiln Works\u2019s plan",
        "A deal (Kiln Works) is near",
        "Kiln-Works opens plant",
        "Kiln  Works",
        "Plan for Kiln Works",
    ],
)
def test_a_name_of_two_words_is_found_as_whole_words(title: str) -> None:
    assert _hits(_client("Kiln Works Inc."), title) == ["Kiln Works Inc."]


@pytest.mark.parametrize(
    "title",
    [
        "Kiln opens plant",
        "Works by Kiln",
        "Kiln Workshop opens",
        "Limekiln Works opens",
        "Kiln and Works",
        "Kiln Worksite",
        "",
    ],
)
def test_a_part_of_a_name_is_no_hit(title: str) -> None:
    assert _hits(_client("Kiln Works Inc."), title) == []


@pytest.mark.parametrize(
    ("name", "title", "hit"),
    [
        ("Orange", "Orange lifts forecast", True),
        ("Orange", "ORANGE LIFTS FORECAST", True),
        ("Orange Ltd", "Profit at Orange's network", True),
        ("Orange", "An orange tree fell", False),
        ("Orange", "An orange tree fell in Orangeville", False),
        ("eBay", "eBay lifts forecast", True),
        ("eBay", "EBay lifts forecast", True),
        ("eBay", "EBAY LIFTS FORECAST", True),
        ("eBay", "the ebay in the marsh", False),
        ("orange", "Orange lifts forecast", True),
        ("orange", "An orange tree fell", False),
        ("Größe", "Größe hebt Prognose", True),
        ("Größe", "die größe zählt", False),
    ],
)
def test_a_name_of_one_word_must_stand_with_a_capital(name: str, title: str, hit: bool) -> None:
    assert _hits(_client(name), title) == ([name] if hit else [])


def test_the_capital_may_stand_in_the_text_when_the_headline_shouts_none() -> None:
    (row,) = _match([_client("Orange")], _item("orange lifts forecast", "At Orange sales rose."))
    assert (row["in_title"], row["hits"]) == (True, 2)


def test_a_name_shorter_than_three_letters_is_not_looked_for() -> None:
    assert patterns([_client("Qi", aliases=["AB"])]).height == 0


@pytest.mark.parametrize(
    "written",
    [
        "Shares of $KLN, up",
        "$KLN",
        "buy ($KLN)",
        "sold $KLN.",
        "why $KLN?",
        "Kiln (KLN) up",
        "(NYSE: KLN)",
        "(NYSE:KLN)",
        "<KLN>",
    ],
)
def test_a_ticker_is_found_as_tickers_are_written(written: str) -> None:
    (row,) = _match([_client("Zz Limited", ticker="kln")], _item("News", f"Today: {written}"))
    assert (row["evidence"], row["strength"]) == ("KLN", 0.85)


@pytest.mark.parametrize("written", ["KLN rose", "$KLNX rose", "(kln)", "the KLN index", "KLN)"])
def test_the_bare_letters_of_a_ticker_are_none(written: str) -> None:
    assert _hits(_client("Zz Limited", ticker="KLN"), "News", written) == []


def test_an_excluded_word_rules_an_item_out_wherever_it_stands() -> None:
    client = _client("Kiln Works", exclude=["pottery class"], domain="kiln.example")
    assert _hits(client, "Kiln Works opens", "A Pottery Class begins.") == []
    assert _hits(client, "Pottery class at Kiln Works") == []
    assert _hits(client, "Pottery class", url="https://kiln.example/a") == []
    assert _hits(client, "Kiln Works opens", "Pottery classes begin.") == ["Kiln Works"]


def test_an_excluded_word_of_one_client_does_not_rule_out_another() -> None:
    clients = [_client("Kiln Works", "a", exclude=["strike"]), _client("Kiln Works", "b")]
    assert [r["client_id"] for r in _match(clients, _item("Strike at Kiln Works"))] == ["b"]


@pytest.mark.parametrize(
    ("url", "hit"),
    [
        ("https://kiln.example/news", True),
        ("https://www.kiln.example/news", True),
        ("https://press.kiln.example/news", True),
        ("https://user@KILN.example:8443/news", True),
        ("https://limekiln.example/news", False),
        ("https://kiln.example.org/news", False),
        ("https://other.example/kiln.example", False),
        (None, False),
    ],
)
def test_an_item_on_its_own_site_is_about_a_client(url: str | None, hit: bool) -> None:
    rows = _match([_client("Zz Limited", domain="Kiln.example")], _item("Hello", url=url))
    assert [(r["evidence"], r["own_site"], r["strength"], r["hits"]) for r in rows] == (
        [("its own site", True, 0.9, 0)] if hit else []
    )


def test_an_item_of_its_own_feed_is_about_a_client_but_weakly() -> None:
    (row,) = _match([_client("Kiln Works", "kiln")], _item("Hello", client_id="kiln"))
    assert row["own_feed"] is True
    assert row["strength"] == 0.4
    assert row["evidence"] == "its own feed, which does not name it"
    assert (row["in_title"], row["in_lead"], row["hits"]) == (False, False, 0)


def test_the_feed_of_somebody_who_is_no_client_any_more_says_nothing() -> None:
    assert _match([_client("Kiln Works", "kiln")], _item("Hello", client_id="left")) == []


def test_a_name_in_its_own_feed_counts_as_a_name() -> None:
    (row,) = _match([_client("Kiln Works", "kiln")], _item("Kiln Works opens", client_id="kiln"))
    assert (row["evidence"], row["strength"], row["own_feed"]) == ("Kiln Works", 0.95, True)


def test_two_clients_that_share_an_alias_both_get_the_item() -> None:
    clients = [
        _client("Kiln Works Porto", "porto", aliases=["Kiln Works"]),
        _client("Kiln Works Leeds", "leeds", aliases=["Kiln Works"]),
    ]
    rows = _match(clients, _item("Kiln Works opens plant"))
    assert [(r["client_id"], r["evidence"], r["strength"]) for r in rows] == [
        ("leeds", "Kiln Works", 0.9),
        ("porto", "Kiln Works", 0.9),
    ]


def test_the_strongest_evidence_is_the_one_that_is_told() -> None:
    client = _client("Kiln Works", ticker="KLN", aliases=["KW Ceramics"], people=["Bo Lind"])
    text = "KW Ceramics (KLN) and Bo Lind spoke. Kiln Works confirmed."
    (row,) = _match([client], _item("News", text))
    assert (row["evidence"], row["strength"], row["hits"]) == ("Kiln Works", 0.95, 4)
    (row,) = _match([client], _item("News", "A word from Bo Lind himself."))
    assert (row["evidence"], row["strength"]) == ("Bo Lind", 0.5)


def test_a_person_of_one_name_is_not_looked_for() -> None:
    assert _hits(_client("Kiln Works", people=["Bo"]), "Bo wins prize") == []


@pytest.mark.parametrize(
    ("title", "text", "expected"),
    [
        ("Kiln Works opens", "", (True, True, 1)),
        ("News", "Kiln Works opens.", (False, True, 1)),
        ("News", f"{FAR} Kiln Works opens.", (False, False, 1)),
        ("Kiln Works opens", f"{FAR} Kiln Works, and Kiln Works.", (True, True, 3)),
    ],
)
def test_subject_lead_and_mention_are_told_apart(
    title: str, text: str, expected: tuple[bool, bool, int]
) -> None:
    (row,) = _match([_client("Kiln Works")], _item(title, text))
    assert (row["in_title"], row["in_lead"], row["hits"]) == expected


def test_names_that_overlap_are_each_found() -> None:
    clients = [_client("Kiln Works", "a"), _client("Works Porto", "b"), _client("Porto Bank", "c")]
    rows = _match(clients, _item("Kiln Works Porto Bank"))
    assert [r["client_id"] for r in rows] == ["a", "b", "c"]


def test_thousands_of_clients_are_matched_in_one_call() -> None:
    clients = [
        _client(f"Firm{n:04d} Works{n:04d}", f"c{n:04d}", ticker=f"T{n:04d}") for n in range(4_000)
    ]
    items = [
        _item(f"Firm{n:04d} Works{n:04d} opens", f"Also (T{n + 1:04d}).", item_id=f"i{n:03d}")
        for n in range(0, 400, 2)
    ]
    rows = _match(clients, *items)
    assert [(r["item_id"], r["client_id"]) for r in rows] == [
        (f"i{n:03d}", f"c{n + more:04d}") for n in range(0, 400, 2) for more in (0, 1)
    ]


def test_no_clients_or_no_items_give_no_rows() -> None:
    assert _match([], _item("Kiln Works opens")) == []
    assert _match([_client("Kiln Works", domain="kiln.example", ticker="KLN", exclude=["x"])]) == []


@given(st.permutations(range(6)), st.permutations(range(3)))
@settings(max_examples=20, deadline=None)
def test_the_order_of_items_and_clients_does_not_matter(
    order: list[int], of_clients: list[int]
) -> None:
    clients = [
        _client("Kiln Works", "a", aliases=["KW"], ticker="KLN"),
        _client("Orange", "b", domain="orange.example"),
        _client("Kiln Works", "c", exclude=["strike"]),
    ]
    items = [
        _item("Kiln Works opens", item_id="0"),
        _item("Orange and Kiln Works", item_id="1"),
        _item("Strike at Kiln Works", item_id="2"),
        _item("Hello", url="https://orange.example/a", item_id="3"),
        _item("Hello", "(KLN)", item_id="4"),
        _item("Hello", client_id="c", item_id="5"),
    ]
    expected = _match(clients, *items)
    assert len(expected) == 9
    assert _match([clients[n] for n in of_clients], *(items[n] for n in order)) == expected
