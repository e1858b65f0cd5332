"""Reading a mail: who wrote it to whom and when, what it belongs to, what it says, what hangs on it."""

from __future__ import annotations

import email.policy
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import AddressHeader, DateHeader
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

from clientlore.errors import BadDataError
from clientlore.ids import sha256

_BLOCKS = "p, br, div, li, tr, h1, h2, h3, h4, h5, h6, blockquote, pre, table, section, article"
_QUOTED = re.compile(r"^\s*>")
_QUOTES_BELOW = re.compile(r"^\s*(?:on|am|le|el)\b.{5,200}:\s*$", re.IGNORECASE)
_LABELS = ("X-Gmail-Labels", "X-Keywords", "Keywords")
# What Python's own parser raises over heads that no mail program writes.
_FAULTS = (AssertionError, AttributeError, IndexError, LookupError, MessageError, TypeError, ValueError)  # fmt: skip
_ID = re.compile(r"<([^<>\s]{1,250})>")


@dataclass(frozen=True)
class Mail:
    """A mail.

    Attributes:
        sender: Its address, in small letters; `sender_name` as it is written.
        thread_id: The message with which its thread began, as far as it says.
        attachments: Name, type and size in bytes of each.
    """

    message_id: str
    subject: str
    sender: str | None
    sender_name: str | None
    to: tuple[str, ...]
    cc: tuple[str, ...]
    date: datetime | None
    thread_id: str
    labels: tuple[str, ...]
    attachments: tuple[dict[str, Any], ...]
    body: str

    def head(self) -> dict[str, Any]:
        """What is kept beside its text, as JSON."""
        return {
            "from": self.sender,
            "from_name": self.sender_name,
            "to": list(self.to),
            "cc": list(self.cc),
            "date": None if self.date is None else self.date.isoformat(),
            "message_id": self.message_id,
            "thread_id": self.thread_id,
            "labels": list(self.labels),
            "has_attachments": bool(self.attachments),
            "attachments": list(self.attachments),
        }

    def archive_text(self) -> str:
        """From, to, subject, date, an empty line, and what it says."""
        told = [
            f"From: {self.sender_name or self.sender or ''}",
            f"To: {', '.join(self.to)}",
            f"Subject: {self.subject}",
            f"Date: {self.date.isoformat() if self.date else ''}",
        ]
        return "\n".join(told) + f"\n\n{self.body}"


def parse(data: bytes) -> Mail:
    """A mail from its bytes.

    Raises:
        BadDataError: They are no mail.
    """
    try:
        return _parsed(data)
    except _FAULTS as error:
        raise BadDataError(
            f"A mail cannot be read ({type(error).__name__} in its head or its parts)",
            "Save it again with a mail program, or give its text.",
        ) from error


def _parsed(data: bytes) -> Mail:
    message = BytesParser(policy=email.policy.default).parsebytes(data)
    assert isinstance(message, EmailMessage)
    if not any(name in message for name in ("From", "To", "Date", "Subject", "Message-ID")):
        raise BadDataError(
            "A mail has neither sender, recipient, date nor subject",
            "Give it as its server keeps it (.eml), with its head.",
        )
    senders = _people(message, "From")
    own = _ids(message, "Message-ID")
    message_id = own[0] if own else f"sha256-{sha256(data)}"
    began = [*_ids(message, "References"), *_ids(message, "In-Reply-To"), message_id]
    return Mail(
        message_id=message_id,
        subject=_header(message, "Subject") or "(no subject)",
        sender=senders[0][1] if senders else None,
        sender_name=(senders[0][0] or None) if senders else None,
        to=tuple(address for _, address in _people(message, "To")),
        cc=tuple(address for _, address in _people(message, "Cc")),
        date=_date(message),
        thread_id=_header(message, "X-GM-THRID") or began[0],
        labels=_labels(message),
        attachments=_attachments(message),
        body=_body(message),
    )


def text_of_html(markup: str) -> str:
    """The text of a page: its headings marked as in Markdown, its blocks apart, without scripts and navigation."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(markup)
    for node in tree.css("head, script, style, noscript, template, iframe, nav"):
        node.decompose()
    body = tree.body
    if body is None:
        return ""
    for node in tree.css("pre"):
        node.insert_before("\n\n")
    for node in tree.css(_BLOCKS):
        ranked = re.fullmatch(r"h([1-6])", node.tag or "")
        level = int(ranked[1]) if ranked else 0
        node.insert_before(f"\n\n{'#' * level} " if level else "\n\n")
        node.insert_after("\n\n")
    lines = (" ".join(line.split()) for line in body.text(deep=True, separator="").split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def without_quotes(body: str) -> str:
    """A mail's own words: what it quotes of others stands in their mails. All of it where it has none of its own."""
    lines = body.splitlines()
    kept: list[str] = []
    for n, line in enumerate(lines):
        following = next((one for one in lines[n + 1 : n + 4] if one.strip()), "")
        if _QUOTED.match(line) or (_QUOTES_BELOW.match(line) and _QUOTED.match(following)):
            continue
        kept.append(line)
    own = "\n".join(kept).strip()
    return own or body.strip()


def _body(message: EmailMessage) -> str:
    part = message.get_body(preferencelist=("plain", "html"))
    if part is None:
        return ""
    said = _content(part)
    return without_quotes(text_of_html(said) if part.get_content_type() == "text/html" else said)


def _content(part: Any) -> str:
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError, KeyError):
        # A charset that nobody knows.
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", errors="replace") if isinstance(payload, bytes) else ""


def _attachments(message: EmailMessage) -> tuple[dict[str, Any], ...]:
    found = []
    for part in message.iter_attachments() if message.is_multipart() else ():
        payload = part.get_payload(decode=True)
        found.append(
            {
                "name": (part.get_filename() or "")[:255],
                "type": part.get_content_type(),
                "size": len(payload) if isinstance(payload, bytes) else 0,
            }
        )
    return tuple(found)


def _people(message: EmailMessage, name: str) -> list[tuple[str, str]]:
    try:
        headers = [h for h in message.get_all(name, []) if isinstance(h, AddressHeader)]
        found = [(a.display_name, a.addr_spec) for h in headers for a in h.addresses]
    except _FAULTS:
        raw = [str(value) for key, value in message.raw_items() if key.lower() == name.lower()]
        found = getaddresses(raw)
    return [(said, address.lower()) for said, address in found if address not in {"", "<>"}]


def _date(message: EmailMessage) -> datetime | None:
    header = message["Date"]
    found = header.datetime if isinstance(header, DateHeader) else None
    if found is None and header:
        try:
            found = parsedate_to_datetime(str(header))
        except ValueError:
            return None
    if found is None:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def _labels(message: EmailMessage) -> tuple[str, ...]:
    said = ",".join(_header(message, name) for name in _LABELS)
    return tuple(dict.fromkeys(label.strip()[:255] for label in said.split(",") if label.strip()))


def _ids(message: EmailMessage, name: str) -> list[str]:
    said = _header(message, name)
    return _ID.findall(said) or said.split()[:1]


def _header(message: EmailMessage, name: str) -> str:
    return " ".join(str(message.get(name, "")).split())
