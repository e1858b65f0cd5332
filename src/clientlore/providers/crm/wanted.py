"""Which accounts of a large CRM are wanted, as the tenant file says it. Not here: how a CRM is asked for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from clientlore.errors import PermanentError
from clientlore.providers.base import Ask

Value = str | bool | int
# It stands in a question as it is, where no quotes can hold it.
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")


@dataclass(frozen=True)
class Only:
    """What must hold of an account, all of it together.

    Attributes:
        owners: Mail addresses, one of which its owner has; none named: anybody.
        accounts: Ids, one of which it has; none named: any.
        where: Fields of the CRM with the value that each has.
    """

    owners: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    where: Mapping[str, Value] = field(default_factory=dict)

    @property
    def may_end(self) -> bool:
        """Whether an account for which it holds can be one for which it no longer does."""
        return bool(self.owners or self.where)


def only_of(ask: Ask) -> Only | None:
    """Which accounts are wanted; None for all.

    Raises:
        PermanentError: A field has no name of one.
    """
    told = ask.source.options.get("only")
    if not told:
        return None
    where = dict(told.get("where", {}))
    for name in where:
        if not _FIELD.fullmatch(str(name)):
            raise PermanentError(
                f"'{name}' is no name of a field of a CRM",
                "Write the field's API name under 'crm: only: where:' in the tenant file.",
            )
    return Only(tuple(told.get("owners", ())), tuple(told.get("accounts", ())), where)
