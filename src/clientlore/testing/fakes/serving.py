"""The application that the fakes are parts of: a log of what it was asked, faults on demand, real HTTP on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route


@dataclass(frozen=True)
class Asked:
    """One request as it came, and what was answered."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    status: int


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request.

    Attributes:
        status: Answered in place of the provider's own; None lets the provider answer.
        body: Said with that status.
        headers: Said with that status, such as `Retry-After`.
        seconds: Silence before any answer.
        cut_to: Bytes of the provider's own answer that come before it breaks off; None for all.
    """

    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    cut_to: int | None = None


class Fake:
    """What the parts share: the log, the faults still to come, and the state that each part keeps by its name."""

    def __init__(self, *, seed: int = 7) -> None:
        self.seed = seed
        self.log: list[Asked] = []
        self.state: dict[str, dict[str, object]] = defaultdict(dict)
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._lock = threading.Lock()

    def fail(self, prefix: str, *faults: Fault) -> None:
        """Lets the next requests whose path starts with a prefix go wrong, one fault each, in this order."""
        with self._lock:
            self._faults[prefix].extend(faults)

    def asked(self, prefix: str = "/") -> list[Asked]:
        """What was asked below a prefix, in order."""
        with self._lock:
            return [asked for asked in self.log if asked.path.startswith(prefix)]

    def take_fault(self, path: str) -> Fault | None:
        """The fault that the next request of a path meets, if any; the longest prefix counts."""
        with self._lock:
            for prefix in sorted(self._faults, key=len, reverse=True):
                if path.startswith(prefix) and self._faults[prefix]:
                    return self._faults[prefix].popleft()
        return None

    def pending(self) -> int:
        """How many faults are still to come."""
        with self._lock:
            return sum(len(faults) for faults in self._faults.values())

    def note(self, asked: Asked) -> None:
        """Writes a request to the log."""
        with self._lock:
            self.log.append(asked)


Part = Callable[[Fake], Sequence["Route"]]


def application(fake: Fake, parts: Sequence[Part]) -> Starlette:
    """The web application of some parts."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import Response as Plain

    async def watch(request: Request, answer: Callable[[Request], object]) -> Response:
        body = await request.body()
        fault = fake.take_fault(request.url.path)
        if fault is not None and fault.seconds:
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.status is not None:
            said: Response = Plain(fault.body, fault.status, dict(fault.headers))
        else:
            said = await answer(request)  # type: ignore[misc]
            if fault is not None and fault.cut_to is not None:
                whole = b"".join([chunk async for chunk in said.body_iterator])  # type: ignore[attr-defined]
                # Announced whole and sent in part would be a broken connection; this is a broken document.
                said = Plain(whole[: fault.cut_to], said.status_code, media_type=said.media_type)
        fake.note(
            Asked(
                request.method,
                request.url.path,
                dict(request.query_params),
                dict(request.headers),
                body,
                said.status_code,
            )
        )
        return said

    routes = [route for part in parts for route in part(fake)]
    return Starlette(routes=routes, middleware=[Middleware(BaseHTTPMiddleware, dispatch=watch)])


@contextlib.contextmanager
def serving(
    fake: Fake,
    parts: Sequence[Part],
    *,
    port: int = 0,
    certificate: tuple[str, str] | None = None,
) -> Iterator[str]:
    """Serves the parts on loopback while the block runs; gives the address, without a slash at its end.

    Args:
        fake: What they share.
        parts: Which providers.
        port: 0 for any free one.
        certificate: Files of a certificate and its key, to speak TLS.
    """
    import uvicorn

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    chain, key = certificate or (None, None)
    config = uvicorn.Config(
        application(fake, parts),
        log_level="warning",
        lifespan="off",
        ssl_certfile=chain,
        ssl_keyfile=key,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                msg = "the fake providers could not be started"
                raise RuntimeError(msg)
            time.sleep(0.01)
        scheme = "http" if certificate is None else "https"
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
