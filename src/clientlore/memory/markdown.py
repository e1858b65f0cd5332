"""Text from outside inside Markdown: escaped unless somebody says that it is Markdown already.

Here: what keeps a stranger's words from becoming a link, a heading, HTML or a table cell. Not here: what a
document says (`dossiers`, the templates).
"""

from __future__ import annotations

import functools
import re
from urllib.parse import quote

import jinja2

_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Overrides of writing direction: they make text read other than it is. Joiners stay, since scripts need them."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SPECIAL = re.compile(r"[\\`*_\[\]<>|~#]")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_MATH = re.compile(r"\$(?!\d)")
"""Between two of them some readers set mathematics; one before a digit never closes such a span."""
_LINK = re.compile(r"(?<=\w)\.(?=[^\W\d_])|(?<=[A-Za-z]):(?=\S)")
_OPENS_BLOCK = re.compile(r"^(?:[-+=:]|\d+(?=[.)](?:\s|$)))")
_HARMLESS = re.compile(r"[A-Za-z][A-Za-z0-9,;()'\"%/-]*(?:\.? [A-Za-z0-9,;()'\"%/-]+)*\.?")
"""Most of what is written: words with single spaces between them, in which nothing has to be escaped."""
_WEB = re.compile(r"https?://[^\s/]", re.IGNORECASE)


class Marked(str):
    """Text that is Markdown already, and goes into a document as it is."""

    __slots__ = ()


def text(value: object) -> Marked:
    """Any value as plain words on one line: nothing in it is markup, and nothing in it becomes a link."""
    if isinstance(value, Marked):
        return value
    words = str(value)
    if _HARMLESS.fullmatch(words):
        return Marked(words)
    plain = _one_line(_BIDI.sub("", words))
    escaped = _SPECIAL.sub(r"\\\g<0>", plain)
    escaped = _ENTITY.sub(r"\&", escaped)
    escaped = _MATH.sub(r"\$", escaped)
    # Addresses in plain words become links in most readers; those of mail even where they are escaped.
    escaped = _LINK.sub(r"\\\g<0>", escaped).replace("@", "@\u2060")
    opening = _OPENS_BLOCK.match(escaped)
    if opening is None:
        return Marked(escaped)
    start, end = opening.group(), opening.end()
    return Marked(f"\\{escaped}" if not start[0].isdigit() else f"{start}\\{escaped[end:]}")


def code(value: object) -> Marked:
    """Any value as a code span on one line; for ids, addresses and commands."""
    plain = _one_line(str(value))
    # In a table a bar ends the cell, in a code span too.
    plain = plain.replace("|", "\u2223")
    runs = [len(run) for run in re.findall(r"`+", plain)]
    fence = "`" * (max(runs, default=0) + 1)
    pad = " " if plain.startswith("`") or plain.endswith("`") or not plain else ""
    return Marked(f"{fence}{pad}{plain}{pad}{fence}")


def link(label: object, url: str | None) -> Marked:
    """A link, where the address is one of the web; else the label alone."""
    if url is None or not _WEB.match(url):
        return text(label)
    safe = quote(url, safe=":/?#@!$&'*+,;=%~-._[]")
    return Marked(f"[{text(label)}](<{safe}>)")


def to_file(label: object, path: str) -> Marked:
    """A link to a file of ours beside the document."""
    return Marked(f"[{text(label)}](<{quote(path, safe='/.-_')}>)")


@functools.cache
def templates(package: str) -> jinja2.Environment:
    """Templates of Markdown in a package: whatever is put into one is escaped unless it is `Marked`."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        # HTML escapes are wrong in Markdown: `finalize` escapes what every expression gives.
        autoescape=False,  # noqa: S701
        finalize=text,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"code": code, "link": link, "to_file": to_file}
    return environment


def _one_line(words: str) -> str:
    return " ".join(_CONTROL.sub(" ", words).split())
