"""YAML with line numbers, so that an error about a value can say where it stands."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from clientlore.errors import ConfigurationError

Path = tuple[str | int, ...]


def parse(text: str, name: str) -> tuple[Any, dict[Path, int]]:
    """The document and the line of each value in it, by path.

    Args:
        text: YAML.
        name: What to call it in errors.

    Raises:
        ConfigurationError: It is no YAML, or says one key twice.
    """
    lines: dict[Path, int] = {}
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            return {}, lines
        _walk(node, (), lines, name)
        return yaml.safe_load(text), lines
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigurationError(
            f"{name}{line}: this is no YAML ({error.problem})", "Check quotes and indentation."
        ) from None
    except yaml.YAMLError as error:
        raise ConfigurationError(
            f"{name}: this is no YAML ({error})", "Save it as UTF-8."
        ) from None
    except RecursionError:
        raise ConfigurationError(
            f"{name}: a part of it contains itself", "Take the alias (*name) out."
        ) from None


def explain(
    error: ValidationError,
    lines: Mapping[Path, int],
    name: str,
    allowed: Mapping[Path, Iterable[str]],
) -> ConfigurationError:
    """One error that lists every problem with its line, what stands there and what is allowed.

    Args:
        error: What pydantic found.
        lines: From `parse`.
        name: What to call the file.
        allowed: The keys of each kind of mapping, by path with `*` for positions in lists.
    """
    said = []
    for problem in error.errors(include_url=False):
        path = (*problem["loc"], *problem.get("ctx", {}).get("at", ()))
        said.append(f"{name} line {line_of(path, lines)}: {_one(problem, path, allowed)}")
    return ConfigurationError("\n".join(said))


def line_of(path: Path, lines: Mapping[Path, int]) -> int:
    """The line of a value, or of the nearest thing around it."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def suggest(word: object, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` where something known is close, else nothing."""
    close = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def _one(problem: Any, path: Path, allowed: Mapping[Path, Iterable[str]]) -> str:
    shown = ".".join(str(part) for part in path)
    if problem["type"] == "extra_forbidden":
        parent = tuple("*" if isinstance(part, int) else part for part in path[:-1])
        keys = sorted(allowed.get(parent, ()))
        return (
            f"unknown key '{path[-1]}'{suggest(path[-1], keys)} Allowed here: {', '.join(keys)}."
        ).replace("' Allowed", "'. Allowed")
    if problem["type"] == "missing":
        return f"'{shown}' is missing."
    given = problem.get("input")
    what = f" (given: {_shown(given)})" if isinstance(given, str | int | float | bool) else ""
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{shown}: {message}{what}."


def _shown(given: float | str) -> str:
    """What stands there, without the password of an address."""
    return re.sub(r"(://[^/@\s]*:)[^/\s]*@", r"\1***@", repr(given))


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int], name: str) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen: dict[Any, int] = {}
        for key_node, value_node in node.value:
            key, line = key_node.value, key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigurationError(
                    f"{name} line {line}: a key is a plain word", "Put text with braces in quotes."
                )
            if key in seen:
                raise ConfigurationError(
                    f"{name} line {line}: '{key}' stands here and in line {seen[key]}",
                    "Keep one of them.",
                )
            seen[key] = line
            lines[(*path, key)] = line
            _walk(value_node, (*path, key), lines, name)
    elif isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            _walk(item, (*path, position), lines, name)
    elif not node.tag.endswith(":str"):
        try:
            yaml.safe_load(node.value)
        except ValueError as error:
            # 2026-13-01 looks like a date.
            raise ConfigurationError(
                f"{name} line {node.start_mark.line + 1}: '{node.value}' looks like a date or a number and is "
                f"none ({error})",
                "Put it in quotes.",
            ) from None
