"""Answers of a model read against a shape: which of the numbered items it said something usable about.

Here: what every kind of question shares. Not here: what is asked and what an answer means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

from clientlore.providers.llm.base import Answer


class Numbered(BaseModel):
    """What a model must say about an item, with the number under which it was shown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n: int


Told = TypeVar("Told", bound=Numbered)


def read_items(
    answer: Answer,
    count: int,
    shape: type[Told],
    wrong: Callable[[Told], str | None] = lambda _: None,
) -> tuple[dict[int, Told], str]:
    """The usable parts of an answer by number, and what is wrong with the others.

    Args:
        answer: As it came.
        count: How many items were asked about.
        shape: Of what is said about one.
        wrong: What cannot be about a part that has the shape and one of the numbers, if something.
    """
    if answer.ended == "refused":
        return {}, "it refused to answer"
    if answer.ended == "cut":
        return {}, "its answer was cut off"
    try:
        content = from_json(answer.text)
    except ValueError:
        return {}, "it answered in prose"
    parts = content.get("items") if isinstance(content, dict) else None
    if not isinstance(parts, list):
        return {}, "its answer has no items"
    found: dict[int, Told] = {}
    unusable: set[int] = set()
    twice = False
    why = "it left the item out"
    for part in parts:
        try:
            told = shape.model_validate(part)
        except ValidationError as error:
            named = error.errors(include_input=False, include_url=False)[0]["loc"]
            # A field that we did not ask for may have any name, and this is read by people.
            known = [str(part) for part in named[:1] if part in shape.model_fields]
            why = f"its {known[0] if known else 'item'} cannot be used"
            continue
        if not 1 <= told.n <= count:
            continue
        if told.n in found:
            unusable.add(told.n)
            twice = True
        found[told.n] = told
        amiss = wrong(told)
        if amiss is not None:
            unusable.add(told.n)
            why = amiss
    usable = {n: told for n, told in found.items() if n not in unusable}
    return usable, "it judged the item twice" if twice else why


def schema_of(shape: type[BaseModel]) -> Mapping[str, Any]:
    """The JSON schema of a shape. Ranges are left out: vendors refuse them, and we check them anyway."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            dropped = {"title", "description", "minimum", "maximum"}
            if "properties" in value:
                value = {**value, "additionalProperties": False}
            return {
                k: {n: plain(p) for n, p in v.items()} if k == "properties" else plain(v)
                for k, v in value.items()
                if k not in dropped
            }
        return [plain(part) for part in value] if isinstance(value, list) else value

    return plain(shape.model_json_schema())  # type: ignore[no-any-return]
