"""What makes two texts or addresses the same for us: expressions over columns, no loop over rows."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import polars as pl

from clientlore.ids import stable_ids

NORMALISER = "n1"
"""Raised when a change here may change which items are the same."""
SHORT_WORDS = 12
"""A text of fewer words is too little to tell an item by."""
BOILERPLATE_HEADLINES = 3
"""A text under this many headlines of one source is a footer or a teaser."""

# Parameters that say how a reader came, not what they read.
_TRACKING = (
    r"(?i)^(utm_[a-z0-9_]*|ga_[a-z_]*|fbclid|gclid|dclid|gbraid|wbraid|msclkid|yclid|twclid|igshid|mc_cid|mc_eid"
    r"|mkt_tok|ref|ref_src|referrer|source|cmpid|cmp|ocid|icid|ncid|sr_share|smid|smtyp|spm|_ga|_gl|_hsenc"
    r"|_hsmi|vero_id|wt_mc|at_medium|at_campaign|ito|partner|rss|feed|guccounter|guce_referrer)$"
)
_MOBILE = r"^(?:(?:www\d?|m|mobile|amp)\.)+(.+\..+)$"
_DEFAULT_PORT = r":(?:80|443)?$"
_USUAL_PAGE = r"(?i)(?:/amp|/index\.(?:html?|php))+$"
_REVISION = (
    r"(?i)^\s*(?:corrected|correction|update\s*\d*|updated|refile|rpt|wrapup\s*\d*|amended)"
    r"\s*[-:\x{2013}\x{2014}]\s*"
)
_SEPARATOR = r"(?:\s+-|\s*[|\x{2013}\x{2014}])\s*$"
# Polars has no look-ahead: what stands behind is put back.
_POSSESSIVE = r"(?:[\x{2019}']s)+([^\p{L}\p{N}]|$)"


def canonical_url(column: str) -> pl.Expr:
    """The address without what does not name the page: scheme, `www`, mobile host, tracking, fragment, last slash.

    A port stays unless it is the usual one. Null where there is no address, and where it names a site and not a
    page.
    """
    url = pl.col(column).str.strip_chars().str.replace(r"(?s)#.*$", "")
    server = url.str.extract(
        r"(?i)^[a-z][a-z0-9+.-]*://(?:[^/?@]*@)?([^/?]+)", 1
    ).str.to_lowercase()
    port = server.str.extract(r"(:\d*)$", 1).fill_null("").str.replace(_DEFAULT_PORT, "")
    host = server.str.replace(r":\d*$", "").str.strip_suffix(".").str.replace(_MOBILE, "$1") + port
    path = (
        url.str.extract(r"^[^:]+://[^/?]*([^?]*)", 1)
        .str.replace_all(r"/{2,}", "/")
        .str.strip_suffix("/")
        .str.replace(_USUAL_PAGE, "")
    )
    query = (
        url.str.extract(r"\?(.*)$", 1)
        .fill_null("")
        .str.split("&")
        .list.eval(
            pl.element().filter(
                (pl.element() != "")
                & ~pl.element().str.extract(r"^([^=]*)", 1).str.contains(_TRACKING)
            )
        )
        .list.sort()
        .list.join("&")
    )
    page = pl.concat_str(host, path, pl.when(query != "").then("?" + query).otherwise(pl.lit("")))
    return pl.when((path != "") | (query != "")).then(page)


def words(column: str) -> pl.Expr:
    """The text as words: NFKC, lower case, letters and digits only, one space between; possessives lose their s."""
    return (
        pl.col(column)
        .fill_null("")
        .str.normalize("NFKC")
        .str.to_lowercase()
        .str.replace_all(_POSSESSIVE, "$1")
        .str.replace_all(r"[^\p{L}\p{N}]+", " ")
        .str.strip_chars()
    )


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
    firsts = frame.group_by(*group, what).agg(pl.col(time).min().alias("_nth"))
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
        _body=words("text"),
    )
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
    short = (pl.col("_body").str.count_matches(" ") < SHORT_WORDS) | pl.col("_boilerplate")
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
    ).drop("_head", "_body", "_boilerplate", "_content", "_origin")
