"""A fake of Anthropic's API below `/anthropic`: messages with a JSON schema.

The only key it takes is `KEY`, unless `fake.state["anthropic"]["key"]` is another.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from clientlore.ids import sha256
from clientlore.testing.fakes.models import answer_to, behaviour_of, tokens_of
from clientlore.testing.fakes.serving import Fake, Fault

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

PREFIX = "/anthropic"
KEY = "sk-ant-fake"
PART = "anthropic"
_STOPS = {"cut": "max_tokens", "refusing": "refusal"}


def rate_limited(retry_after: str | None = None) -> Fault:
    """A 429, with a `Retry-After` or without."""
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return _fault(429, "rate_limit_error", "This request would exceed your rate limit.", headers)


def out_of_money() -> Fault:
    """The account has no credit."""
    return _fault(402, "billing_error", "Your credit balance is too low.")


def revoked() -> Fault:
    """The key is no longer good."""
    return _fault(401, "authentication_error", "invalid x-api-key")


def overloaded() -> Fault:
    """A 529."""
    return _fault(529, "overloaded_error", "Overloaded")


def routes(fake: Fake) -> Sequence[Route]:
    """The part."""
    from starlette.routing import Route

    async def messages(request: Request) -> Response:
        key = fake.state[PART].get("key", KEY)
        # The documentation says `x-api-key`; the client library sends a bearer token since its second release.
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if key not in {request.headers.get("x-api-key"), bearer}:
            return _plain(revoked())
        if "anthropic-version" not in request.headers:
            return _plain(_fault(400, "invalid_request_error", "anthropic-version: missing"))
        return _messages(fake, await request.json())

    async def batches(request: Request) -> Response:
        key = request.headers.get("x-api-key") or request.headers.get("authorization", "")
        if key.removeprefix("Bearer ") != fake.state[PART].get("key", KEY):
            return _plain(revoked())
        if request.method == "POST":
            return hand_in(fake, await request.json())
        return listed(fake, str(request.base_url))

    async def batch(request: Request) -> Response:
        return one(fake, request.path_params["batch"], str(request.base_url))

    async def results(request: Request) -> Response:
        return answered(fake, request.path_params["batch"], _messages)

    from clientlore.testing.fakes.anthropic_batches import answered, hand_in, listed, one

    return [
        Route(f"{PREFIX}/v1/messages", messages, methods=["POST"]),
        Route(f"{PREFIX}/v1/messages/batches", batches, methods=["POST", "GET"]),
        Route(f"{PREFIX}/v1/messages/batches/{{batch}}", batch),
        Route(f"{PREFIX}/v1/messages/batches/{{batch}}/results", results),
    ]


def _messages(fake: Fake, asked: dict[str, Any]) -> Response:
    from starlette.responses import JSONResponse

    if "temperature" in asked and "-5" in asked["model"].removesuffix("-4-5"):
        return _plain(_fault(400, "invalid_request_error", "temperature: not supported"))
    behaviour = behaviour_of(fake, PART)
    user = asked["messages"][-1]["content"]
    text = "" if behaviour == "refusing" else answer_to(user, behaviour, fake.seed)
    content: list[dict[str, Any]] = [{"type": "text", "text": text}]
    if asked.get("thinking", {}).get("type") != "disabled":
        content.insert(0, {"type": "thinking", "thinking": "", "signature": "c2lnbmVk"})
    return JSONResponse(
        {
            "id": f"msg_{sha256(user.encode())[:12]}",
            "type": "message",
            "role": "assistant",
            "model": asked["model"],
            "content": content,
            "stop_reason": _STOPS.get(behaviour, "end_turn"),
            "stop_sequence": None,
            "usage": {
                "input_tokens": tokens_of(user),
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": sum(
                    tokens_of(s["text"]) for s in asked.get("system", ())
                ),
                "output_tokens": tokens_of(text),
            },
        },
        headers={"request-id": f"req_{sha256(user.encode())[:8]}"},
    )


def _fault(status: int, kind: str, said: str, headers: dict[str, str] | None = None) -> Fault:
    error = {"type": "error", "error": {"type": kind, "message": said}, "request_id": "req_fake"}
    body = json.dumps(error).encode()
    return Fault(status, body, {"content-type": "application/json", **(headers or {})})


def _plain(fault: Fault) -> Response:
    from starlette.responses import Response as Plain

    assert fault.status is not None
    return Plain(fault.body, fault.status, dict(fault.headers))
