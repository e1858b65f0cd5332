"""Writes docs/reference/ from the program itself: the tenant file from its schema, the commands from click.

python -m tools.make_reference            # writes the pages
python -m tools.make_reference --check    # ends with status 1 where a page is not what would be written
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
from annotated_types import Ge, Le, MaxLen
from pydantic import AfterValidator, BaseModel, BeforeValidator, StringConstraints
from pydantic.fields import FieldInfo

from clientlore.cli.main import clientlore
from clientlore.control import tenant_values
from clientlore.control.tenant_file import TenantFile
from clientlore.taxonomy import CATEGORIES

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
_ITEM = re.compile(r"^    (\w+): (.*(?:\n        .*)*)", re.MULTILINE)
_NAMED = {
    tenant_values._zone: "IANA time zone",  # noqa: SLF001 - a value is told by how it is checked
    tenant_values._slug: "id",  # noqa: SLF001
    tenant_values._address: "mail address",  # noqa: SLF001
    tenant_values._url: "http(s) address",  # noqa: SLF001
    tenant_values._local_time: 'time of day, `"07:30"`',  # noqa: SLF001
}


def tenant_file_page() -> str:
    """The page about the tenant file."""
    parts = [
        _GENERATED,
        "# Tenant file",
        "A tenant file is YAML. `clientlore init` writes one to start from, `clientlore apply FILE` brings Clientlore "
        "to what stands in it, as often as you like, and `--dry-run` shows first what would change. What a key leaves "
        "out has the default below; an unknown key is an error that names its line.",
        "```yaml\n" + _EXAMPLE.strip() + "\n```",
        _model("The file", TenantFile),
    ]
    parts += [_model(_title(found), found) for found in _below(TenantFile)]
    listed = "\n".join(f"| `{name}` | {told} |" for name, told in CATEGORIES.items())
    parts.append(f"## Categories\n\n| category | what it takes in |\n|---|---|\n{listed}")
    return "\n\n".join(parts) + "\n"


def commands_page() -> str:
    """The page about the commands."""
    parts = [
        _GENERATED,
        "# Commands",
        "Each command explains itself with `--help`. Exit status: 0 done, 1 failed, 2 wrong usage, 3 done in part "
        "(some source, tenant or row failed and the others went on), 130 stopped by Ctrl-C. Where a command takes "
        "`--json`, its answer on standard output is JSON and nothing else.",
        cleandoc(clientlore.help or ""),
    ]
    parts += list(_commands(clientlore, click.Context(clientlore, info_name="clientlore")))
    return "\n\n".join(parts) + "\n"


PAGES = {"tenant-file.md": tenant_file_page, "commands.md": commands_page}


def main(arguments: list[str]) -> int:
    """Writes the pages, or compares them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    outdated = []
    for name, make in PAGES.items():
        page, text = FOLDER / name, make()
        if page.exists() and page.read_text() == text:
            continue
        outdated.append(name)
        if "--check" not in arguments:
            page.write_text(text)
    if outdated and "--check" in arguments:
        sys.stderr.write(
            f"docs/reference: {', '.join(outdated)} not up to date; run python -m tools.make_reference\n"
        )
        return 1
    return 0


def described(model: type[BaseModel]) -> dict[str, str]:
    """What the docstring of a model says about each of its fields."""
    _, _, section = cleandoc(model.__doc__ or "").partition("Attributes:\n")
    return {name: " ".join(text.split()) for name, text in _ITEM.findall(section)}


def _model(title: str, model: type[BaseModel]) -> str:
    told = described(model)
    summary = " ".join(cleandoc(model.__doc__ or "").partition("Attributes:")[0].split())
    rows = [
        f"| `{field.alias or name}` | {_kind(field)} | {_default(field)} | {told[name]} |"
        for name, field in model.model_fields.items()
    ]
    return "\n".join(
        [
            f"## {title}",
            "",
            summary,
            "",
            "| key | value | default | meaning |",
            "|---|---|---|---|",
            *rows,
        ]
    )


def _below(model: type[BaseModel]) -> list[type[BaseModel]]:
    """The models within a model, in the order in which they are met, each once."""
    found: list[type[BaseModel]] = []
    for field in model.model_fields.values():
        for inner in _inner(field.annotation):
            found += [kind for kind in (inner, *_below(inner)) if kind not in found]
    return found


def _inner(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [kind for part in get_args(annotation) for kind in _inner(part)]


def _title(model: type[BaseModel]) -> str:
    words = re.sub(r"(?<!^)([A-Z])", r" \1", model.__name__.removesuffix("Entry")).lower()
    return {"crm": "CRM"}.get(words.replace(" ", ""), f"{words[0].upper()}{words[1:]}")


def _default(field: FieldInfo) -> str:
    value = field.get_default()
    if field.is_required():
        return "required"
    if value is None or value in ((), {}):
        return ""
    if isinstance(value, BaseModel):
        return "the defaults below"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def _kind(field: FieldInfo) -> str:
    return _told(field.annotation, tuple(field.metadata))


def _told(annotation: Any, metadata: tuple[Any, ...] = ()) -> str:  # noqa: PLR0911 - one line per kind
    """A type in the words of somebody who writes YAML."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        flat = [n for m in more for n in (m.metadata if isinstance(m, FieldInfo) else [m])]
        return _told(inner, (*metadata, *flat))
    named = [
        _NAMED[m.func]
        for m in metadata
        if isinstance(m, AfterValidator | BeforeValidator) and m.func in _NAMED
    ]
    if named:
        return named[0]
    if origin in {Union, UnionType}:
        kinds = [part for part in get_args(annotation) if part is not NoneType]
        return " or ".join(_told(part) for part in kinds)
    if origin is Literal:
        values = get_args(annotation)
        return (
            "a [category](#categories)"
            if values == tuple(CATEGORIES)
            else ", ".join(f"`{v}`" for v in values)
        )
    if origin is dict:
        return " to ".join(_told(part) for part in get_args(annotation))
    if origin is tuple:
        return f"list of {_told(get_args(annotation)[0]).removeprefix('a ').partition(', at')[0]}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        title = _title(annotation)
        return (
            f"[{title if title.isupper() else title.lower()}](#{title.lower().replace(' ', '-')})"
        )
    return {bool: "`true`, `false`", int: "number", float: "number", str: "text"}[
        annotation
    ] + _bounds(metadata)


def _bounds(metadata: tuple[Any, ...]) -> str:
    low = next((m.ge for m in metadata if isinstance(m, Ge)), None)
    high = next((m.le for m in metadata if isinstance(m, Le)), None)
    longest = next(
        (
            m.max_length
            for m in metadata
            if isinstance(m, StringConstraints | MaxLen) and m.max_length
        ),
        None,
    )
    if longest:
        return f", at most {longest} characters"
    if low is not None and high is not None:
        return f" from {low} to {high}"
    return f" from {low}" if low is not None else ""


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        yield _command(command, inner)
        if isinstance(command, click.Group):
            yield from _commands(command, inner)


def _command(command: click.Command, context: click.Context) -> str:
    depth = "##" if context.parent and context.parent.parent is None else "###"
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [
        f"{depth} {context.command_path}",
        f"`{usage}`",
        textwrap.dedent(cleandoc(command.help or "")),
    ]
    rows = [
        f"| `{_cell(names)}` | {_cell(told)} |"
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for names, told in [parameter.get_help_record(context) or ("", "")]
        if names
    ]
    if rows:
        parts.append("\n".join(["| option | meaning |", "|---|---|", *rows]))
    return "\n\n".join(part for part in parts if part)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("  [", " [")


_GENERATED = (
    "<!-- Made by `python -m tools.make_reference`; changes belong into the code it reads. -->"
)
_EXAMPLE = """
tenant: acme-advisors
name: Acme Advisors
users:
  - id: ann
    name: Ann Lee
    email: ann@acme.example
    zone: Europe/London
    digest: {frequency: daily, at: "07:00"}
    threshold: 0.5
    quiet_hours: {from: "21:00", to: "07:00"}
clients:
  - name: Harbor Foods, Inc.
    domain: harborfoods.example
    ticker: HBRF
    aliases: [Harbor]
    owners: [ann]
    feeds:
      - https://news.example.com/harbor.xml
      - {url: "https://example.com/feed?key=${HARBOR_KEY}", on_failure: skip}
feeds:
  - https://news.example.com/industry.xml
crm: {accounts: accounts.csv, activities: activities.csv}
schedules:
  - {name: every hour, type: hourly, at: "00:10"}
  - {name: office hours, type: cron, cron: "*/15 8-18 * * 1-5", zone: Europe/London}
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
