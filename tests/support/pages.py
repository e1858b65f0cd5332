"""The fenced blocks of the documentation, with what a comment before a block says about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md")),
]
_COMMENT = re.compile(r"^<!-- (not run|file|append): (.+?) -->$")
_LINK = re.compile(r"(?<!`)\]\(([^)\s]+)\)|\bsrc=\"([^\"]+)\"")
_FOREIGN = re.compile(r"^[a-z]+:")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        line: Where it opens, from 1.
        word: `not run`, `file`, `append`, or nothing.
        value: The reason, or the name of the file.
    """

    page: str
    line: int
    language: str
    text: str
    word: str = ""
    value: str = ""

    @property
    def place(self) -> str:
        """For a message."""
        return f"{self.page}:{self.line}"


def blocks_of(page: str) -> list[Block]:
    """The blocks of a page, in their order."""
    tokens = MarkdownIt().parse((ROOT / page).read_text())
    found = []
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type != "fence":
            continue
        told = (
            before is not None
            and before.type == "html_block"
            and _COMMENT.match(before.content.strip())
        )
        word, value = told.groups() if told else ("", "")
        assert token.map is not None
        found.append(Block(page, token.map[0] + 1, token.info.strip(), token.content, word, value))
    return found


def links_of(page: str) -> list[str]:
    """The links of a page that lead to files, relative to the checkout, with their anchors."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", (ROOT / page).read_text(), flags=re.DOTALL)
    folder = (ROOT / page).parent
    found = []
    for link in (first or second for first, second in _LINK.findall(text)):
        if not _FOREIGN.match(link):
            name, mark, anchor = link.partition("#")
            target = (folder / name).resolve() if name else ROOT / page
            found.append(f"{target.relative_to(ROOT)}{mark}{anchor}")
    return found


def anchors_of(page: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
