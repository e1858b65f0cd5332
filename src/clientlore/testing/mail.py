"""A mail server on loopback that keeps what it is given and answers as it is told. Needs aiosmtpd (extra `test`)."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

Reply = Callable[[Envelope], str]


class MailServer:
    """Takes mail over SMTP.

    Attributes:
        messages: Envelopes that were accepted, in order.
        offered: How many messages were offered, accepted or not.
        on_rcpt: Answers RCPT; the default accepts.
        on_data: Answers DATA; the default accepts.
    """

    def __init__(self, *, login: tuple[str, str] | None = None) -> None:
        self.messages: list[Envelope] = []
        self.offered = 0
        self.on_rcpt: Callable[[str], str] = lambda _address: "250 OK"
        self.on_data: Reply = lambda _envelope: "250 2.0.0 queued as fake"
        options: dict[str, Any] = {}
        if login is not None:
            user, password = login

            def check(
                _server: Any, _session: Any, _envelope: Any, _how: str, given: Any
            ) -> AuthResult:
                assert isinstance(given, LoginPassword)
                fits = given.login == user.encode() and given.password == password.encode()
                return AuthResult(success=fits, handled=fits)

            options = {"authenticator": check, "auth_required": True, "auth_require_tls": False}
        self._controller = Controller(self, hostname="127.0.0.1", port=0, **options)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._controller.stop()

    @property
    def port(self) -> int:
        """The port it listens on."""
        server: Any = self._controller.server
        return int(server.sockets[0].getsockname()[1])

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any
    ) -> str:
        """Answers RCPT."""
        reply = self.on_rcpt(address)
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802
        """Answers DATA."""
        self.offered += 1
        reply = self.on_data(envelope)
        if reply.startswith("250"):
            self.messages.append(envelope)
        return reply
