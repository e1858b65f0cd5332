"""From markup to plain text."""

from __future__ import annotations

import html
import re

_SPACE = re.compile(r"\s+")
# Halves of a surrogate pair are no characters: no store takes them.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_MARKUP = re.compile(r"<[a-zA-Z/!]|&[a-zA-Z#]")
_BLOCKS = "p, br, div, li, tr, td, h1, h2, h3, h4, h5, h6, blockquote, pre"


def plain_text(markup: str | None, limit: int = 20_000) -> str:
    """The words of a piece of HTML or text, in one line: no tags, scripts, control characters or entities.

    Args:
        markup: HTML, or text that may contain entities.
        limit: Characters after which the rest is left out.
    """
    if not markup:
        return ""
    # Bounded before it is parsed: an attribute can be megabytes long.
    text = _CONTROL.sub(" ", markup[: limit * 4])
    if _MARKUP.search(text):
        from selectolax.lexbor import LexborHTMLParser

        tree = LexborHTMLParser(text)
        for node in tree.css("script, style, noscript, template, iframe"):
            node.decompose()
        for node in tree.css(_BLOCKS):
            node.insert_before(" ")
            node.insert_after(" ")
        body = tree.body
        text = html.unescape(body.text(deep=True, separator="") if body else "")
    text = _CONTROL.sub(" ", text)
    return _SPACE.sub(" ", text).strip()[:limit]
