"""Which items are about which client, and on what evidence. One pass over the text for all clients together.

Names are looked for as whole words in normalised text (Aho-Corasick, as Polars has it). What stands around a hit
decides how much it is worth: a name of one word must stand with a capital; initials must be capitals among words that
are not; a name that goes on, as `Chemical Waste Management` does, is that of somebody else. What is left in doubt says
why, and is for a person or a model to decide. A hit of the first word of a longer name is none.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from clientlore.control.model import Client
from clientlore.monitoring.everyday_words import EVERYDAY
from clientlore.monitoring.naming import STRENGTH, patterns
from clientlore.monitoring.normalise import plain_words
from clientlore.monitoring.surroundings import (
    BEFORE,
    BETWEEN_PRICES,
    BY_THE_WAY,
    EXAMPLE,
    FORM,
    GOES_ON,
    HOLDING,
    LENGTH_CHANGES,
    LONGER,
    POINTS,
    PRICES,
    SHARE_CLASS,
    WORKS_THERE,
)

LEAD_CHARS = 220
"""What stands this far from the beginning counts as the lead."""
SURE = 0.6
"""A client that is meant less surely than this is in doubt."""
OWN_FEED = 0.4
OWN_SITE = 0.9
IN_DOUBT = (
    (pl.col("strength") < SURE)
    & pl.col("doubt").is_not_null()
    & ~pl.col("own_feed")
    & ~pl.col("own_site")
)
"""Rows of `match` of which nobody can say who is meant without a closer look."""
AROUND = 60
"""How many bytes on either side of a hit are looked at."""

_KEYS = ["item_id", "client_id"]


def match(items: pl.DataFrame, clients: Sequence[Client]) -> pl.DataFrame:
    """Finds the clients in items.

    Args:
        items: Columns item_id, title, text, url, client_id (of the source, or null).
        clients: Whom to look for.

    Returns:
        A row for each item and client: item_id, client_id, `in_title`, `in_lead`, `hits`, `evidence` (what was
        found, as the profile writes it), `found` (the words that were found; null without any), `strength` (0-1),
        `doubt` (why it is not sure that the client is meant; null where it is), `own_feed`, `own_site`.
    """
    prepared = _prepared(items)
    wanted = patterns(clients)
    found = pl.concat(
        [
            _judged(_found(prepared, "head", wanted), prepared, "head"),
            _judged(_found(prepared, "body", wanted), prepared, "body"),
            _tickers(prepared, clients),
        ]
    )
    found = _with_capitals(found)
    certain = pl.col("strength") * -1
    named = found.group_by("item_id", "client_id").agg(
        in_title=pl.col("in_title").any(),
        in_lead=(pl.col("in_title") | (pl.col("offset") < LEAD_CHARS)).any(),
        hits=pl.len().cast(pl.Int32),
        evidence=pl.col("as_written").sort_by(certain, "as_written").first(),
        found=pl.col("found").sort_by(certain, "as_written", "found").first(),
        doubt=pl.col("doubt").sort_by(certain, "as_written", "doubt").first(),
        strength=pl.col("strength").max(),
    )
    every = _with_provenance(named, prepared, clients)
    return _without_excluded(every, prepared, clients).sort("item_id", "client_id")


def _prepared(items: pl.DataFrame) -> pl.DataFrame:
    """The texts as words, with capitals and marks of what stood between (`head_told`) and without (`head`).

    Both have the same bytes at the same places, so what is found in one can be looked at in the other.
    """
    told = items.select(
        "item_id",
        "title",
        "text",
        pl.col("client_id").alias("feed_client"),
        host=pl.col("url").str.extract(r"^[^:]+://(?:[^/@]*@)?([^/?:]+)", 1).str.to_lowercase(),
        head_told=_told("title"),
        body_told=_told("text"),
    ).with_columns(head=_plain("head_told"), body=_plain("body_told"))
    return told.with_columns(
        # A letter whose small form has another length: without capitals it is only less sure.
        pl.when(pl.col(f"{part}_told").str.len_bytes() == pl.col(part).str.len_bytes())
        .then(f"{part}_told")
        .otherwise(part)
        .alias(f"{part}_told")
        for part in ("head", "body")
    )


def _told(column: str) -> pl.Expr:
    """Words with one mark between two: `.` ends a sentence or an abbreviation, `,` parts, `-` joins."""
    words = (
        pl.col(column)
        .fill_null("")
        .str.normalize("NFKC")
        .str.replace_many(LENGTH_CHANGES)
        .str.replace_all(r"(?i)(?:[\x{2019}']s)+([^\p{L}\p{N}]|$)|\s-+\s", ",$1")
        .str.replace_all(r"[^\p{L}\p{N}]*[,()\[\]<>\"/|\x{2013}\x{2014}][^\p{L}\p{N}]*", ",")
        .str.replace_all(r"[^\p{L}\p{N},]*[.!?;:][^\p{L}\p{N},]*", ".")
        .str.replace_all(r"[^\p{L}\p{N},.]*\s[^\p{L}\p{N},.]*", " ")
        .str.replace_all(r"[^\p{L}\p{N},. ]+", "-")
    )
    return pl.lit(" ") + words + pl.lit(" ")


def _plain(column: str) -> pl.Expr:
    """Small letters, and a space for every mark."""
    return pl.col(column).str.to_lowercase().str.replace_all(r"[,.\-]", " ")


def _found(prepared: pl.DataFrame, column: str, wanted: pl.DataFrame) -> pl.DataFrame:
    """Every hit of a pattern in a column, with its offset in bytes."""
    texts = prepared.select("item_id", column)
    if wanted.is_empty():
        hits = texts.clear().select("item_id", pattern=column, offset=pl.lit(0, pl.UInt32))
    else:
        needles = wanted["pattern"].unique(maintain_order=True).to_list()
        hits = (
            texts.select(
                "item_id",
                pattern=pl.col(column).str.extract_many(needles, overlapping=True),
                offset=pl.col(column).str.find_many(needles, overlapping=True),
            )
            .filter(pl.col("pattern").list.len() > 0)
            .explode("pattern", "offset")
        )
    return hits.join(wanted, on="pattern")


def _judged(hits: pl.DataFrame, prepared: pl.DataFrame, part: str) -> pl.DataFrame:
    """What each hit is worth where it stands: adds found, capital, strength, doubt and in_title."""
    told = hits.join(
        prepared.select(
            "item_id",
            _text=f"{part}_told",
            _shouts=~pl.col(f"{part}_told").str.contains(r"\p{Ll}\p{Ll}"),
        ),
        on="item_id",
        maintain_order="left",
    ).with_columns(_bytes=pl.col("_text").cast(pl.Binary))
    start, length = pl.col("offset"), pl.col("pattern").str.len_bytes()
    told = told.with_columns(
        _before=pl.col("_bytes").bin.slice(0, start + 1).cast(pl.String).str.tail(AROUND),
        _said=pl.col("_bytes").bin.slice(start + 1, length - 2).cast(pl.String),
        _after=pl.col("_bytes").bin.slice(start + length - 1).cast(pl.String).str.head(AROUND),
    )
    own = pl.col("as_written").str.extract(r"([\p{L}\p{N}]+)", 1)
    capital = pl.col("_said").str.contains(r"^[\p{Lu}\p{N}]") | (
        (pl.col("_said") == own) & own.str.contains(r"\p{Lu}")
    )
    form = pl.col("_after").str.contains(FORM)
    previous = pl.col("_before").str.extract(LONGER, 1)
    begins = pl.col("_before").str.contains(r"(?:^ |[.,] ?)\p{L}+[ \-]$")
    longer = (
        previous.is_not_null()
        & ~begins
        & ~pl.col("_shouts")
        & ~previous.str.to_lowercase().str.contains(f"^{BEFORE}$")
    ) | ((pl.col("kind") != "person") & pl.col("_before").str.contains(POINTS))
    leads = pl.lit(part == "head") | (start < LEAD_CHARS)
    goes_on = (
        (~leads | (pl.col("kind") == "short"))
        & ~form
        & ~pl.col("_shouts")
        & pl.col("_after").str.contains(GOES_ON)
    )
    starts = pl.col("_before").str.contains(r"^ $|\.$")
    everyday = (
        (pl.col("kind") == "word")
        & pl.col("pattern").str.strip_chars().is_in(sorted(EVERYDAY))
        & ~form
        & (starts | pl.col("_shouts") | pl.col("_after").str.contains(r"^(?: and)? \p{Lu}\p{Ll}"))
    )
    by_the_way = ~leads & (
        pl.col("_before").str.contains(BY_THE_WAY)
        | (~form & pl.col("_before").str.contains(EXAMPLE))
        | pl.col("_after").str.contains(WORKS_THERE)
    )
    doubt = (
        pl.when(pl.col("kind") == "person")
        .then(pl.lit("only a person of the client is named"))
        .when((pl.col("kind") == "acronym") & ~form)
        .then(pl.lit("only initials are named"))
        .when(pl.col("kind") == "domain")
        .then(None)
        .when(longer | goes_on)
        .then(pl.lit("the name is part of a longer one"))
        .when(~leads & form & (pl.col("kind") == "short"))
        .then(pl.lit("the name has another legal form"))
        .when(everyday)
        .then(pl.lit("the name is an everyday word"))
        .when(
            pl.col("_before").str.contains(BETWEEN_PRICES) & pl.col("_after").str.contains(PRICES)
        )
        .then(pl.lit("the name stands in a table of prices"))
        .when(
            ~leads
            & (pl.col("_before").str.contains(HOLDING) | pl.col("_after").str.contains(SHARE_CLASS))
        )
        .then(pl.lit("only its shares are named"))
        .when(by_the_way)
        .then(pl.lit("only named by the way"))
    )
    kept = (
        pl.when(pl.col("kind") == "acronym")
        .then((pl.col("_said") == pl.col("as_written")) & ~pl.col("_shouts"))
        .when(pl.col("kind") == "domain")
        .then(pl.col("_said").str.to_lowercase() == pl.col("as_written"))
        .otherwise(pl.lit(value=True))
    )
    return (
        told.with_columns(
            doubt=doubt,
            found="_said",
            capital=capital,
            in_title=pl.lit(part == "head"),
            form=form,
        )
        .filter(kept)
        .with_columns(
            strength=(
                pl.when(pl.col("doubt").is_null() | (pl.col("kind") == "person"))
                .then("strength")
                .otherwise(pl.col("strength") * 0.5)
            )
        )
        .select(*_HIT)
    )


_HIT = (
    "item_id",
    "client_id",
    "kind",
    "as_written",
    "strength",
    "offset",
    "found",
    "capital",
    "doubt",
    "in_title",
)


def _tickers(prepared: pl.DataFrame, clients: Sequence[Client]) -> pl.DataFrame:
    """Tickers as tickers are written: $ACME, (ACME), (NYSE: ACME), <ACME>. The bare word is none."""
    wanted = pl.DataFrame(
        [(c.ticker.upper(), c.client_id) for c in clients if c.ticker],
        schema={"as_written": pl.String, "client_id": pl.String},
        orient="row",
    )
    written = r"\$[A-Z][A-Z0-9.\-]*|[(<:] ?[A-Z0-9][A-Z0-9.\-]*[)>]"
    parts = [
        prepared.select(
            "item_id",
            in_title=pl.lit(column == "title"),
            found=pl.col(column).str.extract_all(written),
            offset=pl.col(column).str.find(written),
        )
        .explode("found")
        .drop_nulls("found")
        .with_columns(as_written=pl.col("found").str.strip_chars("$(<:>) .-"))
        .join(wanted, on="as_written")
        for column in ("title", "text")
    ]
    return pl.concat(parts).select(
        "item_id",
        "client_id",
        pl.lit("ticker").alias("kind"),
        "as_written",
        pl.lit(STRENGTH["ticker"]).alias("strength"),
        "offset",
        "found",
        pl.lit(value=True).alias("capital"),
        pl.lit(None, pl.String).alias("doubt"),
        "in_title",
    )


def _with_capitals(found: pl.DataFrame) -> pl.DataFrame:
    """Leaves out names of one word that the text never writes with a capital, or as the profile does: `eBay`."""
    written = found.filter((pl.col("kind") == "word") & pl.col("capital"))
    one = found.filter(pl.col("kind") == "word")
    sure = found.filter(pl.col("kind") != "word")
    return pl.concat(
        [
            sure,
            one.join(
                written.select(*_KEYS, "as_written").unique(), on=[*_KEYS, "as_written"], how="semi"
            ),
        ]
    )


def _with_provenance(
    named: pl.DataFrame, prepared: pl.DataFrame, clients: Sequence[Client]
) -> pl.DataFrame:
    """Adds what the source itself says: the client's own feed, the client's own site."""
    feeds = prepared.filter(pl.col("feed_client").is_in([c.client_id for c in clients])).select(
        "item_id", client_id="feed_client", own_feed=pl.lit(value=True)
    )
    domains = pl.DataFrame(
        [(c.domain.lower(), c.client_id) for c in clients if c.domain],
        schema={"domain": pl.String, "client_id": pl.String},
        orient="row",
    )
    registered = pl.col("host").str.extract(r"([^.]+\.[^.]+)$", 1)
    hosts = prepared.select(
        "item_id",
        domain=pl.concat_list("host", pl.col("host").str.strip_prefix("www."), registered),
    )
    sites = (
        hosts.explode("domain")
        .join(domains, on="domain")
        .select("item_id", "client_id", own_site=pl.lit(value=True))
        .unique()
    )
    keys = ["item_id", "client_id"]
    every = pl.concat([f.select(keys) for f in (named, feeds, sites)]).unique(maintain_order=True)
    sure = pl.max_horizontal(
        pl.col("strength").fill_null(0.0),
        pl.when("own_site").then(OWN_SITE).otherwise(0.0),
        pl.when("own_feed").then(OWN_FEED).otherwise(0.0),
    )
    return (
        every.join(named, on=keys, how="left")
        .join(feeds, on=keys, how="left")
        .join(sites, on=keys, how="left")
        .with_columns(
            pl.col("in_title", "in_lead", "own_feed", "own_site").fill_null(value=False),
            pl.col("hits").fill_null(0),
        )
        .with_columns(
            strength=sure,
            evidence=pl.col("evidence").fill_null(
                pl.when("own_site")
                .then(pl.lit("its own site"))
                .otherwise(pl.lit("its own feed, which does not name it"))
            ),
        )
    )


def _without_excluded(
    every: pl.DataFrame, prepared: pl.DataFrame, clients: Sequence[Client]
) -> pl.DataFrame:
    rows = [
        (f" {plain_words(word)} ", client.client_id)
        for client in clients
        for word in client.profile.get("exclude", ())
        if plain_words(word)
    ]
    if not rows:
        return every
    wanted = pl.DataFrame(
        rows, schema={"pattern": pl.String, "client_id": pl.String}, orient="row"
    ).with_columns(kind=pl.lit("exclude"), as_written=pl.col("pattern"), strength=pl.lit(0.0))
    hits = pl.concat([_found(prepared, column, wanted) for column in ("head", "body")])
    return every.join(
        hits.select("item_id", "client_id").unique(), on=["item_id", "client_id"], how="anti"
    )
