"""Which category an item has, without asking anybody: what the classifier learned, and what the rules see.

    weight(category) = log p(category) by the classifier / doubt, or, for one that it never learned and the rules see,
                       that of other - 2
                       + trust * hits of the rules / 4, at most 1.5
    p                = softmax(weight)

Doubt is 1 and trust 0.5 for a text like those the classifier learned from: a short post, not headline and text, with an
address, a ticker, a tag or a name that is addressed, or a flash, mostly in capitals. They are 3 and 2 for all other
news, of which the classifier knows less and is too sure.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clientlore.monitoring.classifier import by_category, text_of
from clientlore.monitoring.normalise import headline, words
from clientlore.monitoring.rules import KEYWORDS, ROUNDUP, pattern
from clientlore.taxonomy import CATEGORY_NAMES

SCORED_CHARS = 1_500
"""How much of a text the rules read for its category: news says what it is about at its beginning."""
SHORT_CHARS = 300
TRUST, TRUST_NEWS = 0.5, 2.0
DOUBT_NEWS = 3.0
_POSTED = r"https?://|[$#@]\p{L}"
NOT_LEARNED = 2.0
MOST_HITS = 6


class Judge(Protocol):
    """A classifier, or what stands for several that were trained in turn."""

    @property
    def categories(self) -> tuple[str, ...]:
        """The category of each topic."""
        ...

    @property
    def temperature(self) -> float:
        """By which margins are divided."""
        ...

    def margins(self, texts: pl.Series) -> NDArray[np.float32]:
        """Shape (texts, topics)."""
        ...


_HEAD = (
    pl.when(pl.col("_named") == "")
    .then(pl.col("_text").str.slice(0, SHORT_CHARS))
    .otherwise("_named")
)


def by_rules(items: pl.DataFrame) -> pl.DataFrame:
    """What the rules see.

    Args:
        items: Columns title, text, publisher.

    Returns:
        The same rows with `rule_hits` (one number for each of `KEYWORDS`), `category`, `strength_of_category`,
        `lead_of_category` (0-1, by how much it leads), `category_words` (what says so) and `is_roundup`.
    """
    frame = items.with_columns(
        _named=headline("title", "publisher").str.to_lowercase(),
        _text=pl.col("text").fill_null("").str.slice(0, SCORED_CHARS).str.to_lowercase(),
    ).with_columns(
        _head=_HEAD + pl.lit(" "),
        _lead=pl.when(pl.col("_named") == "")
        .then(pl.col("_text").str.slice(SHORT_CHARS))
        .otherwise("_text"),
    )
    frame = frame.with_columns(
        (
            3 * pl.col("_head").str.count_matches(pattern(name)).cast(pl.Int32)
            + pl.col("_lead").str.count_matches(pattern(name)).cast(pl.Int32)
        )
        .clip(0, MOST_HITS)
        .alias(name)
        for name in KEYWORDS
    )
    names = list(KEYWORDS)
    frame = frame.with_columns(rule_hits=pl.concat_list(names)).with_columns(
        _best=pl.col("rule_hits").list.max(),
        _which=pl.col("rule_hits").list.arg_max(),
        _second=pl.col("rule_hits").list.sort(descending=True).list.get(1),
    )
    known = pl.col("_best") > 0
    told = pl.coalesce(
        pl.when((pl.col("_which") == n) & known).then(_told_by(name))
        for n, name in enumerate(names)
    )
    return frame.with_columns(
        category=pl.when(known)
        .then(pl.col("_which").replace_strict(dict(enumerate(names)), return_dtype=pl.String))
        .otherwise(pl.lit("other")),
        strength_of_category=(pl.col("_best") / 4).clip(0.0, 1.0),
        lead_of_category=pl.when(known)
        .then((pl.col("_best") - pl.col("_second")) / pl.col("_best"))
        .otherwise(0.0),
        category_words=told,
        is_roundup=words("title").str.contains(ROUNDUP),
    ).drop("_named", "_text", "_head", "_lead", "_best", "_which", "_second", *names)


def by_both(
    judged: pl.DataFrame, model: Judge, margins: NDArray[np.float32] | None = None
) -> pl.DataFrame:
    """What the classifier and the rules say together.

    Args:
        judged: What `by_rules` made of items; `rule_hits`, title and text are read.
        model: The classifier.
        margins: What it says of these texts, if that is known.

    Returns:
        One row for each: `category`, `confidence` (0-1; null where there is no text) and `method`: `classifier`, or
        `rules` where they turned it over.
    """
    texts = judged.select(text_of("title", "text").alias("_"))["_"]
    margins = model.margins(texts) if margins is None else margins
    learned = by_category(margins, model.categories, model.temperature)
    news = _is_news(judged)
    weight = np.log(np.maximum(learned, 1e-6)) / np.where(news, DOUBT_NEWS, 1.0)[:, None]
    new = [n for n, name in enumerate(CATEGORY_NAMES) if name not in set(model.categories)]
    weight[:, new] = weight[:, [CATEGORY_NAMES.index("other")]] - NOT_LEARNED
    alone = weight.argmax(1)
    if judged.height:
        hits = judged["rule_hits"].list.to_array(len(KEYWORDS)).to_numpy().astype(np.float32)
        trust = np.where(news, TRUST_NEWS, TRUST)
        at = [CATEGORY_NAMES.index(name) for name in KEYWORDS]
        weight[:, at] += hits / 4 * trust[:, None]
        # What was never learned and what no rule sees takes nothing from the others.
        unseen = np.ones_like(weight, dtype=bool)
        unseen[:, at] = hits == 0
        unseen[:, [n for n in range(len(CATEGORY_NAMES)) if n not in new]] = False
        weight[unseen] = -99
    share = np.exp(weight - weight.max(1, keepdims=True, initial=-99))
    share /= share.sum(1, keepdims=True)
    chosen = share.argmax(1)
    empty = ~texts.str.contains(r"[\p{L}\p{N}]")
    return pl.DataFrame(
        {
            "category": pl.Series(CATEGORY_NAMES).gather(pl.Series(chosen, dtype=pl.UInt32)),
            "confidence": share[np.arange(len(chosen)), chosen].astype(np.float64).round(4),
            "method": pl.Series(chosen == alone, dtype=pl.Boolean),
            "_empty": empty,
        }
    ).select(
        category=pl.when("_empty").then(pl.lit("other")).otherwise("category"),
        confidence=pl.when("_empty").then(None).otherwise("confidence"),
        method=pl.when("method").then(pl.lit("classifier")).otherwise(pl.lit("rules")),
    )


def _is_news(items: pl.DataFrame) -> NDArray[np.bool_]:
    """Which items are no posts: with headline and text, or longer, or neither a flash nor with the mark of a post."""
    texts = items.select(pl.col("title", "text").fill_null(""))
    title, text = (texts[part].str.len_chars() for part in texts.columns)
    news = ((title > 0) & (text > 0)) | (title + text > SHORT_CHARS)
    # Few others are left to look at letter by letter.
    capitals, small = (
        pl.sum_horizontal(pl.all().str.count_matches(letters)) for letters in (r"\p{Lu}", r"\p{Ll}")
    )
    posted = pl.any_horizontal(pl.all().str.contains(_POSTED), capitals > small)
    found = news.to_numpy().copy()
    found[~found] = texts.filter(~news).select(~posted).to_series().to_numpy()
    return found


def _told_by(category: str) -> pl.Expr:
    return (
        (pl.col("_head") + pl.col("_lead"))
        .str.extract_all(pattern(category))
        .list.eval(pl.element().str.strip_chars())
        .list.unique(maintain_order=True)
        .list.head(3)
        .list.join(", ")
    )
