"""A fake of a rerank endpoint at `/rerank/v2/rerank`, as Cohere, Jina and vLLM have one.

It finds a document as relevant as its share of the question's words, shifted a little by the document itself, so that
no two of them tie by chance. The only key it takes is `KEY`, unless `fake.state["rerank"]["key"]` is another; None
takes any.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clientlore.ids import sha256
from clientlore.testing.fakes.models import tokens_of
from clientlore.testing.fakes.serving import Fake, Fault

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

PREFIX = "/rerank"
PATH = f"{PREFIX}/v2/rerank"
KEY = "rk-fake-rerank"
PART = "rerank"
MODEL = "rerank-fake"
MOST = 1_000
"""Documents in one call."""
_WORD = re.compile(r"\w+")


def rate_limited(retry_after: str | None = None) -> Fault:
    """A 429 that passes, with a `Retry-After` or without."""
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return _fault(429, "too many requests", headers)


def out_of_money() -> Fault:
    """A 402: the account is used up."""
    return _fault(402, "the account has no credit left")


def revoked() -> Fault:
    """The key is no longer good."""
    return _fault(401, "invalid api token")


def overloaded() -> Fault:
    """A 503."""
    return _fault(503, "no instance is free")


def routes(fake: Fake) -> Sequence[Route]:
    """The part."""
    from starlette.responses import JSONResponse
    from starlette.responses import Response as Plain
    from starlette.routing import Route

    async def rerank(request: Request) -> Response:
        key = fake.state[PART].get("key", KEY)
        if key is not None and request.headers.get("authorization") != f"Bearer {key}":
            return Plain(revoked().body, 401, media_type="application/json")
        asked = await request.json()
        wrong = _wrong(asked)
        if wrong is not None:
            return JSONResponse({"id": "fake", "message": wrong}, 400)
        return JSONResponse(_ranked(asked))

    return [Route(PATH, rerank, methods=["POST"])]


def relevance(query: str, document: str) -> float:
    """From 0 to 1."""
    asked = set(_WORD.findall(query.lower()))
    shared = len(asked & set(_WORD.findall(document.lower()))) / max(1, len(asked))
    return round(0.99 * shared + 0.01 * int(sha256(document.encode())[:6], 16) / 16**6, 8)


def _wrong(asked: Any) -> str | None:
    """What Cohere refuses, and what Text Embeddings Inference would take."""
    if not isinstance(asked, dict):
        return "invalid request: not an object"
    for name, kind in (("model", str), ("query", str), ("documents", list)):
        if not isinstance(asked.get(name), kind) or not asked[name]:
            return f"invalid request: {name} is required"
    if not all(isinstance(document, str) and document for document in asked["documents"]):
        return "invalid request: a document must be a string that is not empty"
    if len(asked["documents"]) > MOST:
        return f"invalid request: at most {MOST} documents"
    return None


def _ranked(asked: dict[str, Any]) -> dict[str, Any]:
    documents = asked["documents"]
    found = sorted(
        ((relevance(asked["query"], text), n) for n, text in enumerate(documents)),
        key=lambda one: (-one[0], one[1]),
    )[: asked.get("top_n") or len(documents)]
    used = sum(map(tokens_of, documents)) + len(documents) * tokens_of(asked["query"])
    return {
        "id": sha256(json.dumps(asked).encode())[:12],
        "model": asked["model"],
        "results": [{"index": n, "relevance_score": score} for score, n in found],
        "usage": {"prompt_tokens": used, "total_tokens": used},
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
    }


def _fault(status: int, said: str, headers: dict[str, str] | None = None) -> Fault:
    body = json.dumps({"id": "fake", "message": said}).encode()
    return Fault(status, body, {"content-type": "application/json", **(headers or {})})
