"""From the bytes of a document to its text. Nothing here is fetched, run or followed."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.etree import ElementTree as Xml

from clientlore.errors import BadDataError
from clientlore.memory.documents import mail
from clientlore.memory.documents.model import MOST_CHARACTERS, NewDocument, too_large

MOST_UNPACKED = 50_000_000
"""Bytes that the text inside of a packed file may unpack to."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufeff]")
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_HEADING_STYLE = re.compile(r"^(?:heading|berschrift|titre|title)\D*(\d)?", re.IGNORECASE)


@dataclass(frozen=True)
class Extracted:
    """What a document says.

    Attributes:
        name: What it calls itself, if it does: the subject of a mail.
        date: When it says that it is from.
        mail: What a mail's head says.
    """

    text: str
    name: str | None = None
    date: datetime | None = None
    mail: Mapping[str, Any] | None = None


def extracted(document: NewDocument) -> Extracted:
    """What a checked document says.

    Raises:
        BadDataError: It is not what its type says, has no text, or has too much of it.
    """
    read = _READERS.get(document.type or "", _plain)
    found = read(document)
    text = _CONTROL.sub("", found.text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if not text:
        raise BadDataError(
            f"Document '{document.id_at_origin}' has no text in it",
            "If it is a scan, give a copy with recognised text.",
        )
    if len(text) > MOST_CHARACTERS:
        raise too_large(document.id_at_origin, f"{len(text):,} characters", f"{MOST_CHARACTERS:,}")
    return Extracted(text, found.name, found.date, found.mail)


def decoded(data: bytes, what: str) -> str:
    """Text from bytes in UTF-8, in UTF-16 with its mark, or else in Windows-1252.

    Raises:
        BadDataError: They are no text.
    """
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return data.decode("utf-16", errors="replace")
    if b"\x00" in data:
        raise BadDataError(
            f"Document '{what}' is no text", "Give its type, or convert it to a text file."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _plain(document: NewDocument) -> Extracted:
    return Extracted(decoded(document.data, document.id_at_origin))


def _html(document: NewDocument) -> Extracted:
    return Extracted(mail.text_of_html(decoded(document.data, document.id_at_origin)))


def _email(document: NewDocument) -> Extracted:
    told = mail.parse(document.data)
    return Extracted(told.archive_text(), told.subject, told.date, told.head())


def _docx(document: NewDocument) -> Extracted:
    try:
        with zipfile.ZipFile(io.BytesIO(document.data)) as packed:
            size = packed.getinfo("word/document.xml").file_size
            if size > MOST_UNPACKED:
                raise too_large(document.id_at_origin, f"{size:,} bytes", f"{MOST_UNPACKED:,}")
            content = packed.read("word/document.xml")
        if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
            raise _broken(document, "Word document: it declares entities")
        root = Xml.fromstring(content)  # noqa: S314 - without entities there is nothing to expand
    except (zipfile.BadZipFile, KeyError, Xml.ParseError, RuntimeError, ValueError) as error:
        raise _broken(document, f"Word document ({type(error).__name__})") from error
    return Extracted("\n\n".join(filter(None, map(_paragraph, root.iter(f"{_WORD}p")))))


def _paragraph(paragraph: Xml.Element) -> str:
    said = []
    for node in paragraph.iter():
        if node.tag == f"{_WORD}t":
            said.append(node.text or "")
        elif node.tag in {f"{_WORD}tab", f"{_WORD}br"}:
            said.append(" ")
    text = "".join(said).strip()
    style = paragraph.find(f"{_WORD}pPr/{_WORD}pStyle")
    heading = _HEADING_STYLE.match(style.get(f"{_WORD}val", "")) if style is not None else None
    return f"{'#' * min(6, int(heading[1] or 1))} {text}" if heading and text else text


def _pdf(document: NewDocument) -> Extracted:
    try:
        from pypdf import PdfReader
        from pypdf.errors import PyPdfError
    except ImportError:
        raise BadDataError(
            f"Document '{document.id_at_origin}' is a PDF, and nothing is installed that reads it",
            "Install clientlore[pdf], or convert it to text.",
        ) from None
    pages: list[str] = []
    try:
        reader = PdfReader(io.BytesIO(document.data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise _broken(document, "PDF without its password")
        for page in reader.pages:
            pages.append(page.extract_text())
            if sum(map(len, pages)) > MOST_CHARACTERS:
                break
    except BadDataError:
        raise
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        # What is wrong in a PDF shows itself in as many ways as there are of writing one.
        raise _broken(document, f"PDF ({type(error).__name__})") from error
    return Extracted("\n\n".join(pages))


def _broken(document: NewDocument, what: str) -> BadDataError:
    return BadDataError(
        f"Document '{document.id_at_origin}' cannot be read as {what}",
        "Open it, save it again, or convert it to text.",
    )


_READERS: Mapping[str, Callable[[NewDocument], Extracted]] = {
    "html": _html,
    "email": _email,
    "docx": _docx,
    "pdf": _pdf,
}
