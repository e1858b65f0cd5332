"""How a message leaves: into a folder, or over SMTP. A transport sends bytes and says what the other side said."""

from __future__ import annotations

import re
import smtplib
import ssl
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from clientlore.delivery.outbox import Message
from clientlore.errors import ConfigurationError
from clientlore.settings import SmtpSettings
from clientlore.storage.files import write_bytes

Verdict = Literal["deferred", "failed", "uncertain", "misconfigured"]
_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?![.\d])")
"""RFC 2034: it opens the text; further in, the same digits are an address or a version."""
_OUR_FAULT = frozenset({530, 534, 535, 538})
"""Replies about our account, not about the recipient (RFC 4954)."""
_OUR_FAULT_ENHANCED = frozenset({"5.7.8", "5.7.30"})


@dataclass(frozen=True)
class Receipt:
    """What the other side said when it took the message."""

    code: int
    reply: str


class TransportError(Exception):
    """The message was not taken, or nobody knows.

    Attributes:
        verdict: `deferred` (try later), `failed` (this recipient never), `uncertain` (it may have arrived),
            `misconfigured` (our account is refused: stop, and burn no recipients).
    """

    def __init__(self, verdict: Verdict, reply: str, code: int | None = None) -> None:
        super().__init__(reply)
        self.verdict = verdict
        self.code = code
        self.reply = reply[:500]


def wire_address(address: str) -> str:
    """The address as mail servers take it: a domain outside ASCII in its IDNA form."""
    local, _, domain = address.rpartition("@")
    try:
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return address


class Transport(Protocol):
    """Sends messages. Used as a context, so that a connection serves a batch."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def send(self, message: Message, data: bytes) -> Receipt:
        """Sends a message.

        Raises:
            TransportError: It was not taken, or nobody knows.
        """
        ...


class FolderTransport:
    """Writes each message to a folder under a name of its own: writing it twice leaves one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def send(self, message: Message, data: bytes) -> Receipt:
        """See `Transport.send`."""
        write_bytes(self._folder / message.file_name, data)
        return Receipt(250, f"written to {message.file_name}")


class SmtpTransport:
    """Sends over SMTP (RFC 5321), with TLS as configured, on one connection for a batch."""

    def __init__(
        self, settings: SmtpSettings, sender: str, context: ssl.SSLContext | None = None
    ) -> None:
        self._settings = settings
        self._sender = sender
        self._context = context or ssl.create_default_context()
        self._connection: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def send(self, message: Message, data: bytes) -> Receipt:
        """See `Transport.send`."""
        smtp = self._connected()
        asked = False
        try:
            code, said = smtp.mail(self._sender)
            if code != 250:
                raise _verdict(code, said)
            code, said = smtp.rcpt(wire_address(message.recipient))
            if code not in {250, 251}:
                raise _verdict(code, said)
            asked = True
            code, said = smtp.data(data)
            if code != 250:
                raise _verdict(code, said)
            return Receipt(code, _text(said))
        except TransportError:
            self._reset()
            raise
        except smtplib.SMTPDataError as error:
            self._reset()
            raise _verdict(error.smtp_code, error.smtp_error) from error
        except UnicodeEncodeError as error:
            self._reset()
            raise TransportError(
                "failed", "the address has letters outside ASCII before the @, which we do not send"
            ) from error
        except (smtplib.SMTPException, OSError) as error:
            self._drop()
            if asked:
                raise TransportError(
                    "uncertain", f"the connection broke while the message was handed over ({error})"
                ) from error
            raise TransportError("deferred", f"the connection broke ({error})") from error

    def _connected(self) -> smtplib.SMTP:
        if self._connection is not None:
            return self._connection
        settings = self._settings
        security = settings.security
        if security == "auto":
            security = "tls" if settings.port == smtplib.SMTP_SSL_PORT else "starttls"
        smtp: smtplib.SMTP | None = None
        try:
            if security == "tls":
                smtp = smtplib.SMTP_SSL(
                    settings.host,
                    settings.port,
                    timeout=settings.timeout_seconds,
                    context=self._context,
                )
            else:
                smtp = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_seconds)
            if security == "starttls":
                smtp.starttls(context=self._context)
            if settings.username is not None and settings.password is not None:
                smtp.login(settings.username, settings.password.get_secret_value())
            else:
                smtp.ehlo_or_helo_if_needed()
        except (smtplib.SMTPAuthenticationError, smtplib.SMTPNotSupportedError) as error:
            _close(smtp)
            raise TransportError(
                "misconfigured",
                f"{settings.host} refused our account ({_said(error)}); check SMTP_USERNAME, SMTP_PASSWORD "
                "and SMTP_SECURITY",
            ) from None
        except ssl.SSLError as error:
            _close(smtp)
            raise TransportError(
                "misconfigured", f"TLS with {settings.host} failed ({error.reason})"
            ) from error
        except (smtplib.SMTPException, OSError) as error:
            _close(smtp)
            raise TransportError(
                "deferred", f"{settings.host}:{settings.port} cannot be reached ({_said(error)})"
            ) from error
        self._connection = smtp
        return smtp

    def _reset(self) -> None:
        try:
            if self._connection is not None:
                self._connection.rset()
        except (smtplib.SMTPException, OSError):
            self._drop()

    def _drop(self) -> None:
        smtp, self._connection = self._connection, None
        if smtp is None:
            return
        try:
            smtp.quit()
        except (smtplib.SMTPException, OSError):
            _close(smtp)


def _verdict(code: int, said: bytes | str) -> TransportError:
    """What a reply means. The enhanced code (RFC 3463) beats the basic one."""
    text = _text(said)
    enhanced = _ENHANCED.match(text)
    if code in _OUR_FAULT or (enhanced and enhanced.group() in _OUR_FAULT_ENHANCED):
        return TransportError("misconfigured", text, code)
    temporary = enhanced[1] == "4" if enhanced else 400 <= code < 500
    return TransportError("deferred" if temporary else "failed", text, code)


def _text(said: bytes | str) -> str:
    return (said.decode("utf-8", "replace") if isinstance(said, bytes) else said).strip()


def _said(error: Exception) -> str:
    """What the server said; a login that failed is told without what we sent."""
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    return str(error) or type(error).__name__


def _close(smtp: smtplib.SMTP | None) -> None:
    if smtp is not None:
        smtp.close()


def smtp_transport(settings: SmtpSettings) -> SmtpTransport:
    """The configured SMTP transport.

    Raises:
        ConfigurationError: No sender is named.
    """
    if settings.from_email is None:
        raise ConfigurationError("No sender is configured", "Set SMTP_FROM_EMAIL.")
    return SmtpTransport(settings, settings.from_email)
