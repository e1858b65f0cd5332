"""What a server says when it does not answer as it should: a code, a message, the beginning of a page."""

from __future__ import annotations

import json
import re

_SPACES = re.compile(r"\s+")


def code_and_message(body: bytes) -> tuple[str, str]:
    """Code and message of a refusal, wherever providers put them; empty where there are none."""
    try:
        told = json.loads(body)
    except ValueError:
        return "", plain_line(body)
    found = [told]
    for name in ("error", "detail"):
        inner = told.get(name) if isinstance(told, dict) else None
        found += [inner] if isinstance(inner, dict) else []
        if isinstance(inner, str):
            return "", plain_line(inner)
    inner_errors = found[-1].get("errors") if isinstance(found[-1], dict) else None
    if isinstance(inner_errors, list):
        found += [e for e in inner_errors if isinstance(e, dict)]
    code = message = ""
    for part in found:
        if isinstance(part, dict):
            code = str(part.get("reason") or part.get("code") or code)
            text = part.get("message") or part.get("error") or part.get("detail")
            message = text if isinstance(text, str) and not message else message
    return code, plain_line(message)


def plain_line(text: str | bytes) -> str:
    """The beginning of what a server said, in one line."""
    told = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return _SPACES.sub(" ", told).strip()[:200]
