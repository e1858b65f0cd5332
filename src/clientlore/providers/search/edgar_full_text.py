"""SEC EDGAR's full text search: which filings name a client, whoever files them, with their exhibits, since 2001.

A client need not be listed for that: buyers, lenders, landlords and rivals that are name it. The search gives documents
without their text, so that what is found says who files, what for, and which name stands in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from clientlore.clock import Clock
from clientlore.control.model import Mode
from clientlore.names import without_legal_form
from clientlore.providers.base import Ask, Fetched, Item, Parsed, Response
from clientlore.providers.http import Http, HttpResponse
from clientlore.providers.kinds import Kind
from clientlore.providers.search import api
from clientlore.providers.search.edgar import FORMS, TERMS, door, headers_of, text_of, told_by
from clientlore.settings import Settings

PAGE = 100
MOST = 10_000
"""Documents of one question that can be reached."""
_TITLE = "SEC EDGAR full text search"
_PATH = "/LATEST/search-index"
_HIT = frozenset(["_index", "_type", "_id", "_score", "_source", "sort"])
_KNOWN = frozenset(
    ["adsh", "form", "root_forms", "file_date", "period_ending", "items", "ciks", "display_names", "file_type",
     "file_description", "file_num", "film_num", "sequence", "xsl", "sics", "biz_states", "biz_locations",
     "inc_states", "schema_version"]
)  # fmt: skip
# `NVIDIA CORP  (NVDA)  (CIK 0001045810)`; some have no ticker, some several.
_BEHIND_NAME = re.compile(r"\s+\((?:CIK \d+|[A-Z0-9., -]+)\)")


class EdgarFullText:
    """Asks `GET /LATEST/search-index`, a question for each name: an answer does not say which of several it found."""

    name = "edgar_full_text"
    mode: Mode = "live"

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._contact = settings.search.edgar_contact
        self._door = door(settings.search.edgar_search_base)

    async def fetch(self, ask: Ask, http: Http) -> Fetched:
        """See `Provider.fetch`."""
        names = api.names_of(api.client_of(ask, _TITLE), domain=False)
        headers = headers_of(self._contact)
        span = api.span_of(ask, self._clock.now())
        first, last = span.days
        offset, seen = 0, api.Seen(("hits", "hits"), "_id", set())

        def page(number: int, before: HttpResponse | None) -> api.Page | None:
            nonlocal offset, seen
            if before is not None:
                offset += PAGE
                if offset >= MOST or not seen.goes_on(before, PAGE):
                    names.pop(0)
                    offset, seen = 0, api.Seen(seen.path, seen.name, set())
            if not names or number >= MOST // PAGE:
                return None
            asked = {
                "q": f'"{names[0]}"',
                "forms": ",".join(FORMS),
                "dateRange": "custom",
                "startdt": first.isoformat(),
                "enddt": last.isoformat(),
                "from": offset,
            }
            return self._door.page(http, "GET", _PATH, asked, headers=headers)

        return await api.Asker(self.name, self._clock).ask_pages(ask, span, page)

    def parse(self, response: Response, ask_day: date) -> Parsed:
        """See `Provider.parse`. Of a filing's documents the first counts: they all tell of the same filing."""
        found = api.read_json(response.body, _TITLE)
        name = str(json.loads(response.request)["params"]["q"]).strip('"')
        hits = found.get("hits")
        filed: set[str] = set()

        def make(position: int, record: Mapping[str, Any]) -> Item | None:
            accession, form = str(record["adsh"]), str(record["form"]).removesuffix("/A")
            if form not in FORMS or accession in filed:
                return None
            items, at = list(map(str, record.get("items") or ())), str(record["file_date"])
            filers = [_BEHIND_NAME.sub("", str(n)).strip() for n in record["display_names"]]
            own = next((filer for filer in filers if _is(filer, name)), None)
            does = f"{own} files" if own else f"{filers[0]} names {name} in its"
            told = text_of(form, at, items)
            folder = f"{int(str(record['ciks'][0]))}/{accession.replace('-', '')}"
            published = api.instant(at)
            filed.add(accession)
            return Item(
                position=position,
                origin_id=accession,
                title=f"{does} {record['form']}: {told_by(form, items)}",
                text=told if own else f"{filers[0]} names {name} in a filing. {told}",
                # The filing's own page: which of its documents is found first may change.
                url=f"https://www.sec.gov/Archives/edgar/data/{folder}/{accession}-index.htm",
                publisher="SEC EDGAR",
                language="en",
                published_at=published,
            )

        return api.read_items(
            map(
                _flat,
                api.listed(hits if isinstance(hits, dict) else {}, "hits", _TITLE, optional=False),
            ),
            response=response,
            day=ask_day,
            required=("adsh", "form", "file_date", "display_names", "ciks"),
            known=_KNOWN,
            make=make,
        )


def _flat(hit: Any) -> Any:
    """What is said of a document, with what is new around it."""
    source = hit.get("_source") if isinstance(hit, dict) else None
    if not isinstance(source, dict):
        return {} if isinstance(hit, dict) else hit
    return {**{name: value for name, value in hit.items() if name not in _HIT}, **source}


def _is(filer: str, name: str) -> bool:
    """Whether a filer's name, which the SEC writes as it likes (`ACME CORP /DE/`), is that of the client."""
    plain = without_legal_form(re.sub(r"\s*/\w+/?$", "", filer))
    return plain.casefold() in {name.casefold(), without_legal_form(name).casefold()}


KIND = Kind(
    table="search_results",
    make=EdgarFullText,
    stand_in="mock_search",
    title=_TITLE,
    needs=("SEC_EDGAR_CONTACT",),
    terms=TERMS,
)
