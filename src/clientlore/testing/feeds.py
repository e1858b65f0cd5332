"""A web server on loopback that serves feeds, keeps a log of what it was asked, and misbehaves on demand."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from xml.sax.saxutils import escape, quoteattr

from clientlore.ids import sha256


@dataclass(frozen=True)
class Answer:
    """What the server says.

    Attributes:
        seconds: How long it keeps silent first.
        cut_after: Bytes after which it drops the connection.
        conditional: Whether it gives an ETag and answers 304 to whoever has it.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    cut_after: int | None = None
    conditional: bool = False

    @property
    def etag(self) -> str:
        """The ETag of the body."""
        return f'"{sha256(self.body)[:16]}"'


@dataclass(frozen=True)
class Asked:
    """One request."""

    path: str
    headers: Mapping[str, str]
    status: int


@dataclass(frozen=True)
class Entry:
    """An entry of a feed, with as little as one likes."""

    title: str | None = None
    text: str | None = None
    link: str | None = None
    guid: str | None = None
    published: datetime | None = None


class FeedServer:
    """Serves answers by path: always the same one, or one after another, the last one for ever.

    with FeedServer() as server:
        server.put("/acme.xml", Answer(rss("Acme", [Entry("Acme opens a plant")])))
        server.url("/acme.xml")
    """

    def __init__(self) -> None:
        self.log: list[Asked] = []
        self._answers: dict[str, list[Answer]] = {}
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._answer(self)

            def log_message(self, *arguments: Any) -> None:
                """Says nothing on standard error."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def put(self, path: str, *answers: Answer) -> str:
        """Sets what is said at a path; returns its address."""
        with self._lock:
            self._answers[path] = list(answers)
        return self.url(path)

    def url(self, path: str) -> str:
        """The address of a path."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{path}"

    def asked(self, path: str | None = None) -> list[Asked]:
        """What was asked, in order; of one path or of all."""
        with self._lock:
            return [a for a in self.log if path is None or a.path == path]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        with self._lock:
            waiting = self._answers.get(handler.path, [])
            answer = waiting[0] if waiting else Answer(b"not here", 404)
            if len(waiting) > 1:
                waiting.pop(0)
        known = answer.conditional and handler.headers.get("If-None-Match") == answer.etag
        status = 304 if known else answer.status
        headers = {k.lower(): v for k, v in handler.headers.items()}
        with self._lock:
            self.log.append(Asked(handler.path, headers, status))
        time.sleep(answer.seconds)
        body = b"" if known else answer.body
        try:
            handler.send_response(status)
            for name, value in answer.headers.items():
                handler.send_header(name, value)
            if answer.conditional:
                handler.send_header("ETag", answer.etag)
            if status != 304:
                handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body[: answer.cut_after])
            if answer.cut_after is not None:
                handler.close_connection = True
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True


def rss(title: str, entries: Iterable[Entry], *, encoding: str = "utf-8") -> bytes:
    """An RSS 2.0 feed."""
    items = "".join(
        "<item>"
        + _element("title", entry.title)
        + _element("description", entry.text)
        + _element("link", entry.link)
        + _element("guid", entry.guid, isPermaLink="false")
        + _element("pubDate", format_datetime(entry.published) if entry.published else None)
        + "</item>"
        for entry in entries
    )
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?><rss version="2.0"><channel>'
        f"{_element('title', title)}<link>http://127.0.0.1/</link>{items}</channel></rss>"
    )
    return text.encode(encoding)


def atom(title: str, entries: Sequence[Entry]) -> bytes:
    """An Atom feed."""
    items = "".join(
        "<entry>"
        + _element("title", entry.title)
        + _element("id", entry.guid)
        + (f"<link href={quoteattr(entry.link)}/>" if entry.link else "")
        + _element("summary", entry.text)
        + _element("updated", entry.published.isoformat() if entry.published else None)
        + "</entry>"
        for entry in entries
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom">'
        f"{_element('title', title)}{items}</feed>"
    ).encode()


def _element(name: str, value: str | None, **attributes: str) -> str:
    if value is None:
        return ""
    told = "".join(f" {key}={quoteattr(text)}" for key, text in attributes.items())
    return f"<{name}{told}>{escape(value)}</{name}>"
