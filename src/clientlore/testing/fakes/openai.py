"""A fake of OpenAI's API below `/openai/v1`: chat completions with a JSON schema, and embeddings.

The only key it takes is `KEY`, unless `fake.state["openai"]["key"]` is another; None takes any, as servers on one's
own machine do.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clientlore.ids import sha256
from clientlore.testing.fakes.models import answer_to, behaviour_of, tokens_of
from clientlore.testing.fakes.serving import Fake, Fault

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

PREFIX = "/openai"
KEY = "sk-fake-openai"
PART = "openai"


def rate_limited(retry_after: str | None = None) -> Fault:
    """A 429 that passes, with a `Retry-After` or without."""
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return _fault(429, "rate_limit_exceeded", "requests", "Rate limit reached.", headers)


def out_of_money() -> Fault:
    """The other 429: it does not pass by waiting."""
    said = "You exceeded your current quota, please check your plan and billing details."
    return _fault(429, "insufficient_quota", "insufficient_quota", said)


def revoked() -> Fault:
    """The key is no longer good."""
    return _fault(401, "invalid_api_key", "invalid_request_error", "Incorrect API key provided.")


def overloaded() -> Fault:
    """A 503."""
    return _fault(503, "server_error", "server_error", "The server is overloaded.")


def routes(fake: Fake) -> Sequence[Route]:
    """The part."""
    from starlette.routing import Route

    from clientlore.testing.fakes.openai_batches import batch_routes

    async def chat(request: Request) -> Response:
        refused = _refused(fake, request)
        return refused or _chat(fake, await request.json())

    async def embeddings(request: Request) -> Response:
        refused = _refused(fake, request)
        return refused or _embeddings(await request.json())

    return [
        Route(f"{PREFIX}/v1/chat/completions", chat, methods=["POST"]),
        Route(f"{PREFIX}/v1/embeddings", embeddings, methods=["POST"]),
        *batch_routes(
            fake, lambda request: _refused(fake, request), lambda asked: _chat(fake, asked)
        ),
    ]


def _refused(fake: Fake, request: Request) -> Response | None:
    from starlette.responses import Response as Plain

    key = fake.state[PART].get("key", KEY)
    if key is None or request.headers.get("authorization") == f"Bearer {key}":
        return None
    fault = revoked()
    return Plain(fault.body, 401, media_type="application/json")


def _chat(fake: Fake, asked: dict[str, Any]) -> Response:
    from starlette.responses import JSONResponse

    wrong = _wrong_parameter(asked)
    if wrong is not None:
        return wrong
    behaviour = behaviour_of(fake, PART)
    user = asked["messages"][-1]["content"]
    text = answer_to(user, behaviour, fake.seed)
    refusing = behaviour == "refusing"
    into = sum(tokens_of(message["content"]) for message in asked["messages"])
    out = tokens_of(text)
    return JSONResponse(
        {
            "id": f"chatcmpl-{sha256(user.encode())[:12]}",
            "object": "chat.completion",
            "created": 1_795_000_000,
            "model": asked["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": None if refusing else text,
                        "refusal": "I'm sorry, I can't help with that." if refusing else None,
                    },
                    "logprobs": None,
                    "finish_reason": "length" if behaviour == "cut" else "stop",
                }
            ],
            "usage": {
                "prompt_tokens": into,
                "completion_tokens": out,
                "total_tokens": into + out,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            },
        },
        headers={"x-ratelimit-limit-requests": "500", "x-ratelimit-remaining-requests": "499"},
    )


def _wrong_parameter(asked: dict[str, Any]) -> Response | None:
    """What the newest models do not take is refused, as they refuse it."""
    from starlette.responses import Response as Plain

    own = str(asked["model"]).startswith(("gpt-5", "gpt-6"))
    problem = None
    if own and "max_tokens" in asked:
        problem = "max_tokens"
    elif own and "temperature" in asked and asked.get("reasoning_effort") != "none":
        problem = "temperature"
    schema = asked.get("response_format", {}).get("json_schema", {}).get("schema")
    if schema is not None and not _is_strict(schema):
        problem = "response_format"
    if problem is None:
        return None
    said = f"Unsupported value: '{problem}' is not supported with this model."
    fault = _fault(400, "unsupported_value", "invalid_request_error", said, param=problem)
    return Plain(fault.body, 400, media_type="application/json")


def _is_strict(schema: Any) -> bool:
    """Whether every object of a schema requires all it has and allows nothing else."""
    if isinstance(schema, list):
        return all(map(_is_strict, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" and (
        schema.get("additionalProperties") is not False
        or set(schema.get("required", ())) != set(schema.get("properties", ()))
    ):
        return False
    return all(map(_is_strict, schema.values()))


def _embeddings(asked: dict[str, Any]) -> Response:
    from starlette.responses import JSONResponse

    texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
    vectors = [embedding(text, int(asked.get("dimensions", 1_536))) for text in texts]
    packed = asked.get("encoding_format") == "base64"
    used = sum(map(tokens_of, texts))
    return JSONResponse(
        {
            "object": "list",
            "model": asked["model"],
            "data": [
                {"object": "embedding", "index": n, "embedding": _packed(v) if packed else v}
                for n, v in enumerate(vectors)
            ],
            "usage": {"prompt_tokens": used, "total_tokens": used},
        }
    )


def embedding(text: str, size: int) -> list[float]:
    """A vector of length 1 that texts with common words have in common: each word has its place."""
    vector = [1e-6] * size
    for word in text.lower().split():
        vector[int(sha256(word.encode())[:8], 16) % size] += 1.0
    length = math.sqrt(sum(x * x for x in vector))
    return [x / length for x in vector]


def _packed(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _fault(
    status: int,
    code: str,
    kind: str,
    said: str,
    headers: dict[str, str] | None = None,
    param: str | None = None,
) -> Fault:
    error = {"message": said, "type": kind, "param": param, "code": code}
    body = json.dumps({"error": error}).encode()
    return Fault(status, body, {"content-type": "application/json", **(headers or {})})
