"""What describes a kind of source: where its rows go, how it is made, what it needs, and on what terms it gives.

A package that brings a provider makes one `Kind` and names it in the entry-point group `clientlore.providers`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from clientlore.clock import Clock
from clientlore.providers.base import Provider
from clientlore.settings import Settings

Factory = Callable[[Settings, Clock], Provider]


@dataclass(frozen=True)
class Terms:
    """What a provider allows with what it gives.

    Attributes:
        may_store_text: Whether more than title, address and date may be kept.
        keep_days: After how many days its answers and texts must be gone; None where it does not say. Title,
            address and date stay, as a reference.
        shown_to: `anyone`, the `tenant` that asked, or its `owner` alone.
        page: Where the terms stand.
        note: What else a reader must know.
    """

    may_store_text: bool
    shown_to: Literal["anyone", "tenant", "owner"]
    page: str
    keep_days: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Kind:
    """A kind of source.

    Attributes:
        table: The raw table that its rows go to.
        stand_in: The kind that takes its place under `on_failure: mock`; itself a mock.
        title: Its name for people.
        needs: Environment variables without which it cannot be asked.
        terms: On what terms it gives; None for what is the tenant's own.
        incremental: It tells what has changed since it was last read, not all there is each time.
        text_fields: Fields of its JSON that hold text: emptied before anything is stored, where its terms forbid
            keeping it.
        ends: Says until when the provider exists, where that is known.
    """

    table: str
    make: Factory
    stand_in: str
    title: str = ""
    needs: tuple[str, ...] = ()
    terms: Terms | None = None
    incremental: bool = False
    ends: str | None = None
    text_fields: frozenset[str] = frozenset()
