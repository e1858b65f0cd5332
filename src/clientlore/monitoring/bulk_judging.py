"""Items put to a language model in batches that are answered within a day: for past days, at half the price.

A batch is noted with its room in the budget before it is handed in, and settled in the transaction that keeps its
judgements. So nothing is bought twice: what is under way is not asked about again, and a batch of which nobody knows
whether it arrived is looked for at the provider first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from clientlore.control import batches, budgets, judgements
from clientlore.control.batches import Batch
from clientlore.control.budgets import Spent
from clientlore.control.judgements import Judgement
from clientlore.errors import (
    AuthenticationError,
    PermanentError,
    ProviderError,
    QuotaExhaustedError,
    RetriableError,
)
from clientlore.ids import new_id
from clientlore.monitoring.asking_models import (
    PROMPT,
    Asked,
    Asker,
    Tally,
    question_of,
    read_answer,
)
from clientlore.providers.llm.base import Answer, Question
from clientlore.providers.llm.bulk import MOST_REQUESTS, BulkModel


@dataclass
class BulkAsker:
    """Puts items into batches, and takes the answers of those that have ended.

    Args:
        asker: Knows the model, its price and the budget; asks nobody here.
    """

    asker: Asker
    bulk: BulkModel

    def ask(self, items: Sequence[Asked]) -> Tally:
        """Settles what has ended, then hands in what is neither judged nor under way, as far as the budget goes."""
        tally = Tally()
        control, tenant_id = self.asker.budget.control, self.asker.budget.tenant_id
        with control.read() as connection:
            known = batches.open_batches(connection, tenant_id, self.asker.model.provider)
        under_way: set[str] = set()
        for batch in known:
            if not self._settled(batch, tally):
                under_way |= batch.keys
        with control.read() as connection:
            found = judgements.find(connection, tenant_id, [item.key for item in items])
        tally.judged = found
        tally.under_way = {
            item.key for item in items if item.key in under_way and item.key not in found
        }
        new = [i for i in items if i.key not in found and i.key not in under_way]
        size = self.asker.batch * MOST_REQUESTS
        for start in range(0, len(new), size):
            if not self._hand_in(new[start : start + size], tally):
                break
        done = {*found, *tally.failed, *tally.under_way}
        tally.waiting = {item.key for item in new if item.key not in done}
        return tally

    def _settled(self, batch: Batch, tally: Tally) -> bool:
        """Whether a batch is over; then its judgements are kept and its cost is counted."""
        try:
            vendor_id = batch.vendor_id or self.bulk.find(batch.batch_id, batch.submitted_at)
            answers = None if vendor_id is None else self.bulk.results(vendor_id)
        except ProviderError as error:
            # Nothing is lost by looking again later; what is wrong is said now.
            tally.trouble = None if isinstance(error, RetriableError) else error
            return False
        if vendor_id is None:
            self._end(batch, "lost", Spent(), [])
            return True
        if answers is None:
            if batch.vendor_id is None:
                self._arrived(batch, vendor_id)
            return False
        done, spent = self._read(batch, answers)
        self._end(batch, "done", spent, done)
        tally.spent = _sum(tally.spent, spent)
        return True

    def _read(self, batch: Batch, answers: Mapping[str, Answer]) -> tuple[list[Judgement], Spent]:
        """The judgements of a batch, and what it cost. What was not answered can be asked about again."""
        done: list[Judgement] = []
        total = Spent()
        for custom_id, answer in answers.items():
            keys = batch.requests.get(custom_id, ())
            cost = self._half(self.asker.cost(answer))
            total = _sum(total, cost)
            said, why = read_answer(answer, len(keys))
            for place, key in enumerate(keys):
                values = said.get(place + 1)
                # The first bears what does not divide.
                tokens, rest = divmod(cost.tokens, len(keys))
                nano, more = divmod(cost.nano_usd, len(keys))
                done.append(
                    Judgement(
                        cache_key=key,
                        provider=batch.provider,
                        model=batch.model,
                        prompt=batch.prompt,
                        outcome="unusable" if values is None else "judged",
                        answer={"why": why} if values is None else values.model_dump(exclude={"n"}),
                        tokens=tokens + (rest if place == 0 else 0),
                        nano_usd=None
                        if self.asker.price is None
                        else nano + (more if place == 0 else 0),
                    )
                )
        return done, total

    def _hand_in(self, items: Sequence[Asked], tally: Tally) -> bool:
        """Hands in as many items as there is room for; says whether there was room for all."""
        budget = self.asker.budget
        label = new_id()
        questions: dict[str, Question] = {}
        requests: dict[str, list[str]] = {}
        reserved, spent_on = Spent(), None
        whole = True
        for start in range(0, len(items), self.asker.batch):
            part = items[start : start + self.asker.batch]
            question = question_of(part)
            estimate = self._half(self.asker.estimate(question))
            room = budget.reserve(estimate)
            if room is None or (spent_on is not None and room.spent_on != spent_on):
                if room is not None:
                    budget.settle(room, Spent())
                whole = False
                break
            spent_on, reserved = room.spent_on, _sum(reserved, estimate)
            custom_id = f"{label}-{start // self.asker.batch}"
            questions[custom_id] = question
            requests[custom_id] = [item.key for item in part]
        if spent_on is None:
            return False
        model = self.asker.model
        now = budget.clock.now()
        batch = Batch(
            label, model.provider, model.model, PROMPT, "submitting", None, requests, spent_on, reserved, now
        )  # fmt: skip
        with budget.control.write() as connection:
            batches.begin(connection, budget.tenant_id, batch)
        try:
            vendor_id = self.bulk.submit(label, questions)
        except (AuthenticationError, PermanentError, QuotaExhaustedError) as error:
            self._end(batch, "lost", Spent(), [])
            tally.trouble = error
            tally.failed |= dict.fromkeys(batch.keys, error.what)
            return False
        except ProviderError:
            # It may have arrived: it is looked for before anything of it is asked again.
            tally.under_way |= batch.keys
            return False
        self._arrived(batch, vendor_id)
        tally.under_way |= batch.keys
        return whole

    def _arrived(self, batch: Batch, vendor_id: str) -> None:
        budget = self.asker.budget
        with budget.control.write() as connection:
            batches.submitted(connection, budget.tenant_id, batch.batch_id, vendor_id)

    def _end(self, batch: Batch, state: str, spent: Spent, done: Sequence[Judgement]) -> None:
        """Keeps the judgements, counts the cost and closes the batch, in one transaction: all of it or nothing."""
        budget = self.asker.budget
        now = budget.clock.now()
        with budget.control.write() as connection:
            judgements.keep(connection, budget.tenant_id, done, now)
            budgets.settle(connection, budget.key(batch.spent_on), batch.reservation, spent, now)
            batches.ended(
                connection,
                budget.tenant_id,
                batch.batch_id,
                "done" if state == "done" else "lost",
                now,
            )

    @staticmethod
    def _half(cost: Spent) -> Spent:
        return Spent(cost.calls, cost.tokens, -(-cost.nano_usd // 2))


def _sum(one: Spent, two: Spent) -> Spent:
    return Spent(one.calls + two.calls, one.tokens + two.tokens, one.nano_usd + two.nano_usd)
