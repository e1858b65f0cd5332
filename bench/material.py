"""Generated raw items for measuring: many clients, exact and near copies, a look-back. Seeded."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

from clientlore.clock import FrozenClock
from clientlore.control.snapshots import take
from clientlore.control.tenants import get_tenant
from clientlore.monitoring import raw
from clientlore.providers.base import Item, Parsed, Response, describe_request
from clientlore.settings import Settings
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

DAY = date(2026, 11, 20)
TENANTS = 10
WORDS = 100
EXACT, NEAR = 0.05, 0.15
_SYLLABLES = (
    "ba",
    "co",
    "di",
    "fu",
    "ga",
    "le",
    "mi",
    "no",
    "pra",
    "ro",
    "sta",
    "te",
    "vu",
    "xi",
    "zo",
    "ker",
)


def vocabulary(rng: Random, size: int = 4_000) -> list[str]:
    """Invented words."""
    return sorted({"".join(rng.choices(_SYLLABLES, k=rng.randrange(2, 5))) for _ in range(size)})


def make_home(home: Path, *, items: int, clients: int, users: int, look_back_days: int) -> None:
    """Fills a home with live tenants and raw items for a day and the days before it."""
    rng = Random(11)
    words = vocabulary(rng)
    clock = FrozenClock(datetime(2026, 11, 20, 6, tzinfo=UTC))
    each, mine = clients // TENANTS, users // TENANTS
    with Workspace.open(Settings(home=home), clock=clock) as workspace:
        for number in range(TENANTS):
            tenant = f"t{number}"
            names = [
                f"{w.title()} {v.title()} {number}"
                for w, v in zip(rng.sample(words, each), rng.sample(words, each), strict=True)
            ]
            put_tenant(workspace, _tenant_file(tenant, names, mine))
            for back in range(look_back_days, -1, -1):
                day = DAY - timedelta(days=back)
                clock.at = datetime(day.year, day.month, day.day, 6, tzinfo=UTC)
                with workspace.control.write() as connection:
                    audit = workspace.audit("bench", "material")
                    take(connection, audit, get_tenant(connection, tenant), day)
                _write(
                    workspace,
                    tenant,
                    day,
                    names,
                    _stories(rng, words, names, items // TENANTS, day),
                )


def _tenant_file(tenant: str, names: list[str], users: int) -> str:
    people = [
        f"{{id: u{n}, name: User {n}, email: u{n}@{tenant}.example, max_items: 50}}"
        for n in range(users)
    ]
    watched = [
        f"{{id: c{n}, name: {name}, owners: [u{n % users}], feeds: ['http://127.0.0.1:9/{tenant}/{n}.xml']}}"
        for n, name in enumerate(names)
    ]
    return f"{{tenant: {tenant}, name: Tenant, users: [{', '.join(people)}], clients: [{', '.join(watched)}]}}"


def _stories(
    rng: Random, words: list[str], names: list[str], count: int, day: date
) -> list[tuple[str, str]]:
    """Headlines and texts, some of them copies of earlier ones."""
    told: list[tuple[str, str]] = []
    verbs = (
        "acquires",
        "appoints",
        "launches",
        "raises",
        "reports",
        "expands with",
        "signs agreement with",
    )
    for number in range(count):
        chance = rng.random()
        if told and chance < EXACT:
            told.append(rng.choice(told))
        elif told and chance < EXACT + NEAR:
            title, text = rng.choice(told)
            cut = text.split()
            cut[rng.randrange(len(cut))] = rng.choice(words)
            told.append((f"{title} {rng.choice(words)}", " ".join(cut)))
        else:
            name = rng.choice(names)
            title = f"{name} {rng.choice(verbs)} {rng.choice(words).title()} in {rng.choice(words).title()}"
            body = " ".join(rng.choices(words, k=WORDS - 12))
            told.append(
                (title, f"{title} on {day}, said {rng.choice(words).title()}. {body} {number}.")
            )
    return told


def _write(
    workspace: Workspace, tenant: str, day: date, names: list[str], told: list[tuple[str, str]]
) -> None:
    """Writes the stories as one batch with a response for each client."""
    now = workspace.clock.now()
    batch = raw.Batch.new(tenant, day, raw.SEARCH_RESULTS, now, "bench")
    parsed = []
    for number in range(len(names)):
        mine = told[number :: len(names)]
        items = tuple(
            Item(
                n,
                f"{day}-{number}-{n}",
                title,
                text,
                f"https://w{n % 7}.example/{tenant}/{day}/{number}/{n}",
                publisher=f"Wire {n % 7}",
            )
            for n, (title, text) in enumerate(mine)
        )
        body = "\n".join(text for _, text in mine).encode()
        request = describe_request("GET", f"http://127.0.0.1:9/{tenant}/{number}.xml")
        parsed.append(
            (
                Response(
                    f"s-{tenant}-{number}", f"c{number}", "rss", request, 200, {}, body, now, "live"
                ),
                Parsed(items=items),
            )
        )
    raw.store_responses(workspace.lake, batch, [response for response, _ in parsed])
    raw.store_rows(workspace.lake, batch, parsed)
