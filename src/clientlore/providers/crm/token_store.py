"""The newest tokens of a login, in a file that only its owner may read, replaced whole.

A refresh token may work once: whoever uses it must have the next one on disk before anything else happens. Who renews
holds the lock meanwhile, so that two processes do not use one token twice.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from clientlore.errors import RetriableError, StoreError
from clientlore.ids import stable_id
from clientlore.storage.files import sweep_partials, write_bytes

PATIENCE = 120.0
"""Seconds to wait for another process that renews a token."""


@dataclass(frozen=True)
class Tokens:
    """What a login gave.

    Attributes:
        client_id: The app that it was given to.
        beside: A mark of the token that the environment held then. While it holds that one still, these are newer.
    """

    client_id: str
    instance_url: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    beside: str = ""


def mark(token: str | None) -> str:
    """Tells two tokens apart without telling either."""
    return stable_id("refresh-token", token, size=8) if token else ""


class TokenStore:
    """One login's tokens."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Tokens | None:
        """The newest tokens; None where nobody has logged in.

        Raises:
            StoreError: The file cannot be read, or is not what this program wrote.
        """
        try:
            return Tokens(**json.loads(self.path.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise StoreError(
                f"The tokens in {self.path} cannot be read ({type(error).__name__})",
                "Log in again with `clientlore crm login`.",
            ) from None

    def write(self, tokens: Tokens) -> None:
        """Replaces them; after a crash the old ones or the new ones are there.

        Raises:
            StoreError: The disk is full or the folder cannot be written.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # What a killed writer left holds a token too.
        sweep_partials(self.path.parent)
        write_bytes(self.path, json.dumps(asdict(tokens), indent=1).encode(), mode=0o600)

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Keeps others from renewing meanwhile; freed when the holder dies.

        Raises:
            RetriableError: Somebody else held it for too long.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(self.path.with_suffix(".lock"), thread_local=False)
        try:
            await asyncio.to_thread(lock.acquire, timeout=PATIENCE, poll_interval=0.05)
        except Timeout:
            raise RetriableError(
                "Another process has been renewing the Salesforce token for too long",
                "Look for a run that hangs: `clientlore status`.",
            ) from None
        try:
            yield
        finally:
            lock.release()
