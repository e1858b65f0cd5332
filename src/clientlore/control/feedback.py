"""What people said of what they were told: appended, never changed; of what one contradicts, the newest counts.

Each row keeps the judgement as it was, so that it can be learned from whatever is judged later. Texts are not here:
they lie in the lake.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from clientlore.control import tables as t
from clientlore.control.engine import insert_ignore
from clientlore.control.rows import dump, load_all

Kind = Literal["useful", "not_useful", "wrong_client", "wrong_category"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Feedback:
    """What a person said of an event and a client.

    Attributes:
        feedback_id: The same id is kept once.
        category: The right one, where the kind is `wrong_category`.
        channel: `cli`, or `link` in a mail.
        judgement: As it was then: day, score, category, confidence, local_category, role, method, scorer.
    """

    feedback_id: str
    tenant_id: str
    user_id: str
    event_id: str
    client_id: str
    kind: Kind
    category: str | None
    channel: Literal["cli", "link"]
    given_at: datetime
    judgement: Mapping[str, Any] = field(default_factory=dict)

    @property
    def about(self) -> tuple[str, str, str, bool]:
        """What is contradicted by newer feedback: who spoke of what, and whether of its category."""
        return self.user_id, self.event_id, self.client_id, self.kind == "wrong_category"


def keep(connection: Connection, feedback: Feedback) -> bool:
    """Appends feedback; False where it is there already."""
    return insert_ignore(connection, t.feedback, [dump(feedback)]) > 0


def find(connection: Connection, feedback_id: str) -> Feedback | None:
    """The feedback of that id."""
    query = sa.select(t.feedback).where(t.feedback.c.feedback_id == feedback_id)
    return next(iter(load_all(connection, Feedback, query)), None)


def given(connection: Connection, tenant_id: str, user_id: str | None = None) -> list[Feedback]:
    """Everything that the people of a tenant said, or one of them, in the order in which it came."""
    query = sa.select(t.feedback).where(t.feedback.c.tenant_id == tenant_id)
    if user_id is not None:
        query = query.where(t.feedback.c.user_id == user_id)
    return load_all(connection, Feedback, query.order_by(t.feedback.c.seq))


def in_force(said: Iterable[Feedback]) -> list[Feedback]:
    """What counts: of each person, event and client the newest verdict and the newest category, oldest first."""
    newest: dict[tuple[str, str, str, bool], Feedback] = {}
    for each in said:
        newest.pop(each.about, None)
        newest[each.about] = each
    return list(newest.values())
