"""Cutting a text into passages: small ones that are found, in sections that give them their surroundings. Pure.

A section is the span of passages below one heading, or as many as fit. It is not stored a second time: it is the
passages from its first to its last, put together again, so that no search ever returns one text twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from clientlore.memory.documents.model import Passage

PASSAGE_CHARACTERS = 900
"""Characters that a passage has at most."""
SECTION_CHARACTERS = 4_000
"""Characters after which a section ends, if no heading ended it before."""
CHUNKER = 1
"""Grows when the same text is cut otherwise: a document that is given again is cut anew then."""
_HEADING = re.compile(r"^#{1,6}\s+(\S.*?)\s*#*$")
_FENCE = re.compile(r"^\s{0,3}(?:```|~~~)")
_SENTENCE = re.compile(r"[.!?…。]+[\"'»”)\]]*\s+")


def passages_of(text: str, document_type: str) -> list[Passage]:
    """The passages of a text, in their order; together they have every character of it but white space.

    Args:
        text: What the document says.
        document_type: Chats are cut between lines, code between its outermost blocks; everything else between
            paragraphs, with a section for each heading.
    """
    found: list[Passage] = []
    for heading, blocks in _sections(text, document_type):
        glue = "\n" if document_type == "chat" else "\n\n"
        texts = _packed(blocks, glue)
        start = 0
        for end in _ends(texts):
            first = len(found)
            last = first + end - start - 1
            found += [
                Passage(first + n, one, (first, last), heading)
                for n, one in enumerate(texts[start:end])
            ]
            start = end
    return found


def _sections(text: str, document_type: str) -> Iterator[tuple[str | None, list[str]]]:
    """Headings and the blocks below them; a heading stands in its first block too."""
    if document_type == "chat":
        yield None, [line for line in text.splitlines() if line.strip()]
        return
    if document_type == "code":
        yield None, _outermost(text)
        return
    heading: str | None = None
    lines: list[str] = []
    fenced = False
    for line in text.splitlines():
        fenced ^= bool(_FENCE.match(line))
        found = None if fenced else _HEADING.match(line)
        if found:
            yield heading, _paragraphs(lines)
            heading, lines = found[1][:200], []
        lines.append(line)
    yield heading, _paragraphs(lines)


def _paragraphs(lines: Sequence[str]) -> list[str]:
    joined = "\n".join(line.rstrip() for line in lines)
    return [block.strip("\n") for block in re.split(r"\n{2,}", joined) if block.strip()]


def _outermost(text: str) -> list[str]:
    """Code, cut where a line that is not indented follows an empty one."""
    lines = [line.rstrip() for line in text.splitlines()]
    starts = [
        n for n, line in enumerate(lines) if line and not line[0].isspace() and (not n or not lines[n - 1])
    ]  # fmt: skip
    bounds = [0, *(s for s in starts if s), len(lines)]
    blocks = ["\n".join(lines[a:b]).strip("\n") for a, b in pairwise(bounds)]
    return [block for block in blocks if block.strip()]


def _packed(blocks: Sequence[str], glue: str) -> list[str]:
    """Blocks, put together as far as they fit, and cut where one alone does not."""
    made: list[str] = []
    held: list[str] = []
    size = 0
    for piece in (piece for block in blocks for piece in _pieces(block)):
        if held and size + len(glue) + len(piece) > PASSAGE_CHARACTERS:
            made.append(glue.join(held))
            held, size = [], 0
        size += len(piece) + (len(glue) if held else 0)
        held.append(piece)
    if held:
        made.append(glue.join(held))
    return made


def _pieces(block: str) -> Iterator[str]:
    start = 0
    while len(block) - start > PASSAGE_CHARACTERS:
        window = block[start : start + PASSAGE_CHARACTERS]
        cut = _cut(window)
        if window[:cut].strip():
            yield window[:cut].strip()
        start += cut
    if block[start:].strip():
        yield block[start:].strip("\n") if not start else block[start:].strip()


def _cut(window: str) -> int:
    """Where to cut: after the last line or sentence of the second half, else after a word, else at the end."""
    half = len(window) // 2
    line = window.rfind("\n", half)
    if line >= 0:
        return line + 1
    ends = [m.end() for m in _SENTENCE.finditer(window, half)]
    if ends:
        return ends[-1]
    word = max(window.rfind(" ", half), window.rfind("\t", half))
    return word + 1 if word >= 0 else len(window)


def _ends(texts: Sequence[str]) -> Iterator[int]:
    """Where the sections of some passages end."""
    size = 0
    for n, text in enumerate(texts):
        if size and size + len(text) > SECTION_CHARACTERS:
            yield n
            size = 0
        size += len(text)
    if texts:
        yield len(texts)
