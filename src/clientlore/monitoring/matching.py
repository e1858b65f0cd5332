"""Which items are about which client, and on what evidence. One pass over the text for all clients together.

Names are looked for as whole words in normalised text (Aho-Corasick, as Polars has it). A name of one word must
also stand in the text with a capital. A hit of the first word of a longer name is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import polars as pl

from clientlore.control.model import Client
from clientlore.monitoring.normalise import plain_words, words
from clientlore.names import LEGAL_FORMS
from clientlore.storage.lake import columns

LEAD_CHARS = 220
"""What stands this far from the beginning counts as the lead."""
MIN_NAME = 3

PATTERNS = columns(
    {
        "pattern": pl.String,
        "client_id": pl.String,
        "kind": pl.String,
        "as_written": pl.String,
        "strength": pl.Float64,
    }
)
# How sure a hit of each kind makes us that the client is meant.
_STRENGTH = {"name": 0.95, "alias": 0.9, "ticker": 0.85, "word": 0.75, "person": 0.5}
OWN_FEED = 0.4
OWN_SITE = 0.9


def core_name(name: str) -> str:
    """The name as words, without legal form: `"Acme Holdings, Inc."` is `"acme holdings"`."""
    parts = plain_words(name).split()
    while (form := _legal_form(parts)) > 0:
        parts = parts[:-form]
    return " ".join(parts)


def _legal_form(parts: Sequence[str]) -> int:
    """Of how many words the legal form at the end consists; `S.p.A.` has three letters and is one form."""
    if len(parts) > 1 and parts[-1] in LEGAL_FORMS:
        return 1
    for letters in (2, 3, 4):
        end = parts[-letters:]
        if len(parts) > letters and max(map(len, end)) == 1 and "".join(end) in LEGAL_FORMS:
            return letters
    return 0


def patterns(clients: Iterable[Client]) -> pl.DataFrame:
    """What to look for, for every client: columns of `PATTERNS`. Two clients may share a pattern."""
    rows = [row for client in clients for row in _client_patterns(client)]
    frame = pl.DataFrame(rows, schema=PATTERNS, orient="row")
    return frame.sort("strength", descending=True).unique(
        ["pattern", "client_id"], keep="first", maintain_order=True
    )


def _client_patterns(client: Client) -> Iterator[tuple[str, str, str, str, float]]:
    core = core_name(client.name)
    named = [(core, "name", client.name)]
    named += [(core_name(alias), "alias", alias) for alias in client.profile.get("aliases", ())]
    for plain, kind, written in named:
        if len(plain) < MIN_NAME:
            continue
        kind = kind if " " in plain else "word"  # noqa: PLW2901
        yield f" {plain} ", client.client_id, kind, written, _STRENGTH[kind]
    for person in client.profile.get("people", ()):
        if " " in plain_words(person):
            yield (
                f" {plain_words(person)} ",
                client.client_id,
                "person",
                person,
                _STRENGTH["person"],
            )


def match(items: pl.DataFrame, clients: Sequence[Client]) -> pl.DataFrame:
    """Finds the clients in items.

    Args:
        items: Columns item_id, title, text, url, client_id (of the source, or null).
        clients: Whom to look for.

    Returns:
        A row for each item and client: item_id, client_id, `in_title`, `in_lead`, `hits`, `evidence` (what was
        found, as the profile writes it), `strength` (0-1), `own_feed`, `own_site`.
    """
    prepared = items.select(
        "item_id",
        "title",
        "text",
        pl.col("client_id").alias("feed_client"),
        host=pl.col("url").str.extract(r"^[^:]+://(?:[^/@]*@)?([^/?:]+)", 1).str.to_lowercase(),
        head=pl.lit(" ") + words("title") + pl.lit(" "),
        body=pl.lit(" ") + words("text") + pl.lit(" "),
    )
    wanted = patterns(clients)
    found = pl.concat(
        [
            _found(prepared, "head", wanted).with_columns(in_title=pl.lit(value=True)),
            _found(prepared, "body", wanted).with_columns(in_title=pl.lit(value=False)),
            _tickers(prepared, clients),
        ]
    )
    found = _with_capitals(found, prepared)
    named = found.group_by("item_id", "client_id").agg(
        in_title=pl.col("in_title").any(),
        in_lead=(pl.col("in_title") | (pl.col("offset") < LEAD_CHARS)).any(),
        hits=pl.len().cast(pl.Int32),
        evidence=pl.col("as_written").sort_by(pl.col("strength") * -1, "as_written").first(),
        strength=pl.col("strength").max(),
    )
    every = _with_provenance(named, prepared, clients)
    return _without_excluded(every, prepared, clients).sort("item_id", "client_id")


def _found(prepared: pl.DataFrame, column: str, wanted: pl.DataFrame) -> pl.DataFrame:
    """Every hit of a pattern in a column, with its offset."""
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
    return hits.join(wanted, on="pattern").select(
        "item_id", "client_id", "kind", "as_written", "strength", "offset"
    )


def _tickers(prepared: pl.DataFrame, clients: Sequence[Client]) -> pl.DataFrame:
    """Tickers as tickers are written: $ACME, (ACME), (NYSE: ACME), <ACME>. The bare word is none."""
    forms = (*(f"${{}}{end}" for end in " .,;:!?)"), "({})", ": {})", ":{})", "<{}>")
    rows = [
        (form.format(client.ticker.upper()), client.client_id, client.ticker.upper())
        for client in clients
        if client.ticker
        for form in forms
    ]
    wanted = pl.DataFrame(
        rows,
        schema={"pattern": pl.String, "client_id": pl.String, "as_written": pl.String},
        orient="row",
    ).with_columns(kind=pl.lit("ticker"), strength=pl.lit(_STRENGTH["ticker"]))
    parts = [
        _found(
            prepared.with_columns((pl.col(column) + pl.lit(" ")).alias(column)), column, wanted
        ).with_columns(in_title=pl.lit(column == "title"))
        for column in ("title", "text")
    ]
    return pl.concat(parts)


def _with_capitals(found: pl.DataFrame, prepared: pl.DataFrame) -> pl.DataFrame:
    """Leaves out names of one word that the text never writes with a capital, or as the profile does: `eBay`."""
    one = found.filter(pl.col("kind") == "word")
    if one.is_empty():
        return found
    written = (
        one.select("item_id", "as_written")
        .unique()
        .join(
            prepared.select(
                "item_id", told=_whole_words(pl.concat_str("title", "text", separator=" "))
            ),
            on="item_id",
        )
    )
    first = _whole_words(pl.col("as_written")).str.strip_chars().str.split(" ").list.first()
    capital = first.str.slice(0, 1).str.to_uppercase() + first.str.slice(1)
    with_capital = pl.when(first.str.contains(r"\p{Lu}")).then(first).otherwise(capital)
    kept = written.filter(
        pl.any_horizontal(
            pl.col("told").str.contains(pl.format(" {} ", form), literal=True)
            for form in (capital, with_capital, first.str.to_uppercase())
        )
    ).select("item_id", "as_written")
    sure = found.filter(pl.col("kind") != "word")
    return pl.concat([sure, one.join(kept, on=["item_id", "as_written"], how="semi")])


def _whole_words(text: pl.Expr) -> pl.Expr:
    """The text with its capitals, a space before, between and behind its words."""
    return pl.format(" {} ", text.str.replace_all(r"[^\p{L}\p{N}]+", " "))


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
