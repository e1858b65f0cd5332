"""The files and batches of the fake of OpenAI's API.

fake.state["openai"]["polls"] = 2      # a batch has ended at the third look; 0 if not set
fake.state["openai"]["expires"] = 1    # so many requests of each batch are never answered
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from clientlore.testing.fakes.news import now_of
from clientlore.testing.fakes.serving import Fake

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

PREFIX = "/openai"
_STATES = ("validating", "in_progress", "completed")


def batch_routes(
    fake: Fake,
    refused: Callable[[Request], Response | None],
    chat: Callable[[dict[str, Any]], Response],
) -> Sequence[Route]:
    """`/v1/files` and `/v1/batches`, as far as they are needed.

    Args:
        fake: Keeps what was handed in.
        refused: The answer to a request with a wrong key.
        chat: The answer to a chat completion.
    """
    from starlette.responses import JSONResponse
    from starlette.responses import Response as Plain
    from starlette.routing import Route

    state = fake.state["openai"]
    files = cast("dict[str, bytes]", state.setdefault("files", {}))
    batches = cast("dict[str, dict[str, Any]]", state.setdefault("batches", {}))

    async def upload(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        content = _file(await request.body(), request.headers["content-type"])
        name = f"file-{len(files) + 1}"
        files[name] = content
        return JSONResponse(
            {
                "id": name,
                "object": "file",
                "bytes": len(content),
                "created_at": int(now_of(fake).timestamp()),
                "filename": "batch.jsonl",
                "purpose": "batch",
                "status": "processed",
            }
        )

    async def create(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        if request.method == "GET":
            listed = [_shown(batch) for batch in reversed(batches.values())]
            return JSONResponse({"object": "list", "data": listed, "has_more": False})
        asked = await request.json()
        name = f"batch_{len(batches) + 1}"
        batches[name] = {
            "id": name,
            "object": "batch",
            "endpoint": asked["endpoint"],
            "input_file_id": asked["input_file_id"],
            "completion_window": asked["completion_window"],
            "status": "validating",
            "created_at": int(now_of(fake).timestamp()),
            "metadata": asked.get("metadata"),
            "polls": int(cast("int", state.get("polls", 0))),
        }
        return JSONResponse(_shown(batches[name]))

    async def look(request: Request) -> Response:
        if (no := refused(request)) is not None:
            return no
        batch = batches[request.path_params["batch"]]
        if batch["polls"] > 0:
            batch["polls"] -= 1
            batch["status"] = "in_progress"
        elif batch["status"] != "completed":
            batch["status"] = "completed"
            batch["output_file_id"] = f"{batch['id']}-output"
            lines = files[batch["input_file_id"]].decode().splitlines()
            never = int(cast("int", state.get("expires", 0)))
            # In any order: an answer says which request it is to.
            answered = [_answer(json.loads(line), chat) for line in reversed(lines[never:])]
            files[batch["output_file_id"]] = "\n".join(answered).encode()
        return JSONResponse(_shown(batch))

    async def content(request: Request) -> Response:
        return refused(request) or Plain(files[request.path_params["file"]])

    return [
        Route(f"{PREFIX}/v1/files", upload, methods=["POST"]),
        Route(f"{PREFIX}/v1/files/{{file}}/content", content),
        Route(f"{PREFIX}/v1/batches", create, methods=["POST", "GET"]),
        Route(f"{PREFIX}/v1/batches/{{batch}}", look),
    ]


def _shown(batch: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in batch.items() if name != "polls"}


def _answer(asked: dict[str, Any], chat: Callable[[dict[str, Any]], Response]) -> str:
    said = chat(asked["body"])
    response = {
        "status_code": said.status_code,
        "request_id": f"req_{asked['custom_id']}",
        "body": json.loads(bytes(said.body)),
    }
    return json.dumps(
        {
            "id": f"r-{asked['custom_id']}",
            "custom_id": asked["custom_id"],
            "response": response,
            "error": None,
        }
    )


def _file(body: bytes, content_type: str) -> bytes:
    """The part named `file` of a form."""
    match = re.search(r'boundary="?([^";]+)', content_type)
    assert match is not None
    for part in body.split(f"--{match[1]}".encode()):
        head, _, content = part.partition(b"\r\n\r\n")
        if b'name="file"' in head:
            return content.removesuffix(b"\r\n")
    return b""
