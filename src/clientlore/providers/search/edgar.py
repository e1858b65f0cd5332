"""SEC EDGAR: what a listed company files. The items of an 8-K say in plain words what happened.

Companies are asked for by CIK, which the tenant file gives or the SEC's own list of tickers. Feeds of EDGAR can stand
under `feeds:` too (see `rss`). Not here: filings of others that name a client (`edgar_full_text`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import zip_longest
from typing import Any
from weakref import WeakKeyDictionary

from clientlore.clock import Clock
from clientlore.control.model import Client, Mode
from clientlore.errors import (
    AuthenticationError,
    BadDataError,
    PermanentError,
    ProviderError,
    RetriableError,
)
from clientlore.providers.base import Ask, Fetched, Item, Parsed, Response
from clientlore.providers.http import Http, HttpResponse, Said
from clientlore.providers.kinds import Kind, Terms
from clientlore.providers.search import api
from clientlore.settings import Settings

QUIET_SECONDS = 600.0
"""Who asked too fast is refused until nothing was asked for this long."""
_TICKERS = "/files/company_tickers.json"
_COLUMNS = ("accessionNumber", "form", "filingDate", "acceptanceDateTime", "primaryDocument")

# Item of an 8-K -> (category, what happened). The words are chosen so that the rules see the category in them, which
# a test holds them to.
ITEMS: Mapping[str, tuple[str, str]] = {
    "1.01": ("partnership", "signs a material agreement"),
    "1.02": ("partnership", "ends a material agreement"),
    "1.03": ("risk", "bankruptcy or receivership, insolvency"),
    "1.05": ("risk", "cyber incident: hack or data breach"),
    "2.01": ("m_and_a", "completes an acquisition or divestment"),
    "2.02": ("earnings", "earnings: results of the quarter"),
    "2.03": ("funding", "new debt: credit facility"),
    "2.04": ("risk", "default: debt falls due early"),
    "2.05": ("risk", "restructuring with layoffs"),
    "2.06": ("risk", "writedown of assets"),
    "3.01": ("risk", "warning of delisting"),
    "3.02": ("funding", "private placement of shares"),
    "4.01": ("leadership", "appoints another auditor"),
    "4.02": ("risk", "warning: earlier accounts cannot be relied on"),
    "5.01": ("m_and_a", "takeover: control changes hands"),
    "5.02": ("leadership", "directors or officers: resignation or appointment"),
    "5.07": ("leadership", "board of directors: votes of the shareholders"),
    "7.01": ("other", "disclosure to everybody at once"),
    "8.01": ("other", "another event"),
}
FORMS: Mapping[str, str] = {
    "8-K": "current report",
    "6-K": "current report of a foreign company",
    "10-K": "annual report",
    "10-Q": "quarterly report",
    "20-F": "annual report of a foreign company",
    "40-F": "annual report of a Canadian company",
    "S-1": "registers shares for a public offering",
    "F-1": "registers shares for a public offering",
    "S-4": "registers shares for a merger",
    "DEFM14A": "asks its shareholders about a merger",
    "SC TO-T": "tender offer",
    "SC 13D": "somebody holds a large stake in it",
    "SCHEDULE 13D": "somebody holds a large stake in it",
    "NT 10-K": "annual report will be late: warning",
    "NT 10-Q": "quarterly report will be late: warning",
    "25": "leaves the exchange",
}


class Edgar:
    """Asks for a company's submissions, and for the older pages of them where the span reaches back so far."""

    name = "edgar"
    mode: Mode = "live"

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._ciks: Mapping[str, str] | None = None
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = (
            WeakKeyDictionary()
        )
        self._contact = settings.search.edgar_contact
        self._data = door(settings.search.edgar_data_base)
        self._www = door(settings.search.edgar_www_base)

    async def fetch(self, ask: Ask, http: Http) -> Fetched:
        """See `Provider.fetch`."""
        client = api.client_of(ask, "SEC EDGAR")
        headers = headers_of(self._contact)
        cik = await self._cik(client, http, headers)
        span = api.span_of(ask, self._clock.now())
        since = {"since": span.start.isoformat()}
        older: list[str] = []

        def page(number: int, before: HttpResponse | None) -> api.Page | None:
            if number == 0:
                path = f"/submissions/CIK{cik}.json"
            else:
                if number == 1 and before is not None:
                    older.extend(_older_pages(before.body, span.start.date()))
                if not older:
                    return None
                path = f"/submissions/{older.pop(0)}"
            return api.Page(
                "GET",
                f"{self._data.base}{path}",
                {**since, "cik": cik, "name": client.name},
                lambda: self._data.ask(http, "GET", path, headers=headers),
            )

        return await api.Asker(self.name, self._clock, knows_client=True).ask_pages(ask, span, page)

    def parse(self, response: Response, ask_day: date) -> Parsed:
        """See `Provider.parse`. Of an answer's thousand filings those since the span began are taken."""
        found = api.read_json(response.body, "SEC EDGAR")
        asked = json.loads(response.request)["params"]
        filings = found.get("filings")
        columns = filings.get("recent") if isinstance(filings, dict) else found
        if (
            not isinstance(columns, dict)
            or not set(_COLUMNS) <= set(columns)
            or not all(isinstance(values, list) for values in columns.values())
        ):
            raise BadDataError(
                "The answer of SEC EDGAR has not the columns of filings", detail="no_columns"
            )
        name, cik = str(found.get("name") or asked["name"]), str(asked["cik"])

        def make(position: int, record: Mapping[str, Any]) -> Item | None:
            form = str(record["form"]).removesuffix("/A")
            at = api.instant(record["acceptanceDateTime"])
            assert at is not None
            if form not in FORMS or at.isoformat() < asked["since"]:
                return None
            accession = str(record["accessionNumber"])
            items = str(record.get("items") or "").split(",")
            described = str(record.get("primaryDocDescription") or "")
            folder = f"{int(cik)}/{accession.replace('-', '')}"
            return Item(
                position=position,
                origin_id=accession,
                title=f"{name} files {record['form']}: {told_by(form, items)}",
                text=f"{text_of(form, str(record['filingDate']), items)} {described}".rstrip(),
                url=f"https://www.sec.gov/Archives/edgar/data/{folder}/{record['primaryDocument']}",
                publisher="SEC EDGAR",
                language="en",
                published_at=at,
            )

        return api.read_items(
            _rows(columns),
            response=response,
            day=ask_day,
            required=("accessionNumber", "form", "acceptanceDateTime"),
            known=frozenset(columns),
            make=make,
        )

    async def _cik(self, client: Client, http: Http, headers: Mapping[str, str]) -> str:
        """The company's CIK in ten digits.

        Raises:
            PermanentError: The SEC knows no such ticker.
        """
        if cik := client.profile.get("cik"):
            return str(cik).zfill(10)
        ticker = (client.ticker or "").rpartition(":")[2].upper().replace(".", "-")
        lock = self._locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with lock:
            if self._ciks is None:
                answer = await self._www.ask(http, "GET", _TICKERS, headers=headers)
                self._ciks = _ciks(answer.body)
        if ticker not in self._ciks:
            raise PermanentError(
                f"SEC EDGAR knows no company with the ticker '{client.ticker or ''}'",
                f"Give '{client.client_id}' its 'cik:' in the tenant file; sec.gov/search-filings finds it.",
            )
        return self._ciks[ticker]


def door(base: str) -> api.Door:
    """The way to one of the SEC's servers; they count what is asked of all of them together."""
    return api.Door(
        title="SEC EDGAR",
        base=base,
        # 10 a second are allowed over all its servers.
        rate=8,
        burst=4,
        variable="SEC_EDGAR_CONTACT",
        fix="the SEC wants 'Example Ltd ann@example.com'",
        judge=_too_fast,
    )


def headers_of(contact: str | None) -> dict[str, str]:
    """What the SEC wants to be told with each request.

    Raises:
        AuthenticationError: Nobody has said who asks.
    """
    if not contact:
        raise AuthenticationError(
            "SEC EDGAR needs the variable SEC_EDGAR_CONTACT, which is not set",
            "Set it to who asks, as the SEC wants it: 'Example Ltd ann@example.com'.",
        )
    return {"user-agent": contact, "accept-encoding": "gzip, deflate"}


def _too_fast(said: Said) -> ProviderError | None:
    if said.status in {403, 429} and b"rate threshold" in said.body.lower():
        return RetriableError(
            "SEC EDGAR was asked too fast and answers nobody from here for ten minutes",
            "It will be asked again later.",
            retry_after=QUIET_SECONDS,
        )
    return None


def _ciks(body: bytes) -> dict[str, str]:
    found = api.read_json(body, "SEC EDGAR")
    try:
        return {str(c["ticker"]).upper(): f"{int(c['cik_str']):010d}" for c in found.values()}
    except (KeyError, TypeError, ValueError):
        raise BadDataError("The list of tickers of SEC EDGAR cannot be read") from None


def _older_pages(body: bytes, start: date) -> list[str]:
    """Names of the pages of older filings that a span reaches, newest first."""
    files = api.records(body, "filings", "files")
    return [str(f["name"]) for f in files if str(f.get("filingTo", "")) >= start.isoformat()]


def _rows(columns: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    for values in zip_longest(*columns.values()):
        yield dict(zip(columns, values, strict=True))


def told_by(form: str, items: Sequence[str]) -> str:
    """What a filing says in a few words: by the items of an 8-K, else by its form."""
    return "; ".join(ITEMS[item][1] for item in _telling(items)[:2]) or FORMS[form]


def text_of(form: str, filed: str, items: Sequence[str]) -> str:
    """What is known of a filing without opening it."""
    told = [f"Item {item}: {ITEMS[item][1]}." for item in _telling(items)]
    return " ".join([f"Form {form}, filed on {filed}.", *told])


def _telling(items: Sequence[str]) -> list[str]:
    """The items of an 8-K, most telling first: 9.01 are its exhibits, and 7.01 and 8.01 say little."""
    known = [item for item in items if item in ITEMS]
    return sorted(known, key=lambda item: ITEMS[item][0] == "other")


TERMS = Terms(
    may_store_text=True,
    shown_to="anyone",
    page="https://www.sec.gov/privacy#dissemination",
    note="public information; say who asks, and at most 10 requests a second",
)
KIND = Kind(
    table="search_results",
    make=Edgar,
    stand_in="mock_search",
    title="SEC EDGAR",
    needs=("SEC_EDGAR_CONTACT",),
    terms=TERMS,
)
