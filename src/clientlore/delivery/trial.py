"""One mail to see whether mail leaves: asked for by a person, so it needs no tenant that allows sending."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr

from clientlore.control.audit import Audit
from clientlore.delivery.outbox import Message
from clientlore.delivery.transports import Receipt, TransportError, smtp_transport, wire_address
from clientlore.errors import ConfigurationError
from clientlore.ids import new_id
from clientlore.workspace import Workspace


def send_trial(workspace: Workspace, audit: Audit, address: str) -> Receipt:
    """Sends a short mail over the configured SMTP, past the outbox. The attempt is on record before a byte leaves.

    Args:
        workspace: Its settings say how.
        audit: Who asks.
        address: To whom.

    Raises:
        ConfigurationError: No sender is named.
        TransportError: The server did not take it, or nobody knows.
    """
    smtp = workspace.settings.smtp
    sender = smtp.from_email
    if sender is None:
        raise ConfigurationError(
            "No mail can be sent: no sender is configured",
            "Set SMTP_FROM_EMAIL, SMTP_HOST, SMTP_PORT, SMTP_USERNAME and SMTP_PASSWORD in the environment or in .env.",
        )
    now, token = workspace.clock.now(), new_id()[:8]
    mail = EmailMessage(policy=SMTP)
    mail["Message-ID"] = f"<trial.{token}@{sender.rpartition('@')[2]}>"
    mail["Date"] = format_datetime(now)
    mail["Subject"] = f"Clientlore: test mail {token}"
    mail["From"] = formataddr((smtp.from_name, wire_address(sender)))
    mail["To"] = wire_address(address)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(
        f"This is a test of {smtp.host}:{smtp.port}, sent by `clientlore doctor --send-test-mail`.\n"
        "If you read this, Clientlore can send mail.\n",
        cte="quoted-printable",
    )
    message = Message(
        outbox_id=token,
        tenant_id="",
        recipient=address,
        channel="smtp",
        message_id=str(mail["Message-ID"]),
        file_name="",
        blob="",
        attempt=1,
        created_at=now,
    )
    _log(workspace, audit, "send_test_mail", message, {"server": f"{smtp.host}:{smtp.port}"})
    try:
        with smtp_transport(smtp) as transport:
            receipt = transport.send(message, mail.as_bytes())
    except TransportError as error:
        _log(workspace, audit, "test_mail_refused", message, {"verdict": error.verdict})
        raise
    _log(workspace, audit, "test_mail_taken", message, {"code": receipt.code})
    return receipt


def _log(
    workspace: Workspace, audit: Audit, action: str, message: Message, changes: dict[str, object]
) -> None:
    # The address is personal and the log outlives the person; the Message-ID finds the mail in the server's log.
    with workspace.control.write() as connection:
        audit.log(connection, action, "mail", message.message_id, tenant_id=None, changes=changes)
