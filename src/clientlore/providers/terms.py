"""What a provider's terms mean for what is kept: text that must not be is taken out before anything is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from clientlore.providers.base import Response
from clientlore.providers.kinds import Kind

RIGHTS = "storage_rights"
"""The option of a source whose owner's plan allows keeping what the provider gives."""


def forbids_text(kind: Kind, options: Mapping[str, Any]) -> bool:
    """Whether text must not be kept."""
    return kind.terms is not None and not kind.terms.may_store_text and not options.get(RIGHTS)


def keep_days(kind: Kind, options: Mapping[str, Any]) -> int | None:
    """After how many days an answer must be gone; None where it may stay."""
    if kind.terms is None or options.get(RIGHTS):
        return None
    return kind.terms.keep_days


def storable(kind: Kind, options: Mapping[str, Any], response: Response) -> Response:
    """The response as it may be kept: without text where the terms forbid it.

    What is no JSON is left as it is: nothing is read from it, and it is looked at before it is replayed.
    """
    if not kind.text_fields or not forbids_text(kind, options):
        return response
    try:
        told = json.loads(response.body, strict=False)
    except (ValueError, RecursionError):
        return response
    body = json.dumps(_blank(told, kind.text_fields), ensure_ascii=False).encode()
    return replace(response, body=body)


def _blank(told: Any, names: frozenset[str]) -> Any:
    if isinstance(told, dict):
        return {k: _empty(v) if k in names else _blank(v, names) for k, v in told.items()}
    return [_blank(part, names) for part in told] if isinstance(told, list) else told


def _empty(value: Any) -> Any:
    """Nothing, of the same kind."""
    return type(value)() if isinstance(value, str | list | dict) else None
