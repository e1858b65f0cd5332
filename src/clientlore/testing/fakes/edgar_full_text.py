"""SEC EDGAR's full text search: documents that name a company, two of each filing, a hundred a page.

A filing is what the other fakes tell as a story; every third is the company's own. `from` ends at
`fake.state["edgar_full_text"]["most"]` documents, 10,000 if not set.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from clientlore.testing.fakes import news
from clientlore.testing.fakes.edgar import refused
from clientlore.testing.fakes.serving import Fake

PAGE = 100
_FILERS = (
    ("NORTHGATE MILLS INC", "NGML", 910_001),
    ("Calder Group Corp", "CALD, CALD-WT", 910_002),
    ("FJORDLINE LTD /FI/", "", 910_003),
)
_FORMS = (
    ("8-K", ("1.01", "9.01")),
    ("10-Q", ()),
    ("8-K", ("2.01",)),
    ("10-K/A", ()),
    ("8-K", ("5.02", "7.01")),
)


def routes(fake: Fake) -> Sequence[Route]:
    """`GET /edgar_full_text/LATEST/search-index`."""

    async def answer(request: Request) -> Response:
        if refusal := refused(request):
            return refusal
        asked = request.query_params
        start, most = (
            int(asked.get("from", 0)),
            int(str(fake.state["edgar_full_text"].get("most", 10_000))),
        )
        if asked.get("dateRange") != "custom" or not asked.get("q") or start + PAGE > most:
            return JSONResponse({"message": "Internal server error"}, 500)
        found = _documents(fake, news.name_in(asked["q"]), asked["startdt"], asked["enddt"])
        forms = set(filter(None, asked.get("forms", "").split(",")))
        wanted = [d for d in found if not forms or forms & set(d["_source"]["root_forms"])]
        page = news.page(fake, "edgar_full_text", wanted, start, PAGE)
        total = {
            "value": min(len(wanted), most),
            "relation": "gte" if len(wanted) > most else "eq",
        }
        return JSONResponse(
            {
                "took": 12,
                "timed_out": False,
                "_shards": {"total": 50, "successful": 50, "skipped": 0, "failed": 0},
                "hits": {"total": total, "max_score": 9.1, "hits": page},
                "aggregations": {"form_filter": {"buckets": []}},
            }
        )

    return [Route("/edgar_full_text/LATEST/search-index", answer)]


def _documents(fake: Fake, name: str, first: str, last: str) -> list[dict[str, Any]]:
    return [
        _document(story, name, sequence)
        for story in news.stories(fake, name, news.day(first), news.after(last))
        for sequence in (1, 2)
    ]


def _document(story: news.Story, name: str, sequence: int) -> dict[str, Any]:
    rng = Random(story.story_id)
    form, items = rng.choice(_FORMS)
    filer, ticker, cik = rng.choice((*_FILERS, (f"{name} Inc", "HRBR", 1_045_810)))
    listed = f"  ({ticker})" if ticker else ""
    accession = f"{cik:010d}-{story.at:%y}-{int(story.at.timestamp()) // 60 % 1_000_000:06d}"
    file, kind = ("main.htm", form) if sequence == 1 else ("ex99-1.htm", "EX-99.1")
    return {
        "_index": "edgar_file",
        "_type": "_doc",
        "_id": f"{accession}:{file}",
        "_score": 9.1,
        "_source": {
            "ciks": [f"{cik:010d}"],
            "period_ending": f"{story.at:%Y-%m-%d}",
            "file_num": ["001-00001"],
            "display_names": [f"{filer}{listed}  (CIK {cik:010d})"],
            "xsl": None,
            "sequence": str(sequence),
            "root_forms": [form.removesuffix("/A")],
            "file_date": f"{story.at:%Y-%m-%d}",
            "biz_states": ["OR"],
            "sics": ["2000"],
            "form": form,
            "adsh": accession,
            "film_num": ["26000001"],
            "biz_locations": ["Portland, OR"],
            "file_type": kind,
            "file_description": kind,
            "inc_states": ["DE"],
            "items": list(items),
        },
    }
