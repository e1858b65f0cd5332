"""Asks Salesforce something and dies at a moment of the renewal of its token: `python -m ... MOMENT`.

Moments: `asking` (before the token is used), `answered` (it is used up, and nothing is stored), `writing` (the new one
is in a file without its name), `stored` (it has its name), `never`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from random import Random
from typing import Any

from clientlore.clock import SystemClock
from clientlore.providers.crm.salesforce_line import Line
from clientlore.providers.crm.salesforce_login import Login
from clientlore.providers.crm.token_store import TokenStore
from clientlore.providers.http import Http, open_client
from clientlore.settings import Settings, load_settings

MOMENTS = ("asking", "answered", "writing", "stored")


def _before(owner: Any, name: str) -> None:
    kept = getattr(owner, name)

    def dying(*given: Any, **named: Any) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)
        return kept(*given, **named)

    setattr(owner, name, dying)


def _after(owner: Any, name: str) -> None:
    kept = getattr(owner, name)

    def dying(*given: Any, **named: Any) -> Any:
        kept(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, dying)


async def _ask(settings: Settings) -> None:
    async with open_client(5, settings.ca_path) as client:
        http = Http(client, clock=SystemClock(), rng=Random(1))
        await Line(settings, http).call(lambda sf: sf.query("SELECT Id FROM Account"))


def main(moment: str) -> None:
    """Does it."""
    if moment == "asking":
        kept = Login.__init__

        def made(self: Login, settings: Settings, session: Any, _post: Any) -> None:
            async def post(_form: dict[str, str]) -> Any:
                os.kill(os.getpid(), signal.SIGKILL)

            kept(self, settings, session, post)

        Login.__init__ = made  # type: ignore[method-assign]
    elif moment == "answered":
        _before(TokenStore, "write")
    elif moment == "writing":
        _before(Path, "replace")
    elif moment == "stored":
        _after(TokenStore, "write")
    asyncio.run(_ask(load_settings()))


if __name__ == "__main__":
    main(sys.argv[1])
