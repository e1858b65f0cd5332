"""Whether mail leaves, found out by sending one: for `clientlore doctor --send-test-mail`."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from clientlore.control.audit import Audit
from clientlore.control.tenant_values import Address
from clientlore.delivery.transports import TransportError
from clientlore.delivery.trial import send_trial
from clientlore.errors import ConfigurationError
from clientlore.runs.examining import Finding
from clientlore.workspace import Workspace


def try_mail(workspace: Workspace, audit: Audit, address: str) -> Finding:
    """Sends one mail over the configured SMTP; the finding says what the server answered.

    Raises:
        ConfigurationError: No sender is configured, or the address is none.
    """
    try:
        to = TypeAdapter(Address).validate_python(address)
    except ValidationError:
        raise ConfigurationError(
            f"'{address}' is no mail address", "Write it as ann@example.com."
        ) from None
    subject = f"test mail to {to}"
    try:
        receipt = send_trial(workspace, audit, to)
    except TransportError as error:
        code = f"{error.code} " if error.code else ""
        return Finding("no", subject, f"{code}{error.reply}", _MAIL_ADVICE[error.verdict])
    smtp = workspace.settings.smtp
    detail = f"{smtp.host}:{smtp.port} answered {receipt.code} {receipt.reply}"
    return Finding("ok", subject, detail, "Look into the inbox, and into the spam folder.")


_MAIL_ADVICE = {
    "misconfigured": "Check SMTP_USERNAME, SMTP_PASSWORD, SMTP_SECURITY and SMTP_FROM_EMAIL; "
    "many providers want an app password.",
    "deferred": "Check SMTP_HOST and SMTP_PORT and that this machine may reach them; or try again later.",
    "failed": "The server takes no mail for this address from this sender: check both, and SMTP_FROM_EMAIL.",
    "uncertain": "Look whether it arrived before you try again.",
}
