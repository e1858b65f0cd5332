"""From lines to a mail: HTML and text with the same items, and the headers that mail servers expect.

Everything from outside is escaped by Jinja2. The mail is the same bytes whenever it is rendered from the same
lines at the same instant.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import jinja2

from clientlore.control.model import Mode
from clientlore.delivery.transports import wire_address
from clientlore.digests.content import Section
from clientlore.digests.windows import Window
from clientlore.ids import stable_id
from clientlore.taxonomy import CATEGORIES, label

FALLBACK_SENDER = "clientlore@localhost"
# With the usual 78 characters the library would put a long subject on a line of its own, behind an empty first one.
POLICY = SMTP.clone(max_line_length=240)


@dataclass(frozen=True)
class Sender:
    """Who the mail is from, and where one writes to be left out."""

    email: str
    name: str

    @property
    def domain(self) -> str:
        """The domain of the address."""
        return self.email.rpartition("@")[2] or "localhost"


@dataclass(frozen=True)
class Digest:
    """What a digest says, ready to be rendered."""

    window: Window
    tenant_name: str
    mode: Mode
    reader_name: str
    recipient: str
    timezone: str
    sections: tuple[Section, ...]
    more: int
    closed_at: datetime

    @property
    def count(self) -> int:
        """How many lines."""
        return sum(len(section.lines) for section in self.sections)


@dataclass(frozen=True)
class Rendered:
    """A mail."""

    message_id: str
    file_name: str
    subject: str
    html: str
    text: str
    data: bytes


def render(digest: Digest, sender: Sender) -> Rendered:
    """Renders a digest."""
    message_id, token = message_id_for(digest.window, digest.recipient, sender.domain)
    subject = subject_of(digest)
    values = {
        "digest": digest,
        "subject": subject,
        "when": _When(digest.timezone),
        "categories": CATEGORIES,
        "unsubscribe": sender.email,
        "preheader": ", ".join(s.name for s in digest.sections)[:100],
    }
    html = _inlined(_templates().get_template("digest.html.j2").render(values))
    text = _templates().get_template("digest.txt.j2").render(values)
    message = _message(digest, sender, message_id, subject)
    message.set_content(text, cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    # The library would draw a random boundary; the same digest shall be the same bytes.
    message.set_boundary(f"=_clientlore_{token}")
    day = digest.closed_at.astimezone(UTC).date()
    file_name = f"{day.isoformat()}-{digest.window.tenant_id}-{digest.window.frequency}-{token}.eml"
    return Rendered(message_id, file_name, subject, html, text, message.as_bytes(policy=POLICY))


def message_id_for(window: Window, recipient: str, domain: str) -> tuple[str, str]:
    """The Message-ID of a window's mail to an address, and the token in it: fixed before the first attempt."""
    token = stable_id(window.window_id, recipient, size=8)
    return f"<digest.{window.frequency}.{token}@{domain}>", token


def subject_of(digest: Digest) -> str:
    """`3 news about Acme and Globex`, marked where the data is made up."""
    names = [section.name for section in digest.sections]
    about = names[0] if len(names) == 1 else f"{names[0]} and {names[1]}"
    if len(names) > 2:
        about = f"{names[0]}, {names[1]} and {len(names) - 2} more"
    found = f"{digest.count} {'item' if digest.count == 1 else 'items'} about {about}"
    return one_line(f"[Sample data] {found}" if digest.mode == "mock" else found)


def one_line(text: str) -> str:
    """Text for a header: no line breaks, no control characters, and not endless."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:200]


def _message(digest: Digest, sender: Sender, message_id: str, subject: str) -> EmailMessage:
    message = EmailMessage(policy=POLICY)
    message["Message-ID"] = message_id
    message["Date"] = format_datetime(digest.closed_at)
    message["Subject"] = subject
    message["From"] = _address(sender.name, sender.email)
    message["To"] = _address(digest.reader_name, digest.recipient)
    tenant = digest.window.tenant_id
    message["List-Id"] = f"<{tenant}.digest.{sender.domain}>"
    message["List-Unsubscribe"] = f"<mailto:{sender.email}?subject=unsubscribe%20{tenant}>"
    message["Auto-Submitted"] = "auto-generated"
    message["Precedence"] = "bulk"
    message["X-Clientlore-Window"] = digest.window.window_id
    message["X-Clientlore-Data"] = digest.mode
    return message


def _address(name: str, email: str) -> Address:
    local, _, domain = wire_address(email).rpartition("@")
    return Address(one_line(name), local, domain)


class _When:
    """Instants as a reader sees them: in their own zone, with its name."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)

    def __call__(self, at: datetime | None) -> str:
        if at is None:
            return "no date"
        local = at.astimezone(self._zone)
        return f"{local:%a} {local.day} {local:%b %Y, %H:%M} {local.tzname()}"

    def day(self, at: datetime) -> str:
        """`Friday 20 November 2026`."""
        local = at.astimezone(self._zone)
        return f"{local:%A} {local.day} {local:%B %Y}"


@functools.cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("clientlore.digests"),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["label"] = label
    return environment


def _inlined(html: str) -> str:
    import css_inline

    return css_inline.CSSInliner(
        load_remote_stylesheets=False, keep_style_tags=True, keep_at_rules=True
    ).inline(html)
