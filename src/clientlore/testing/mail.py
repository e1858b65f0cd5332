"""A mail server on loopback that keeps what it is given and answers as it is told. Needs aiosmtpd (extra `test`)."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

Reply = Callable[[Envelope], str]
DROP = "drop"
"""A reply that is none: the server takes the message and breaks the connection."""


class _Controller(Controller):
    """On a port that the system chose, which the base class does not find out."""

    def _trigger_server(self) -> None:
        server: Any = self.server
        self.port = int(server.sockets[0].getsockname()[1])
        super()._trigger_server()  # type: ignore[no-untyped-call]


class MailServer:
    """Takes mail over SMTP.

    Attributes:
        messages: Envelopes that were accepted, in order.
        offered: How many messages were offered, accepted or not.
        on_rcpt: Answers RCPT; the default accepts.
        on_data: Answers DATA; the default accepts, and `DROP` accepts without saying so.
    """

    def __init__(self, *, login: tuple[str, str] | None = None) -> None:
        self.messages: list[Envelope] = []
        self.offered = 0
        self.on_rcpt: Callable[[str], str] = lambda _address: "250 OK"
        self.on_data: Reply = lambda _envelope: "250 2.0.0 queued as fake"
        self._needs_login = login is not None
        # A name, lest the machine's be looked up.
        options: dict[str, Any] = {"server_hostname": "mail.example"}
        if login is not None:
            user, password = login

            def check(
                _server: Any, _session: Any, _envelope: Any, _how: str, given: Any
            ) -> AuthResult:
                assert isinstance(given, LoginPassword)
                fits = given.login == user.encode() and given.password == password.encode()
                return AuthResult(success=fits, handled=fits)

            options |= {"authenticator": check, "auth_require_tls": False}
        self._controller = _Controller(self, hostname="127.0.0.1", port=0, **options)

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
        return int(self._controller.port)

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, session: Any, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answers MAIL: refused before a login, where one is asked for."""
        if self._needs_login and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Envelope, address: str, _options: Any
    ) -> str:
        """Answers RCPT."""
        reply = self.on_rcpt(address)
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: Any, _session: Any, envelope: Envelope) -> str:  # noqa: N802
        """Answers DATA."""
        self.offered += 1
        reply = self.on_data(envelope)
        if reply.startswith("250") or reply == DROP:
            self.messages.append(envelope)
        if reply == DROP:
            server.transport.abort()
        return reply
