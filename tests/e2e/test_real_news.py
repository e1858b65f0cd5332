"""Real articles from labelled sets, read in place and served on loopback; skipped where the sets are absent."""

from __future__ import annotations

import datetime
import email
import gzip
import hashlib
import json
import zipfile
from collections.abc import Callable
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, cast

import httpx
import polars as pl
import pytest
import yaml

from clientlore.clock import SystemClock
from clientlore.errors import BadDataError
from clientlore.monitoring.relevance import RELEVANCE
from clientlore.providers.base import Response, describe_request
from clientlore.providers.search.rss import RssProvider
from clientlore.testing.feeds import Answer, Entry, FeedServer, rss
from clientlore.workspace import Workspace

if TYPE_CHECKING:
    from tests.e2e.conftest import Commands

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "monitoring"
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the labelled sets are not at {DATA}")
COMPANIES = 50
USERS = 5


def lines_of(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") as file:
        return [json.loads(line) for line in file]


def companies() -> list[dict[str, Any]]:
    """The companies with the most articles about them."""
    found = lines_of(DATA / "reuters_clients" / "clients.jsonl.gz")
    return sorted(found, key=lambda c: (-len(c["relevant_primary"]), c["ticker"]))[:COMPANIES]


def entry(article: dict[str, Any]) -> Entry:
    """An article as a feed tells it, published an hour ago: its own date is decades past."""
    number = article["newid"]
    return Entry(
        article["title"],
        " ".join((article["body"] or "").split()),
        f"https://reuters.example/{number}",
        f"reuters-{number}",
        NOW - datetime.timedelta(hours=1),
    )


@needs_data
def test_real_articles_match_their_clients_and_reach_the_right_persons_mail(
    commands: Commands, server: FeedServer, look: Callable[[], Workspace], tmp_path: Path
) -> None:
    articles = {
        a["newid"]: a for a in lines_of(DATA / "reuters21578" / "train_and_unused.jsonl.gz")
    }
    rng = Random(7)
    noise = rng.sample(sorted(articles), 300)
    clients, wanted, owner_of = [], {}, {}
    for number, company in enumerate(companies()):
        about = [n for n in company["relevant_primary"] if n in articles][:6]
        others = rng.sample(noise, 4)
        client_id, owner = f"c{number:02d}", f"u{number % USERS}"
        path = server.put(
            f"/{client_id}.xml",
            Answer(rss("Reuters", [entry(articles[n]) for n in about + others])),
        )
        clients.append(
            {"id": client_id, "name": company["name"], "owners": [owner], "feeds": [path]}
        )
        owner_of[client_id] = owner
        wanted |= {(client_id, f"https://reuters.example/{n}"): articles[n]["title"] for n in about}
    users = [
        {"id": f"u{n}", "name": f"Reader {n}", "email": f"u{n}@acme.example", "max_items": 200}
        for n in range(USERS)
    ]
    commands.apply(
        yaml.safe_dump({"tenant": "acme", "name": "Acme", "users": users, "clients": clients})
    )

    summary = commands.json("run", "--deliver")

    assert summary["outcome"] == "succeeded"
    assert {asked.status for asked in server.asked()} == {200}
    assert len(server.asked()) == COMPANIES
    workspace = look()
    from clientlore.monitoring.events import MEMBERS

    urls = workspace.lake.scan(MEMBERS, ["acme"]).select("event_id", "url")
    judged = (
        workspace.lake.scan(RELEVANCE, ["acme"])
        .filter(pl.col("role") != "source")
        .join(urls, on="event_id")
        .select("client_id", "url")
        .collect()
    )
    matched = set(judged.iter_rows())
    found = [pair for pair in wanted if pair in matched]
    assert len(found) / len(wanted) > 0.9

    mails = {
        cast("EmailMessage", message)["To"].addresses[0].username: cast("EmailMessage", message)
        for message in (
            email.message_from_bytes(p.read_bytes(), policy=default)
            for p in commands.home.joinpath("mail").glob("*.eml")
        )
    }
    assert set(mails) == {f"u{n}" for n in range(USERS)}
    names = {c["id"]: c["name"] for c in clients}
    for user, message in mails.items():
        body = message.get_body(("plain",))
        assert body is not None
        text = body.get_content()
        headings = {line for line in text.splitlines() if line in names.values()}
        mine = {names[c] for c, owner in owner_of.items() if owner == user}
        assert headings <= mine
        assert len(headings) >= len(mine) / 2

    reference = mails["u0"].get_body(("plain",)).get_content().split("Ref ")[1][:9]  # type: ignore[union-attr]
    saved = tmp_path / "response.xml"
    steps = commands.json("trace", reference, "--save", str(saved))["steps"]
    item = next(step for step in steps if step["what"] == "item")
    response = next(step for step in steps if step["what"] == "response")
    served = httpx.get(json.loads(response["request"])["url"]).content
    assert saved.read_bytes() == served
    assert hashlib.sha256(served).hexdigest() == response["sha256"]
    assert item["url"].encode() in served


@needs_data
def test_real_feeds_of_every_kind_are_read_or_refused_with_a_reason() -> None:
    provider = RssProvider(SystemClock(), 10_000_000, {})
    folder = DATA / "feeds" / "miniflux"
    bodies = {p.name: p.read_bytes() for p in sorted(folder.glob("*.xml"))}
    with zipfile.ZipFile(DATA / "feeds" / "feedparser_tests.zip") as archive:
        bodies |= {n: archive.read(n) for n in archive.namelist() if n.endswith(".xml")}
    read = refused = 0
    for name, body in bodies.items():
        response = Response(
            "s",
            "c",
            "rss",
            describe_request("GET", f"https://feeds.example/{name}"),
            200,
            {},
            body,
            NOW,
            "live",
        )
        try:
            parsed = provider.parse(response, NOW.date())
        except BadDataError:
            refused += 1
        else:
            read += 1
            for found in parsed.items:
                assert found.title
                assert found.origin_id
    assert read > 2_000
    assert read + refused == len(bodies)


@needs_data
def test_feeds_in_other_encodings_keep_their_letters() -> None:
    provider = RssProvider(SystemClock(), 10_000_000, {})
    folder = DATA / "feeds" / "miniflux"
    for name, letters in (
        ("parser__encoding_WINDOWS-1251.xml", "абвгдежзиклмнопрстуфхцчшщыэюя"),
        ("xml__koi8r.xml", "абвгдежзиклмнопрстуфхцчшщыэюя"),
        ("parser__encoding_ISO-8859-1.xml", "äöüß"),
    ):
        response = Response(
            "s",
            "c",
            "rss",
            describe_request("GET", "https://x.example/"),
            200,
            {},
            (folder / name).read_bytes(),
            NOW,
            "live",
        )
        text = " ".join(
            f"{i.title} {i.text}" for i in provider.parse(response, NOW.date()).items
        ).lower()
        assert set(text) & set(letters), name
        assert "\ufffd" not in text, name
