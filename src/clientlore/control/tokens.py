"""Signed tokens: a few words that come back from outside as they went out, for one purpose and for a while.

    token = base64url(JSON of [purpose, expiry, words...]) "." base64url(first 16 bytes of HMAC-SHA-256 over it)

Whoever holds a token may do what it is for; it is no secret key, and what it says can be read. Not here: what a token
does.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from clientlore.errors import RefusedError, StoreError
from clientlore.settings import Settings

KEY_FILE = "secret.key"
_KEY_BYTES, _MAC_BYTES, _LONGEST = 32, 16, 2_000


@dataclass(frozen=True)
class Signer:
    """Signs and checks with one key."""

    key: bytes = field(repr=False)

    def sign(self, purpose: str, words: Sequence[str], expires_at: datetime) -> str:
        """A token that carries the words."""
        told = [purpose, int(expires_at.timestamp()), *words]
        payload = _encoded(json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode())
        return f"{payload}.{self._mac(payload)}"

    def read(self, token: str, purpose: str, now: datetime) -> tuple[str, ...]:
        """The words of a token.

        Raises:
            RefusedError: It was not signed with this key, was changed, is for something else, or has expired.
        """
        payload, _, mac = token.partition(".")
        could_be = len(token) <= _LONGEST and token.isascii()
        right = could_be and hmac.compare_digest(mac, self._mac(payload))
        if not right:
            raise RefusedError(
                "The link is not as it was sent: its signature does not fit",
                "Open it from the mail itself; a copy may have lost its end.",
            )
        try:
            found, expiry, *words = json.loads(_decoded(payload))
        except (ValueError, binascii.Error) as error:
            raise RefusedError("The link is signed and says nothing that can be read") from error
        if found != purpose:
            raise RefusedError(
                f"The link is for '{found}' and not for '{purpose}'", "Use the link that is for it."
            )
        if now.timestamp() >= expiry:
            raise RefusedError(
                "The link has expired",
                "Say it with `clientlore feedback give`, or in a newer mail.",
            )
        return tuple(words)

    def _mac(self, payload: str) -> str:
        return _encoded(hmac.digest(self.key, payload.encode(), "sha256")[:_MAC_BYTES])


def signer_of(settings: Settings) -> Signer:
    """Signs with `CLIENTLORE_SECRET`, else with the key of the home, which is drawn when it is first needed.

    Raises:
        StoreError: The key of the home cannot be read or written.
    """
    if settings.secret is not None:
        return Signer(settings.secret.get_secret_value().encode())
    path = settings.home / KEY_FILE
    try:
        if not path.exists():
            _draw(path)
        key = path.read_bytes()
    except OSError as error:
        raise StoreError(
            f"The key {path} cannot be used ({error.strerror})",
            "Make it readable, or set CLIENTLORE_SECRET.",
        ) from error
    if len(key) != _KEY_BYTES:
        raise StoreError(
            f"{path} is no key: it has {len(key)} bytes and not {_KEY_BYTES}",
            "Put the copy back, or remove it: then links that were mailed are refused.",
        )
    return Signer(key)


def _draw(path: Path) -> None:
    """A new key under its name at once and whole; where another process was quicker, its key stays."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
        with contextlib.suppress(FileExistsError):
            os.link(unfinished, path)
    finally:
        unfinished.unlink()


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
