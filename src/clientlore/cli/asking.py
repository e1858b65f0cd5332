"""The four questions of `clientlore init` at a terminal. Each answer is checked before the next is asked."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True)
class Answers:
    """Who somebody is, as far as a tenant file needs to know."""

    name: str
    user: str
    email: str
    zone: str


def at_a_terminal() -> bool:
    """Whether a person sits there to be asked."""
    return sys.stdin.isatty()


def ask_who() -> Answers:
    """Asks for the team, the person, their address and their time zone."""
    from clientlore.control.tenant_values import Address, Text, Zone

    click.echo("Four questions; everything can be changed in the file afterwards.\n")
    return Answers(
        name=click.prompt("Name of your team or business", value_proc=_checked(Text)),
        user=click.prompt("Your name", value_proc=_checked(Text)),
        email=click.prompt("Your mail address", value_proc=_checked(Address)),
        zone=click.prompt(
            "Your time zone", default=machine_zone(), value_proc=_checked(Zone), show_default=True
        ),
    )


def machine_zone() -> str:
    """The IANA name of the machine's time zone; UTC where it has none or several."""
    import tzlocal

    from clientlore.control.tenant_values import Zone

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = tzlocal.get_localzone_name()
        return str(_checked(Zone)(found))
    except (LookupError, ValueError, OSError, click.UsageError):
        return "UTC"


def _checked(kind: Any) -> Callable[[str], str]:
    """A check for a prompt, from the type that the tenant file uses: what cannot be is asked again."""
    from pydantic import TypeAdapter, ValidationError

    adapter = TypeAdapter(kind)

    def check(answer: str) -> str:
        try:
            return str(adapter.validate_python(answer))
        except ValidationError as error:
            said = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            raise click.UsageError(said) from None

    return check
