"""The vendors' client libraries, opened: no retries of their own, and nothing of a request in any log.

Retries are ours: each is a call that must fit the budget.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from clientlore import __version__
from clientlore.errors import ConfigurationError

if TYPE_CHECKING:
    from anthropic import Anthropic
    from openai import OpenAI

_HEADERS = {"User-Agent": f"Clientlore/{__version__}"}


def openai_client(api_key: str | None, base_url: str, timeout: float) -> OpenAI:
    """A client of OpenAI's API at an address.

    Raises:
        ConfigurationError: Its library is not installed.
    """
    try:
        import openai
    except ModuleNotFoundError:
        raise ConfigurationError(
            "OpenAI's client library is not installed", "pip install 'clientlore[openai]'"
        ) from None
    _quiet("openai")
    return openai.OpenAI(
        # A server on one's own machine wants no key, and the library insists on one.
        api_key=api_key or "none",
        base_url=base_url,
        timeout=timeout,
        max_retries=0,
        default_headers=_HEADERS,
    )


def anthropic_client(api_key: str, base_url: str, timeout: float) -> Anthropic:
    """A client of Anthropic's API at an address.

    Raises:
        ConfigurationError: Its library is not installed.
    """
    try:
        import anthropic
    except ModuleNotFoundError:
        raise ConfigurationError(
            "Anthropic's client library is not installed", "pip install 'clientlore[anthropic]'"
        ) from None
    _quiet("anthropic")
    return anthropic.Anthropic(
        api_key=api_key,
        base_url=base_url,
        timeout=timeout,
        max_retries=0,
        default_headers=_HEADERS,
    )


def _quiet(library: str) -> None:
    """They log addresses, and whole requests when told to by a variable of their own."""
    for name in (library, "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)
