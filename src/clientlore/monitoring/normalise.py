"""What makes two texts or addresses the same for us: expressions over columns, no loop over rows."""

from __future__ import annotations

import re
import unicodedata

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
_MOBILE = r"^(?:www\d?|m|mobile|amp)\.(.+\..+)$"
_REVISION = (
    r"(?i)^\s*(?:corrected|correction|update\s*\d*|updated|refile|rpt|wrapup\s*\d*|amended)"
    r"\s*[-:\x{2013}\x{2014}]\s*"
)


def canonical_url(column: str) -> pl.Expr:
    """The address without what does not name the page: scheme, `www`, mobile host, tracking, fragment, last slash.

    Null where there is no address, and where it names a site and not a page.
    """
    url = pl.col(column).str.strip_chars().str.replace(r"#.*$", "")
    host = (
        url.str.extract(r"(?i)^[a-z][a-z0-9+.-]*://(?:[^/@]*@)?([^/?:]+)", 1)
        .str.to_lowercase()
        .str.replace(_MOBILE, "$1")
        .str.strip_suffix(".")
    )
    path = (
        url.str.extract(r"^[^:]+://[^/?]*([^?]*)", 1)
        .str.replace(r"(?i)/amp/?$", "")
        .str.replace(r"(?i)/index\.(?:html?|php)$", "")
        .str.replace_all(r"/{2,}", "/")
        .str.strip_suffix("/")
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
        .str.replace_all(r"[\x{2019}']s\b", "")
        .str.replace_all(r"[^\p{L}\p{N}]+", " ")
        .str.strip_chars()
    )


def plain_words(text: str) -> str:
    """`words` for one text, such as a name from a profile."""
    lowered = unicodedata.normalize("NFKC", text).lower()
    return re.sub(r"[\W_]+", " ", re.sub(r"['\u2019]s\b", "", lowered)).strip()


def headline(title: str, publisher: str) -> pl.Expr:
    """The title without marks of revision and without ` - Publisher` at its end."""
    bare = pl.col(title).fill_null("").str.replace(_REVISION, "").str.strip_chars()
    name = pl.col(publisher).fill_null("")
    return (
        pl.when((name != "") & bare.str.ends_with(name))
        .then(bare.str.strip_suffix(name).str.replace(r"\s*[-|\x{2013}\x{2014}]\s*$", ""))
        .otherwise(bare)
    )


def is_revision(title: str) -> pl.Expr:
    """Whether the title says that this is a later version: CORRECTED, UPDATE 2, ..."""
    return pl.col(title).fill_null("").str.contains(_REVISION)


def with_keys(items: pl.DataFrame) -> pl.DataFrame:
    """Adds what duplicates are found by.

    Args:
        items: Columns title, text, publisher, url, source_id, origin_id, published_at.

    Returns:
        The same rows with `canonical_url`, `words` (headline and text), `content_key` (hash of the words; for
        items that are little more than a headline, also of publisher and date, since short headlines recur),
        `origin_key` (source and origin id) and `marked_revision`.
    """
    frame = items.with_columns(
        canonical_url=canonical_url("url"),
        _head=headline("title", "publisher"),
        marked_revision=is_revision("title"),
    ).with_columns(
        words=(words("_head") + pl.lit(" ") + words("text")).str.strip_chars(),
        _body=words("text"),
    )
    # A text that a source puts under several headlines is not what they are about.
    boilerplate = pl.col("_head").n_unique().over("source_id", "_body") >= BOILERPLATE_HEADLINES
    short = (pl.col("_body").str.count_matches(" ") < SHORT_WORDS) | boilerplate
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
    ).drop("_head", "_body", "_content", "_origin")
