"""The values that may stand in a tenant file: addresses, zones, ids, times of day. Not here: its entries."""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from clientlore.control.yaml_lines import suggest
from clientlore.ids import SLUG
from clientlore.taxonomy import CATEGORY_NAMES


@cache
def _zones() -> set[str]:
    # Looking through the zone files takes 30 ms, and every person has a zone.
    return available_timezones()


def _zone(value: str) -> str:
    if value not in _zones():
        msg = f"no such time zone{suggest(value, _zones())} Use an IANA name such as Europe/London"
        raise ValueError(msg.replace("zone Use", "zone; use"))
    return value


def _slug(value: str) -> str:
    if not SLUG.match(value):
        msg = "an id has lower-case letters, digits, '-' and '_', and at most 63 of them"
        raise ValueError(msg)
    return value


def _address(value: str) -> str:
    local, at, domain = value.strip().rpartition("@")
    bad = not at or not local or ("." not in domain.strip(".") and domain != "localhost")
    if bad or any(c.isspace() or c in ',;<>"' for c in value.strip()) or len(value) > 254:
        msg = "this is no mail address"
        raise ValueError(msg)
    return value.strip()


def _url(value: str) -> str:
    if not value.startswith(("http://", "https://")) or any(c.isspace() for c in value):
        msg = "a feed is an http:// or https:// address without spaces"
        raise ValueError(msg)
    password = urlsplit(value).password
    if password and not re.fullmatch(r"\$\{[A-Z][A-Z0-9_]*\}", password):
        msg = "the address contains a password; write ${NAME} in its place and set NAME in the environment"
        raise ValueError(msg)
    return value


def local_time(value: object) -> str:
    """A time of day as `07:30`; raises `ValueError` for what is none."""
    # YAML 1.1 reads 21:00 as the number 1260 (base 60), so a number of minutes is never less than 60.
    if isinstance(value, int) and not isinstance(value, bool) and 60 <= value < 24 * 60:
        value = f"{value // 60:02d}:{value % 60:02d}"
    hour, colon, minute = str(value).partition(":")
    if not (hour.isdigit() and (not colon or minute.isdigit())):
        msg = 'a time of day is written as "07:30"'
        raise ValueError(msg)
    if not (int(hour) < 24 and int(minute or 0) < 60):
        msg = "a time of day lies between 00:00 and 23:59"
        raise ValueError(msg)
    return f"{int(hour):02d}:{int(minute or 0):02d}"


Zone = Annotated[str, AfterValidator(_zone)]
Slug = Annotated[str, AfterValidator(_slug)]
Address = Annotated[str, AfterValidator(_address)]
Url = Annotated[str, AfterValidator(_url)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
Category = Literal[CATEGORY_NAMES]  # type: ignore[valid-type]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class Strict(BaseModel):
    """An entry that may hold nothing but what it names."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
