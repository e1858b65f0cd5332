"""What a document is, what it may be at most, and what each of those who give one wrong is told."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePath
from typing import Any

from clientlore.errors import BadDataError
from clientlore.memory.kinds import TIERS

TYPES = (
    "pdf",
    "markdown",
    "code",
    "text",
    "html",
    "docx",
    "email",
    "report",
    "chat",
    "presentation",
    "legal_document",
    "technical_doc",
    "business_report",
    "unknown",
)
"""The types a document may have. They decide how it is read and cut; those without a rule of their own are text."""
MOST_CHARACTERS = 1_000_000
MOST_BYTES = 10_000_000
MOST_METADATA_BYTES = 64 * 1024
MOST_NAME = 255
OWNER_ID = re.compile(r"^[A-Za-z0-9_\-.]{1,64}\Z")
_SUFFIXES: Mapping[str, str] = {
    ".pdf": "pdf",
    ".docx": "docx",
    ".eml": "email",
    **dict.fromkeys((".md", ".markdown"), "markdown"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    **dict.fromkeys((".txt", ".text", ".log", ".csv", ".tsv", ".rst"), "text"),
    **dict.fromkeys(
        (
            *(".py", ".js", ".ts", ".java", ".go", ".rs", ".c", ".h", ".cpp", ".cs", ".rb", ".php"),
            *(".sql", ".sh", ".yaml", ".yml", ".toml", ".json", ".xml"),
        ),
        "code",
    ),
}


@dataclass(frozen=True)
class NewDocument:
    """A document that somebody gives.

    Attributes:
        owner_id: Whom it is about: letters, digits, `_`, `-` and `.`, at most 64.
        id_at_origin: Its id where it comes from; the same owner and id again replaces it.
        name: For people; what is no part of a file's name is taken out.
        content: Its bytes, or its text; at most 10 MB, and 1,000,000 characters once it is read.
        type: One of `TYPES`; by the name's suffix if not given.
        date: When it is from; that of the mail where it is a mail and nothing is given.
        metadata: JSON, at most 64 kB.
        security: Tier of security; general if not given.
    """

    owner_id: str
    id_at_origin: str
    name: str
    content: bytes | str
    type: str | None = None
    date: datetime | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    security: str | None = None

    @property
    def data(self) -> bytes:
        """Its bytes."""
        return self.content.encode() if isinstance(self.content, str) else self.content

    def checked(self) -> NewDocument:
        """Itself, with a type and a clean name.

        Raises:
            BadDataError: It cannot be kept; the message says why, and what may be done.
        """
        if not OWNER_ID.match(self.owner_id):
            raise BadDataError(
                f"'{self.owner_id[:80]}' cannot be the owner of a document",
                "Use up to 64 letters, digits, _, - and .",
            )
        if not 1 <= len(self.id_at_origin) <= 200 or not _is_storable(self.id_at_origin):
            raise BadDataError(
                f"A document of '{self.owner_id}' has no usable id at its origin",
                "Give 1 to 200 characters, without NUL.",
            )
        if isinstance(self.content, str) and not _is_storable(self.content, nul=True):
            raise _bad(self, "holds half a surrogate pair", "Give its bytes instead.")
        if len(self.content) > MOST_BYTES or len(self.data) > MOST_BYTES:
            raise too_large(self.id_at_origin, f"{len(self.data):,} bytes", f"{MOST_BYTES:,}")
        if not self.content:
            raise _bad(self, "is empty", "Give its content.")
        wanted = self.type or type_of(self.name)
        if wanted not in TYPES:
            raise _bad(self, f"has the unknown type '{wanted}'", f"Use one of {', '.join(TYPES)}.")
        if self.security is not None and self.security not in TIERS:
            raise _bad(self, f"has the unknown tier '{self.security}'", f"Use {', '.join(TIERS)}.")
        if self.date is not None and self.date.tzinfo is None:
            raise _bad(self, "has a date without a time zone", "Write 2026-11-20T09:00:00Z.")
        try:
            said = json.dumps(dict(self.metadata), ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise _bad(self, f"has metadata that is no JSON ({error})", "Correct it.") from None
        if len(said) > MOST_METADATA_BYTES or b"\\u0000" in said:
            raise _bad(self, "has metadata of more than 64 kB or with NUL", "Keep less with it.")
        return NewDocument(
            self.owner_id,
            self.id_at_origin,
            clean_name(self.name) or self.id_at_origin,
            self.content,
            wanted,
            self.date,
            json.loads(said),
            self.security,
        )


@dataclass(frozen=True)
class Added:
    """What became of a document that was given.

    Attributes:
        outcome: `added`, `replaced`, `known` (word for word what is there) or `failed`.
        chunks_created: Passages that are new or have another text.
        processing_time_ms: Reading, cutting and keeping it; the index not counted.
        error: Why it failed, and what to do.
    """

    owner_id: str
    id_at_origin: str
    outcome: str
    document_id: str | None = None
    chunks_created: int = 0
    processing_time_ms: float = 0.0
    error: str | None = None


@dataclass(frozen=True)
class Document:
    """A document as it is kept.

    Attributes:
        blob: SHA-256 of its bytes as they came.
        size: Its bytes; `characters` of its text; `chunks` its passages.
        mail: From, to, cc, date, thread, labels and attachments, where it is a mail.
        security: Its tier of security.
    """

    document_id: str
    owner_id: str
    id_at_origin: str
    name: str
    type: str
    date: datetime | None
    metadata: Mapping[str, Any]
    blob: str
    size: int
    characters: int
    chunks: int
    added_at: datetime
    changed_at: datetime
    mail: Mapping[str, Any] | None = None
    security: str = "general"


@dataclass(frozen=True)
class Passage:
    """A part of a document that is found by itself.

    Attributes:
        number: Its place, from 0.
        section: The places of the first and the last passage of its section, which is its parent.
        heading: What stands over the section.
    """

    number: int
    text: str
    section: tuple[int, int]
    heading: str | None = None


def type_of(name: str) -> str:
    """The type that the name of a file stands for; `text` where its suffix says nothing."""
    return _SUFFIXES.get(PurePath(name).suffix.lower(), "text")


def clean_name(name: str) -> str:
    """A name without path, control characters, or what no file system takes; at most 255 characters."""
    last = re.split(r"[\\/]", unicodedata.normalize("NFC", name).rstrip("\\/"))[-1]
    plain = "".join(" " if unicodedata.category(c) in {"Cc", "Cs", "Cf"} else c for c in last)
    return re.sub(r'[<>:"|?*\s]+', " ", plain).strip(" .")[:MOST_NAME]


def too_large(what: str, size: str, most: str) -> BadDataError:
    """The error of a document that is over a limit."""
    return BadDataError(
        f"Document too large: '{what}' has {size}, at most {most} are taken",
        "Split it, and give each part an id of its own.",
    )


def _bad(document: NewDocument, what: str, next_step: str) -> BadDataError:
    return BadDataError(f"Document '{document.id_at_origin}' {what}", next_step)


def _is_storable(text: str, *, nul: bool = False) -> bool:
    return (nul or "\x00" not in text) and not any("\ud800" <= c <= "\udfff" for c in text)
