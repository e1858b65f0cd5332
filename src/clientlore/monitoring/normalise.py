"""What makes two items the same for us: expressions over columns, no loop over rows."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

import polars as pl

from clientlore.ids import stable_ids
from clientlore.monitoring.addresses import canonical_url
from clientlore.monitoring.wording import plain

NORMALISER = "n2"
"""Raised when a change here may change which items are the same."""
SHORT_WORDS = 12
"""A text of fewer words is too little to tell an item by."""
BOILERPLATE_HEADLINES = 3
"""A text under this many headlines of one source is a footer or a teaser."""

_REVISION = (
    r"(?i)^\s*(?:corrected|correction|update\s*\d*|updated|refile|rpt|wrapup\s*\d*|amended)"
    r"\s*[-:\x{2013}\x{2014}]\s*"
)
_SEPARATOR = r"(?:\s+-|\s*[|\x{2013}\x{2014}])\s*$"
# A place and a date, or an agency in brackets, before a dash at the very beginning.
# What is no letter is named, and not what is one: classes of all the world's letters, repeated up to 40 times, take
# longer to compile than ten thousand texts to read.
_NO_TEXT = r"\x00-\x1f\x{80}-\x{bf}\x{2000}-\x{206f}`{-~"
_AGENCY = rf"\((?:[A-Z][^{_NO_TEXT}!-%(-\-/:-@\[-^]{{1,30}})\)"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?\s+\d{1,2}(?:,?\s+\d{4})?"
_PLACE = rf"\p{{Lu}}[^{_NO_TEXT}!-&(-,0-@\[-_]{{1,40}}(?:,\s*[^{_NO_TEXT}!-\-/-@\[-_]{{2,20}})?"
_DATELINE = (
    rf"^\s*(?:{_PLACE},?\s*(?:{_MONTH})\s*(?:{_AGENCY})?|{_PLACE}\s*{_AGENCY}|{_AGENCY})"
    r"\s*(?:--?|\x{2013}|\x{2014})\s+"
)
_MARKUP = (
    r"(?is)<(?:script|style)\b.*?</(?:script|style)>|<!--.*?-->"
    r"|</?(?:p|br|div|span|a|b|i|u|em|strong|h[1-6]|ul|ol|li|img|table|tr|td|th|tbody|blockquote|figure|figcaption"
    r"|section|article|header|footer|hr|sup|sub|small|font|center)(?:\s[^<>]*)?/?>"
)
_ENTITIES = {
    "&nbsp;": " ",
    "&quot;": '"',
    "&#39;": "'",
    "&rsquo;": "'",
    "&lt;": "<",
    "&gt;": ">",
    "&amp;": "&",
}
_SIGNED = r"(?:\s|^)(?:Reuters?|REUTERS?)[\s.]*$"


def words(column: str) -> pl.Expr:
    """The text as words: NFKC, lower case, letters and digits only, one space between; possessives lose their s."""
    return pl.col(column).map_batches(plain, return_dtype=pl.String, is_elementwise=True)


def body(column: str) -> pl.Expr:
    """The text without markup, the dateline before it and the agency's name under it."""
    return pl.col(column).map_batches(_body, return_dtype=pl.String, is_elementwise=True)


def _body(texts: pl.Series) -> pl.Series:
    # Each pattern is tried where a plain look says that it may be found: most texts have no markup.
    texts = texts.cast(pl.String).fill_null("")
    tags = texts.str.contains_any(["</", "<br", "<BR", "<p>", "<p ", "<P>", "<img", "<!--", "<hr"])
    texts = _changed(texts, tags, lambda some: some.str.replace_all(_MARKUP, " "))
    escaped = texts.str.contains("&", literal=True)
    texts = _changed(texts, escaped, lambda some: some.str.replace_many(_ENTITIES))
    dashed = texts.str.head(120).str.contains_any([" - ", " -- ", ")- ", " \u2013 ", " \u2014 "])
    dated = dashed & texts.set(~dashed, "").str.head(120).str.contains(_DATELINE)
    texts = _changed(texts, dated, lambda some: some.str.replace(_DATELINE, ""))
    signed = texts.str.tail(16).str.contains(_SIGNED)
    return _changed(texts, signed, lambda some: some.str.replace(_SIGNED, ""))


def _changed(
    texts: pl.Series, where: pl.Series, change: Callable[[pl.Series], pl.Series]
) -> pl.Series:
    return texts.scatter(where.arg_true(), change(texts.filter(where))) if where.any() else texts


def plain_words(text: str) -> str:
    """`words` for one text, such as a name from a profile."""
    lowered = unicodedata.normalize("NFKC", text).lower()
    return re.sub(r"[\W_]+", " ", re.sub(r"['\u2019]s(?![^\W_])", "", lowered)).strip()


def headline(title: str, publisher: str) -> pl.Expr:
    """The title without marks of revision and without ` - Publisher` at its end."""
    bare = pl.col(title).fill_null("").str.replace(_REVISION, "").str.strip_chars()
    name = pl.col(publisher).fill_null("")
    without = bare.str.strip_suffix(name)
    return (
        pl.when((name != "") & bare.str.ends_with(name) & without.str.contains(_SEPARATOR))
        .then(without.str.replace(_SEPARATOR, ""))
        .otherwise(bare)
    )


def is_revision(title: str) -> pl.Expr:
    """Whether the title says that this is a later version: CORRECTED, UPDATE 2, ..."""
    return pl.col(title).fill_null("").str.contains(_REVISION)


def nth_time(frame: pl.DataFrame, time: str, what: str, group: Sequence[str], n: int) -> pl.Series:
    """For each row, when its group had `n` different values of `what` for the first time; null if it never had."""
    # Few groups are large enough, so they are found by what is short before what is long is looked at.
    large = frame.filter(pl.len().over(group[0]) >= n)
    if large.is_empty():
        return pl.Series("_nth", [None], dtype=frame.schema[time]).new_from_index(0, frame.height)
    firsts = large.group_by(*group, what).agg(pl.col(time).min().alias("_nth"))
    nth = firsts.group_by(*group).agg(pl.col("_nth").sort().get(n - 1, null_on_oob=True))
    return frame.select(group).join(
        nth, on=list(group), how="left", nulls_equal=True, maintain_order="left"
    )["_nth"]


def with_keys(items: pl.DataFrame) -> pl.DataFrame:
    """Adds what duplicates are found by.

    Args:
        items: Columns title, text, publisher, url, source_id, origin_id, published_at, collected_at.

    Returns:
        The same rows with `canonical_url`, `words` (headline, and text unless it is boilerplate), `content_key`
        (hash of the text; for items that are little more than a headline, of the words, publisher and date, since
        short headlines recur), `origin_key` (source and origin id) and `marked_revision`.
    """
    frame = items.with_columns(
        canonical_url=canonical_url("url"),
        _head=headline("title", "publisher"),
        marked_revision=is_revision("title"),
        _text=body("text"),
    ).with_columns(_body=words("_text"))
    # A text that a source puts under several headlines is not what they are about; from the time on at which it
    # does, since what comes later changes nothing about what came before.
    boilerplate = pl.col("collected_at") >= nth_time(
        frame, "collected_at", "_head", ("source_id", "_body"), BOILERPLATE_HEADLINES
    )
    frame = frame.with_columns(_boilerplate=boilerplate.fill_null(value=False)).with_columns(
        words=pl.when("_boilerplate")
        .then(words("_head"))
        .otherwise((words("_head") + pl.lit(" ") + pl.col("_body")).str.strip_chars())
    )
    long = pl.col("_body").str.contains(rf"^(?:[^ ]* ){{{SHORT_WORDS}}}")
    short = ~long | pl.col("_boilerplate")
    frame = frame.with_columns(
        _content=pl.when(short)
        .then(
            pl.concat_str(
                "words",
                pl.col("publisher").fill_null(""),
                pl.col("published_at").dt.date().cast(pl.String).fill_null(""),
                separator="|",
            )
        )
        # The body decides: outlets put other headlines over one text.
        .otherwise(pl.col("_body")),
        _origin=pl.concat_str("source_id", "origin_id", separator="|"),
    )
    return frame.with_columns(
        content_key=pl.Series(stable_ids(frame["_content"]), dtype=pl.String),
        origin_key=pl.Series(stable_ids(frame["_origin"]), dtype=pl.String),
    ).drop("_head", "_text", "_body", "_boilerplate", "_content", "_origin")
