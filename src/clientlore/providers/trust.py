"""Whose certificates are trusted: the usual authorities, and one that a setting names."""

from __future__ import annotations

import functools
import ssl
from pathlib import Path

import httpx

from clientlore.errors import ConfigurationError


@functools.cache
def trusted(also: Path | None) -> ssl.SSLContext:
    """The certificates that are trusted, read once: it costs more than most of what is then asked.

    Args:
        also: A file of PEM certificates, besides the usual ones.

    Raises:
        ConfigurationError: That file holds none.
    """
    context = httpx.create_ssl_context()
    if also is not None:
        try:
            context.load_verify_locations(also)
        except OSError as error:
            raise ConfigurationError(
                f"CLIENTLORE_CA_FILE names {also}, which cannot be used ({error.strerror or error})",
                "Point it at a file of PEM certificates, or unset it.",
            ) from None
    return context
