"""What speaks for and against two texts telling the same thing, beside the words that they share.

A story and its correction, its longer version and its flash agree in names and numbers, or one has none that the
other contradicts. Two stories of one template contradict each other in just these.
"""

from __future__ import annotations

import polars as pl

from clientlore.monitoring.normalise import is_revision

FEATURES = ("numbers", "names", "headline", "foreign", "table", "apart", "marked", "swapped")
"""See `weighed`."""
WEIGHTS = {
    "containment": 4.12,
    "numbers": -6.57,
    "names": -1.51,
    "headline": 0.8,
    "foreign": -3.61,
    "table": -2.58,
    "apart": -2.34,
    "marked": 1.5,
    "swapped": -3.04,
}
"""Of a logistic regression on labelled pairs; `python -m tools.fit_nearduplicates` fits them."""
INTERCEPT = -0.72

FAR_APART_DAYS = 2.0
"""Two days between publications, and more, weigh fully."""
UNDATED = 0.34
"""What stands for them where one is not known: their mean over the pairs that the weights were fitted on."""
TABLE_SHARE = 0.25
"""A text without a headline of which so much is numbers is a table of quotes."""

_NUMBER = r"\d(?:[\d.,/-]*\d)?"
_SPELT = (
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    "|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|half"
)
# Capitals inside a sentence: what stands first in one is in capitals anyway.
_NAMES = r"[a-z,;0-9)>]\s+<?\p{Lu}[\p{L}\p{N}&-]+(?:\s+<?\p{Lu}[\p{L}\p{N}&-]+)*"
_NAME = r"\p{Lu}[\p{L}\p{N}&-]+"
_CORRECTS = r"(?i)\bcorrect(?:s|ed|ion)\b"


def signs(told: pl.DataFrame) -> pl.DataFrame:
    """What each text shows: `n`, and the sets and marks that `weighed` compares.

    Args:
        told: Columns `n`, `words`, `title`, `text`, `published_at`.
    """
    words, title = pl.col("words").fill_null(""), pl.col("title").fill_null("")
    both = title + "\n" + pl.col("text").fill_null("")
    spelt = words.str.extract_all(rf"\b(?:{_SPELT})\b")
    figures = both.str.extract_all(_NUMBER)
    headline = _words(title).list.unique()
    anywhere = pl.col("text").fill_null("").str.extract_all(_NAME)
    capitals = (
        pl.col("text").fill_null("").str.extract_all(_NAMES).list.join(" ").str.extract_all(_NAME)
    )
    return told.select(
        "n",
        "published_at",
        numbers=figures.list.concat(spelt).list.unique(),
        names=capitals.list.unique(),
        headline=headline,
        topic=headline.list.set_intersection(_words(pl.col("text").fill_null(""))),
        every=pl.concat_list(words.str.split(" "), headline).list.unique(),
        telling=pl.concat_list(
            _words(anywhere.list.join(" ")), words.str.extract_all(r"\b\w*\d\w*\b"), spelt
        ),
        marked=is_revision("title")
        | pl.col("text").fill_null("").str.contains(_CORRECTS)
        | title.str.contains(_CORRECTS),
        table=(title == "")
        & (words.str.count_matches(r"\b\d+\b") > TABLE_SHARE * (words.str.count_matches(" ") + 1)),
    )


def _words(text: pl.Expr) -> pl.Expr:
    return text.str.to_lowercase().str.extract_all(r"[\p{L}\p{N}]+")


def weighed(pairs: pl.DataFrame, clues: pl.DataFrame) -> pl.DataFrame:
    """Adds the evidence and the probability that both tell the same.

    Args:
        pairs: Columns `earlier`, `later`, `containment`.
        clues: The `signs` of each text of a pair.

    Returns:
        The pairs with, each between 0 and 1 but for `foreign`:
        `numbers`, `names`: share of those that both texts contradict each other in;
        `headline`: share of the shorter headline that is in the other, a half where one has none;
        `foreign`: logarithm of how many words of its headline a text repeats and the other item does not have at all,
        the fewer of both;
        `table`: both are tables of quotes; `apart`: publication dates, two days or more count fully;
        `marked`: one says that it corrects; `swapped`: names and numbers are all that was replaced.
    """
    frame = pairs.join(_side(clues, "earlier", "_a"), on="earlier", maintain_order="left").join(
        _side(clues, "later", "_b"), on="later", maintain_order="left"
    )
    shorter_headline = pl.min_horizontal(_size("headline_a"), _size("headline_b"))
    apart = (pl.col("published_at_a") - pl.col("published_at_b")).dt.total_seconds().abs()
    evidence = frame.with_columns(
        numbers=_contradiction("numbers"),
        names=_contradiction("names"),
        headline=pl.when(shorter_headline > 0)
        .then(_shared("headline") / shorter_headline)
        .otherwise(0.5),
        foreign=pl.min_horizontal(
            _size(pl.col("topic_a").list.set_difference("every_b")),
            _size(pl.col("topic_b").list.set_difference("every_a")),
        ).log1p(),
        table=(pl.col("table_a") & pl.col("table_b")).cast(pl.Float64),
        apart=(apart / 86_400 / FAR_APART_DAYS).clip(0, 1).fill_null(UNDATED),
        marked=(pl.col("marked_a") | pl.col("marked_b")).cast(pl.Float64),
        swapped=_only("a", "b") * _only("b", "a"),
    )
    score = pl.sum_horizontal(pl.col(name) * weight for name, weight in WEIGHTS.items()) + INTERCEPT
    return evidence.with_columns(probability=1 / (1 + (-score).exp())).select(
        *pairs.columns, *FEATURES, "probability"
    )


def _side(clues: pl.DataFrame, key: str, suffix: str) -> pl.DataFrame:
    return clues.rename({name: key if name == "n" else f"{name}{suffix}" for name in clues.columns})


def _size(what: str | pl.Expr) -> pl.Expr:
    column = pl.col(what) if isinstance(what, str) else what
    return column.list.len().cast(pl.Float64)


def _shared(name: str) -> pl.Expr:
    return _size(pl.col(f"{name}_a").list.set_intersection(f"{name}_b"))


def _only(mine: str, others: str) -> pl.Expr:
    """1 where something stands in the one alone, and all of it is names and numbers."""
    own = pl.col(f"every_{mine}").list.set_difference(f"every_{others}")
    rest = own.list.set_difference(f"telling_{mine}")
    return ((_size(own) > 0) & (_size(rest) == 0)).cast(pl.Float64)


def _contradiction(name: str) -> pl.Expr:
    """What only the one has and only the other: the fewer of both, as a share with what both have, one added."""
    against = pl.min_horizontal(_size(f"{name}_a"), _size(f"{name}_b")) - _shared(name)
    return against / (against + _shared(name) + 1)
