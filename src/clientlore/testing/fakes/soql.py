"""The part of SOQL behind `FROM` that the fake of Salesforce knows: conditions, with its quotes and its empty values.

Not here: what the records are (`salesforce`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

Get = Callable[[str], Any]
"""Gives a field of a record by its path (`Owner.Email`); None for what is empty."""
Test = Callable[[Get], bool]
_TOKEN = re.compile(r"\s*('(?:[^'\\]|\\.)*'|[(),]|>=|<=|!=|=|<|>|[^\s(),'=<>!]+)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT")
_PATH = re.compile(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*$")


def conditions(text: str) -> Test:
    """What ` WHERE ... ORDER BY ...` asks of a record.

    Raises:
        ValueError: It is no SOQL.
    """
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            msg = f"unexpected token in {text[at:]}"
            raise ValueError(msg)
        tokens.append(match[1])
        at = match.end()
    return _Reader(tokens).read()


class _Reader:
    """Reads tokens from the left."""

    def __init__(self, tokens: list[str]) -> None:
        self._left = tokens

    def read(self) -> Test:
        found: Test = lambda _: True  # noqa: E731 - one of many
        if self._takes("WHERE"):
            found = self._all()
        if self._takes("ORDER"):
            self._needs("BY")
            self._left = []
        if self._left:
            msg = f"unexpected token: {self._left[0]}"
            raise ValueError(msg)
        return found

    def _all(self) -> Test:
        parts, joined = [self._one()], ""
        while self._left and self._left[0].upper() in {"AND", "OR"}:
            word = self._left.pop(0).upper()
            if joined not in {"", word}:
                msg = "parentheses are required where AND and OR are mixed"
                raise ValueError(msg)
            joined = word
            parts.append(self._one())
        whole = any if joined == "OR" else all
        return lambda get: whole(part(get) for part in parts)

    def _one(self) -> Test:
        if self._takes("("):
            found = self._all()
            self._needs(")")
            return found
        path = self._next()
        if not _PATH.match(path):
            msg = f"unexpected token: {path}"
            raise ValueError(msg)
        if self._takes("NOT"):
            self._needs("IN")
            members = self._list()
            return lambda get: _plain(get(path)) not in members
        if self._takes("IN"):
            members = self._list()
            return lambda get: _plain(get(path)) in members
        sign, value = self._next(), _value(self._next())
        compared: dict[str, Callable[[Any], bool]] = {
            "=": lambda told: told == value,
            "!=": lambda told: told != value,
            ">=": lambda told: told is not None and told >= value,
            "<": lambda told: told is not None and told < value,
        }
        if sign not in compared:
            msg = f"unexpected token: {sign}"
            raise ValueError(msg)
        return lambda get: compared[sign](_plain(get(path)))

    def _list(self) -> list[Any]:
        self._needs("(")
        found = [_value(self._next())]
        while self._takes(","):
            found.append(_value(self._next()))
        self._needs(")")
        return found

    def _next(self) -> str:
        if not self._left:
            msg = "unexpected end"
            raise ValueError(msg)
        return self._left.pop(0)

    def _takes(self, word: str) -> bool:
        if self._left and self._left[0].upper() == word:
            self._left.pop(0)
            return True
        return False

    def _needs(self, word: str) -> None:
        if not self._takes(word):
            msg = f"expecting {word}"
            raise ValueError(msg)


def _value(token: str) -> Any:
    if token.startswith("'"):
        text = re.sub(r"\\(.)", lambda m: _ESCAPED.get(m[1], m[1]), token[1:-1], flags=re.DOTALL)
        return text.lower()
    if _INSTANT.match(token):
        return datetime.fromisoformat(token)
    known = {"null": None, "true": True, "false": False}
    return known[token.lower()] if token.lower() in known else float(token)


def _plain(told: Any) -> Any:
    """As it is compared: texts by their small letters."""
    if isinstance(told, str):
        return datetime.fromisoformat(told) if _INSTANT.match(told) else told.lower()
    return told
