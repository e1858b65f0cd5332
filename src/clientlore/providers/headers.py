"""Which headers of an answer are kept with it: those that say what it is and what is left of the account."""

from __future__ import annotations

from collections.abc import Mapping

_KEPT = (
    "content-type",
    "content-language",
    "date",
    "etag",
    "last-modified",
    "retry-after",
    "location",
)
_PREFIXES = ("x-ratelimit-", "ratelimit-", "x-hubspot-ratelimit-", "sforce-")


def kept(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that are kept; names in lower case, as the client gives them."""
    return {
        name: value
        for name, value in headers.items()
        if name in _KEPT or name.startswith(_PREFIXES)
    }
