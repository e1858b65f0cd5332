"""SEC EDGAR: the list of tickers, submissions in columns, a company's Atom feed; nobody without a mail address."""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from clientlore.testing.fakes import news
from clientlore.testing.fakes.serving import Fake

COMPANIES = (
    (1_045_810, "HRBR", "Harbor Foods Inc"),
    (1_318_605, "VELA", "Vela Logistics SE"),
    (320_193, "UMBR", "Umbra Power AG"),
)
_FORMS = (
    ("8-K", "2.02,9.01"),
    ("4", ""),
    ("8-K", "1.03"),
    ("10-Q", ""),
    ("8-K", "5.02,7.01,9.01"),
    ("8-K/A", "1.01"),
    ("SC 13D", ""),
)  # fmt: skip


def routes(fake: Fake) -> Sequence[Route]:
    """Files of `www.sec.gov` and `data.sec.gov` below `/edgar`; `fake.state["edgar"]["recent"]` come without paging."""

    async def tickers(request: Request) -> Response:
        if refusal := refused(request):
            return refusal
        return JSONResponse(
            {
                str(n): {"cik_str": cik, "ticker": ticker, "title": name}
                for n, (cik, ticker, name) in enumerate(COMPANIES)
            }
        )

    async def submissions(request: Request) -> Response:
        if refusal := refused(request):
            return refusal
        name = request.path_params["name"]
        company = next((c for c in COMPANIES if name.startswith(f"CIK{c[0]:010d}")), None)
        if company is None:
            return PlainTextResponse("Not Found", 404)
        filings = _filings(fake, company)
        recent = int(str(fake.state["edgar"].get("recent", 1_000)))
        if "-submissions-" in name:
            return JSONResponse(_columns(filings[recent:]))
        older = filings[recent:]
        files = [
            {
                "name": f"CIK{company[0]:010d}-submissions-001.json",
                "filingCount": len(older),
                "filingFrom": older[-1]["filingDate"],
                "filingTo": older[0]["filingDate"],
            }
        ] if older else []  # fmt: skip
        return JSONResponse(
            {
                "cik": f"{company[0]:010d}",
                "entityType": "operating",
                "sic": "2000",
                "name": company[2],
                "tickers": [company[1]],
                "exchanges": ["NYSE"],
                "filings": {"recent": _columns(filings[:recent]), "files": files},
            }
        )

    async def atom(request: Request) -> Response:
        if refusal := refused(request):
            return refusal
        cik = int(request.query_params.get("CIK", "0"))
        company = next((c for c in COMPANIES if c[0] == cik), COMPANIES[0])
        entries = "".join(
            _entry(company[2], filing, role)
            for filing in _filings(fake, company)
            if filing["form"] == request.query_params.get("type", "8-K")
            for role in ("Filer", "Subject")
        )
        body = (
            f"<feed xmlns='http://www.w3.org/2005/Atom'><title>{company[2]}</title>{entries}</feed>"
        )
        return Response(body, media_type="application/atom+xml")

    return [
        Route("/edgar/files/company_tickers.json", tickers),
        Route("/edgar/submissions/{name}", submissions),
        Route("/edgar/cgi-bin/browse-edgar", atom),
    ]


def refused(request: Request) -> Response | None:
    """What somebody gets who does not say who asks."""
    if "@" in request.headers.get("user-agent", ""):
        return None
    said = "<h1>Your Request Originates from an Undeclared Automated Tool</h1>"
    return Response(said, 403, media_type="text/html")


def _filings(fake: Fake, company: tuple[int, str, str]) -> list[dict[str, Any]]:
    """Newest first: one each 7 hours, through all forms."""
    now = news.now_of(fake)
    first = int(now.timestamp()) // 25_200
    filings = []
    for slot in range(first, first - 40, -1):
        form, items = _FORMS[slot % len(_FORMS)]
        at = news.day("1970-01-01") + timedelta(seconds=slot * 25_200)
        accession = f"{company[0]:010d}-{at:%y}-{slot % 1_000_000:06d}"
        filings.append(
            {
                "accessionNumber": accession,
                "filingDate": f"{at:%Y-%m-%d}",
                "reportDate": f"{at:%Y-%m-%d}",
                "acceptanceDateTime": f"{at:%Y-%m-%dT%H:%M:%S.000Z}",
                "act": "34",
                "form": form,
                "items": items,
                "size": 4_000,
                "primaryDocument": f"d{slot}.htm",
                "primaryDocDescription": form,
            }
        )
    return filings


def _columns(filings: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = filings[0] if filings else {"accessionNumber": 0, "form": 0, "filingDate": 0}
    return {name: [filing[name] for filing in filings] for name in names}


def _entry(name: str, filing: dict[str, Any], role: str) -> str:
    accession = filing["accessionNumber"]
    link = f"https://www.sec.gov/Archives/edgar/data/1/{accession}-index.htm?role={role}"
    return (
        f"<entry><title>{filing['form']} - {html.escape(name)} ({role})</title><link href='{link}'/>"
        f"<summary type='html'>Filed: {filing['filingDate']}</summary>"
        f"<updated>{filing['acceptanceDateTime']}</updated>"
        f"<id>urn:tag:sec.gov,2008:accession-number={accession}</id></entry>"
    )
