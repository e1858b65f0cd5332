"""What stands around a name decides whether the client is meant."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from clientlore.control.model import Client
from clientlore.monitoring.matching import SURE, match
from clientlore.monitoring.naming import patterns

SCHEMA = dict.fromkeys(("item_id", "title", "text", "url", "client_id"), pl.String)
FAR = "filler words and more of them " * 10


def _rows(
    client: Client, title: str, text: str = "", url: str | None = None
) -> list[dict[str, Any]]:
    item = {"item_id": "i", "title": title, "text": text, "url": url, "client_id": None}
    return match(pl.DataFrame([item], schema=SCHEMA), [client]).to_dicts()


def _client(name: str, **given: Any) -> Client:
    known = {key: given.pop(key) for key in ("domain", "ticker") if key in given}
    return Client("desk", "c", name, profile=given, **known)


def _doubt(name: str, title: str, text: str = "", **given: Any) -> str | None:
    (row,) = _rows(_client(name, **given), title, text)
    assert (row["strength"] >= SURE) == (row["doubt"] is None)
    return row["doubt"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Kiln Works Inc", "Shares of Kiln Works Inc rose."),
        ("Kiln Works Inc", "He said Kiln Works and Bank Porto SA talked."),
        ("Kiln Works Inc", "West Germany's Kiln Works rose."),
        ("Kiln Works Inc", "It ended. New Kiln Works ovens sell."),
        ("Kiln Works Inc", "He said shares of Kiln Works rose."),
        ("Kiln Works Group", "He said Kiln Works Group Ltd rose."),
        ("Kiln Works Inc", "Three firms - Kiln Works, Orla and Bex - agreed."),
        ("Procter & Gamble Co", "He said Procter and Gamble rose."),
        ("Procter and Gamble Co", "He said Procter & Gamble rose."),
        ("Trans Kiln Airlines", "He said Transkiln Airlines rose."),
        ("Machines Kiln Corp", "He said Machine Kiln rose."),
        ("Kiln Computer Inc", "He said Kiln Computers rose."),
        ("Kiln Porto Group Inc", "He said Kiln Porto rose."),
        ("The Kiln Works Company", "He said Kiln Works rose."),
        ("HP Inc", "He said HP Inc rose."),
        ("Summit Inc", "He said that Summit lifted its forecast."),
        ("Business Kiln Machines", "The deal lifts BKM Corp this year."),
    ],
)
def test_a_name_is_sure_however_it_is_written(name: str, text: str) -> None:
    assert _doubt(name, "News of the day", f"{FAR}. {text}") is None


@pytest.mark.parametrize(
    ("name", "text", "doubt"),
    [
        ("Kiln Works Inc", "It trades in Chemical Kiln Works Inc stock.", "part of a longer one"),
        ("Kiln Works Inc", "It bought Kiln Works Leasing Ltd for cash.", "part of a longer one"),
        ("Kiln Works Group", "He said Kiln Works and Co rose.", "part of a longer one"),
        ("Kiln Works Inc", "Ann Lee, an analyst at Kiln Works, was sure.", "by the way"),
        ("Kiln Works Inc", "The paying agent is Kiln Works, it said.", "by the way"),
        ("Kiln Works Inc", "Bonds fell, said Kiln Works analyst Ann Lee.", "by the way"),
        ("Kiln Works Inc", "OFF 1 1/4 Kiln Works 4 1/2 N OFF", "table of prices"),
        ("Kiln Works Inc", "It ended. North Kiln Works Ltd rose.", "part of a longer one"),
        ("Kiln Works Group", "He worked for Kiln Works Ltd then.", "another legal form"),
        ("Kiln Works Inc", "It held 300,000 shares of Kiln Works Co in May.", "only its shares"),
        ("Kiln Works Inc", "Gains were led by Kiln Works ordinary at noon.", "only its shares"),
        ("Summit Inc", "It ended. Summit talks went on.", "everyday word"),
        ("Business Kiln Machines", "The deal lifts BKM this year.", "only initials"),
    ],
)
def test_what_leaves_it_open_who_is_meant_is_told(name: str, text: str, doubt: str) -> None:
    assert doubt in str(_doubt(name, "News of the day", f"{FAR}. {text}"))


def test_one_sure_place_settles_it() -> None:
    text = f"{FAR}. An analyst at Kiln Works spoke. Kiln Works closed a plant."
    assert _doubt("Kiln Works Inc", "News", text) is None


def test_initials_in_a_headline_of_capitals_are_words() -> None:
    assert _rows(_client("Business Kiln Machines"), "THE BKM RISES") == []


def test_a_person_of_the_client_alone_is_left_open() -> None:
    assert _doubt("Kiln Works", "Bo Lind speaks", people=["Bo Lind"]) is not None


def test_a_client_known_by_its_domain_is_found_by_it_and_by_its_label() -> None:
    client = _client("", domain="kilnworks.example")
    assert _rows(client, "See www.kilnworks.example/news today")[0]["doubt"] is None
    assert _rows(client, "Kilnworks opens a plant")[0]["doubt"] is None
    assert _rows(client, "Example of kilnworks") == []
    assert _rows(client, "Hello", url="https://kilnworks.example/a")[0]["own_site"] is True


def test_a_company_whose_name_begins_with_what_may_be_a_form_keeps_it() -> None:
    assert patterns([_client("SAS Institute")])["pattern"][0] == " sas institute "


@pytest.mark.parametrize("letter", ["\u0130", "\u1e9e", "\u2c7e", "\U0001f600", "\u0301"])
def test_letters_of_other_lengths_do_not_move_what_is_found(letter: str) -> None:
    (row,) = _rows(_client("Kiln Works"), f"{letter}x {letter} Kiln Works opens", letter)
    assert (row["found"].lower(), row["hits"]) == ("kiln works", 1)
