"""Which texts, headlines and keys are the same for us."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.monitoring.normalise import (
    headline,
    is_revision,
    plain_words,
    with_keys,
    words,
)

NINE = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
LONG = " ".join(f"kiln{n}" for n in range(30))

# Python and Polars may come with tables of Unicode of different years: what is unassigned in one may be in the other.
TEXTS = st.text(
    st.one_of(
        st.sampled_from("'\u2019sS _-.Aaß²Ⅷ\u0301\u0345İΣ\u200d❶"),
        st.characters(exclude_categories=("Cs", "Cn", "Co")),
    ),
    max_size=40,
)


def _words(*texts: str | None) -> list[str]:
    return pl.DataFrame({"t": texts}, schema={"t": pl.String}).select(words("t"))["t"].to_list()


def _headlines(*pairs: tuple[str | None, str | None]) -> list[str]:
    frame = pl.DataFrame(pairs, schema={"t": pl.String, "p": pl.String}, orient="row")
    return frame.select(headline("t", "p").alias("head"))["head"].to_list()


def _item(**given: object) -> dict[str, object]:
    return {
        "title": "Kiln works reopen",
        "text": LONG,
        "publisher": "Meridian Wire",
        "url": "https://wire.example/a",
        "source_id": "s-1",
        "origin_id": "g-1",
        "published_at": NINE,
        "collected_at": NINE,
        **given,
    }


def _keys(*items: dict[str, object]) -> pl.DataFrame:
    times = dict.fromkeys(("published_at", "collected_at"), pl.Datetime("us", "UTC"))
    return with_keys(pl.DataFrame(list(items), schema_overrides=times))


@given(st.lists(TEXTS, min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_a_text_of_a_column_and_a_single_text_have_the_same_words(texts: list[str]) -> None:
    assert _words(*texts) == [plain_words(text) for text in texts]


@given(TEXTS)
@settings(max_examples=60, deadline=None)
def test_words_of_words_are_the_same_words(text: str) -> None:
    once = plain_words(text)
    assert plain_words(once) == once
    assert _words(once) == [once]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Acme, Inc. buys  Kestrel!", "acme inc buys kestrel"),
        ("Acme's profit", "acme profit"),
        ("Acme\u2019s profit", "acme profit"),
        ("Acme's", "acme"),
        ("Acme's's plan", "acme plan"),
        ("the 'sales' team", "the sales team"),
        ("\uff21\uff23\uff2d\uff25 \ufb01nance", "acme finance"),
        ("snake_case and-dash", "snake case and dash"),
        ("Größe ŁÓDŹ", "größe łódź"),
        ("10.5% of 3,000", "10 5 of 3 000"),
        # Where a letter or a digit follows, it is no possessive; a mark or a circled digit tells the two apart.
        ("Acme's\u0303 plan", "acme plan"),
        ("Acme's\u2776 plan", "acme s\u2776 plan"),
        ("Acme's_plan", "acme plan"),
        ("   ", ""),
        ("", ""),
    ],
)
def test_words_are_lower_case_letters_and_digits_with_single_spaces(
    text: str, expected: str
) -> None:
    assert _words(text) == [expected]
    assert plain_words(text) == expected


def test_no_text_has_no_words() -> None:
    assert _words(None) == [""]


@pytest.mark.parametrize(
    ("title", "publisher", "expected"),
    [
        ("Acme opens plant - Meridian Wire", "Meridian Wire", "Acme opens plant"),
        ("Acme opens plant | Meridian Wire", "Meridian Wire", "Acme opens plant"),
        ("Acme opens plant|Meridian Wire", "Meridian Wire", "Acme opens plant"),
        ("Acme opens plant \u2013 Meridian Wire", "Meridian Wire", "Acme opens plant"),
        ("Acme opens plant — Meridian Wire", "Meridian Wire", "Acme opens plant"),
        ("CORRECTED: Acme opens plant", None, "Acme opens plant"),
        ("UPDATE 2-Acme opens plant - Meridian Wire", "Meridian Wire", "Acme opens plant"),
        ("Acme opens plant - Ledger Post", "Meridian Wire", "Acme opens plant - Ledger Post"),
        # The name at the end is part of the sentence, or of another word.
        (
            "Regulator looks into Meridian Wire",
            "Meridian Wire",
            "Regulator looks into Meridian Wire",
        ),
        ("Investors flock to GAP", "AP", "Investors flock to GAP"),
        ("Prize for Coca-Cola", "Cola", "Prize for Coca-Cola"),
        ("Meridian Wire", "Meridian Wire", "Meridian Wire"),
        ("Acme opens plant", "", "Acme opens plant"),
        (None, "Meridian Wire", ""),
    ],
)
def test_a_headline_loses_the_mark_of_revision_and_the_publisher_behind_a_dash(
    title: str | None, publisher: str | None, expected: str
) -> None:
    assert _headlines((title, publisher)) == [expected]


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("CORRECTED: Acme opens plant", True),
        ("Correction - Acme opens plant", True),
        ("UPDATE 1-Acme opens plant", True),
        ("Update: Acme opens plant", True),
        ("REFILE-Acme opens plant", True),
        ("WRAPUP 3-Acme opens plant", True),
        ("Updated forecast from Acme", False),
        ("Acme update: plant opens", False),
        ("Rptile keeper wins prize", False),
        (None, False),
    ],
)
def test_only_a_mark_before_the_title_makes_it_a_later_version(
    title: str | None, expected: bool
) -> None:
    frame = pl.DataFrame({"t": [title]}, schema={"t": pl.String})
    assert frame.select(is_revision("t"))["t"].to_list() == [expected]


def test_one_text_under_two_headlines_of_two_publishers_has_one_content_key() -> None:
    keys = _keys(
        _item(),
        _item(title="Works reopen after years", publisher="Ledger Post", source_id="s-2"),
    )
    assert keys["content_key"].n_unique() == 1


def test_a_bare_headline_is_the_same_only_with_publisher_and_date() -> None:
    keys = _keys(
        _item(text=""),
        _item(text="", url="https://wire.example/b", origin_id="g-2"),
        _item(text="", publisher="Ledger Post"),
        _item(text="", published_at=NINE + timedelta(days=1)),
        _item(text="", published_at=None),
    )
    first, again, other_publisher, other_day, no_day = keys["content_key"].to_list()
    assert again == first
    assert len({first, other_publisher, other_day, no_day}) == 4


def test_the_origin_key_names_the_source_too() -> None:
    keys = _keys(_item(), _item(title="Other", text=LONG[:90]), _item(source_id="s-2"))
    one, same, other = keys["origin_key"].to_list()
    assert one == same != other


def test_a_text_under_three_headlines_of_one_source_tells_no_item() -> None:
    titles = ["Acme opens plant", "Birchwood hires", "Corda raises money"]
    keys = _keys(*(_item(title=title, origin_id=title) for title in titles))
    assert keys["content_key"].n_unique() == 3
    spread = _keys(*(_item(title=t, source_id=f"s-{n}") for n, t in enumerate(titles)))
    assert spread["content_key"].n_unique() == 1


def test_a_third_headline_at_noon_changes_no_key_of_the_morning() -> None:
    morning = [_item(title="Acme opens plant"), _item(title="Birchwood hires", origin_id="g-2")]
    noon = _item(title="Corda raises", origin_id="g-3", collected_at=NINE + timedelta(hours=3))
    before, after = _keys(*morning), _keys(*morning, noon)
    assert after["content_key"].to_list()[:2] == before["content_key"].to_list()
    assert before["content_key"].n_unique() == 1
    assert after["content_key"][2] != after["content_key"][0]


def test_the_order_of_rows_does_not_matter_to_their_keys() -> None:
    items = [
        _item(title=f"Headline {n}", origin_id=f"g-{n}", text=LONG if n % 2 else "")
        for n in range(8)
    ]
    forward = _keys(*items).sort("origin_id")
    assert _keys(*reversed(items)).sort("origin_id").equals(forward)


def test_words_of_an_item_are_its_headline_and_text() -> None:
    keys = _keys(_item(title="CORRECTED: Acme opens plant - Meridian Wire", text="It's “large”."))
    assert keys["words"].to_list() == ["acme opens plant it large"]
    assert keys["marked_revision"].to_list() == [True]


@pytest.mark.parametrize(
    "before",
    [
        "LONDON, March 3 (Reuters) - ",
        "NEW YORK (AP) -- ",
        "M\u00dcNCHEN/Z\u00fcrich (Dow Jones & Co.) \u2013 ",
        "St. John's, Nfld. (CP) - ",
        "\u041c\u043e\u0441\u043a\u0432\u0430 (TASS) \u2014 ",
        "(Dow Jones) - ",
        "Porto, Sept. 12, 2026 - ",
    ],
)
def test_a_dateline_of_any_place_is_no_part_of_a_text(before: str) -> None:
    with_it, without = _keys(_item(text=before + LONG), _item(text=LONG))["content_key"]
    assert with_it == without


@pytest.mark.parametrize(
    "before",
    [
        "Kiln works - ",
        "Room 12 (Reuters) - ",
        "lower (AP) - ",
        "A, B, C (AP) - ",
        "X" * 60 + " (AP) - ",
    ],
)
def test_what_is_no_dateline_stays(before: str) -> None:
    with_it, without = _keys(_item(text=before + LONG), _item(text=LONG))["content_key"]
    assert with_it != without


def test_no_items_have_no_keys() -> None:
    empty = _keys(_item()).clear()
    assert with_keys(empty.select(list(_item()))).columns == empty.columns
