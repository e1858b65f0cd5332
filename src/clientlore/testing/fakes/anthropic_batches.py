"""The message batches of the fake of Anthropic's API; `polls` and `expires` as in `openai_batches`."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from clientlore.testing.fakes.news import now_of
from clientlore.testing.fakes.serving import Fake

if TYPE_CHECKING:
    from starlette.responses import Response

PREFIX = "/anthropic"


def _batches(fake: Fake) -> dict[str, dict[str, Any]]:
    return cast("dict[str, dict[str, Any]]", fake.state["anthropic"].setdefault("batches", {}))


def hand_in(fake: Fake, asked: dict[str, Any]) -> Response:
    """`POST /v1/messages/batches`."""
    from starlette.responses import JSONResponse

    known = _batches(fake)
    name = f"msgbatch_{len(known) + 1}"
    known[name] = {
        "id": name,
        "at": now_of(fake),
        "requests": asked["requests"],
        "polls": int(cast("int", fake.state["anthropic"].get("polls", 0))),
    }
    return JSONResponse(_shown(known[name], ended=False, base=""))


def listed(fake: Fake, base: str) -> Response:
    """`GET /v1/messages/batches`, newest first."""
    from starlette.responses import JSONResponse

    found = [_shown(b, ended=b["polls"] <= 0, base=base) for b in reversed(_batches(fake).values())]
    return JSONResponse({"data": found, "has_more": False, "first_id": None, "last_id": None})


def one(fake: Fake, name: str, base: str) -> Response:
    """`GET /v1/messages/batches/{batch}`."""
    from starlette.responses import JSONResponse

    batch = _batches(fake)[name]
    ended = batch["polls"] <= 0
    batch["polls"] -= 1
    return JSONResponse(_shown(batch, ended=ended, base=base))


def answered(
    fake: Fake, name: str, messages: Callable[[Fake, dict[str, Any]], Response]
) -> Response:
    """`GET /v1/messages/batches/{batch}/results`: a line for each request, in any order."""
    from starlette.responses import Response as Plain

    never = int(cast("int", fake.state["anthropic"].get("expires", 0)))
    lines = []
    for place, asked in enumerate(_batches(fake)[name]["requests"]):
        if place < never:
            result: dict[str, Any] = {"type": "expired"}
        else:
            said = json.loads(bytes(messages(fake, asked["params"]).body))
            result = {"type": "succeeded", "message": said}
        lines.append(json.dumps({"custom_id": asked["custom_id"], "result": result}))
    return Plain("\n".join(reversed(lines)), media_type="application/binary")


def _shown(batch: dict[str, Any], *, ended: bool, base: str) -> dict[str, Any]:
    count = len(batch["requests"])
    return {
        "id": batch["id"],
        "type": "message_batch",
        "processing_status": "ended" if ended else "in_progress",
        "request_counts": {
            "processing": 0 if ended else count,
            "succeeded": count if ended else 0,
            "errored": 0,
            "canceled": 0,
            "expired": 0,
        },
        "created_at": batch["at"].isoformat(),
        "expires_at": (batch["at"] + timedelta(days=1)).isoformat(),
        "ended_at": batch["at"].isoformat() if ended else None,
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": f"{base.rstrip('/')}{PREFIX}/v1/messages/batches/{batch['id']}/results"
        if ended
        else None,
    }
