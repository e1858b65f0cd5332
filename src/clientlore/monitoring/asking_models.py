"""Items put to a language model in batches: through the budget, retried once, each item with an outcome of its own.

A call is made only when there is room for it in the budget, and a retry is a call. What is left when there is no
room waits; what a provider does not answer, or answers uselessly twice, is left to the rules.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from clientlore.control.budgets import Budget, Reservation, Spent
from clientlore.control.judgements import Judgement
from clientlore.errors import BadDataError, ProviderError, RetriableError
from clientlore.providers.llm import prompts
from clientlore.providers.llm.base import Answer, LanguageModel, Question
from clientlore.providers.llm.faults import TimedOutError
from clientlore.providers.llm.guarding import fenced
from clientlore.providers.llm.pacing import Pace
from clientlore.providers.llm.prices import Price
from clientlore.providers.llm.reading import Numbered, read_items, schema_of
from clientlore.taxonomy import CATEGORY_NAMES

PROMPT = "relevance-1"
TRIES = 2
PATIENCE = 5.0
"""Seconds that a provider may ask us to wait before a retry; one that asks for more is left alone."""
BREAKS_AFTER = 3
"""Failures in a row after which a provider is not asked any more in this run."""
_Part = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False, strict=False)]


@dataclass(frozen=True)
class Prompt:
    """What every call begins with.

    Attributes:
        name: Under which judgements are kept; another text has another name.
    """

    name: str
    text: str


@cache
def system_prompt(name: str = PROMPT) -> str:
    """What every call with a prompt begins with."""
    folder = Path(next(iter(prompts.__path__)))
    return (folder / f"{name}.md").read_text(encoding="utf-8").strip()


def shipped_prompt() -> Prompt:
    """The one that comes with the product."""
    return Prompt(PROMPT, system_prompt())


class ItemAnswer(Numbered):
    """What a model must say about an item."""

    score: _Part
    category: Literal[CATEGORY_NAMES]  # type: ignore[valid-type]
    confidence: _Part
    summary: str
    reason: str


class Answers(BaseModel):
    """What a model must say about all items of a call."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: list[ItemAnswer]


@dataclass(frozen=True)
class Asked:
    """An item and client to be judged.

    Attributes:
        key: Under which its judgement is kept.
        material: What the model is shown of it: cleaned, cut, and redacted where asked.
    """

    key: str
    material: Mapping[str, Any]


@dataclass(frozen=True)
class Form:
    """What is asked about items.

    Attributes:
        question: The question about some items, with a prompt.
        read: The usable parts of an answer by number, from 1, and what is wrong with the others.
    """

    question: Callable[[Sequence[Asked], Prompt], Question]
    read: Callable[[Answer, Sequence[Asked]], tuple[Mapping[int, Numbered], str]]


@dataclass
class Tally:
    """What a run of questions came to.

    Attributes:
        judged: Judgements by key, useless answers among them.
        failed: Why nobody answered, by key: the rules take over.
        waiting: Keys for which the budget had no room.
        under_way: Keys that were put into a batch, whose answer comes later.
        seconds: Of each call that was answered.
    """

    judged: dict[str, Judgement] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    waiting: set[str] = field(default_factory=set)
    under_way: set[str] = field(default_factory=set)
    spent: Spent = field(default_factory=Spent)
    retries: int = 0
    seconds: list[float] = field(default_factory=list)
    trouble: ProviderError | None = None


@dataclass
class Asker:
    """Puts items to a model.

    Args:
        keep: Stores judgements as they come, so that a crash loses none that were paid for.
        price: What the model costs; None where that is not known.
        batch: Items in one call.
        concurrency: Calls at a time.
    """

    model: LanguageModel
    budget: Budget
    keep: Callable[[Sequence[Judgement]], None]
    price: Price | None
    pace: Pace
    rng: Random
    batch: int = 4
    concurrency: int = 4
    sleep: Callable[[float], object] = time.sleep
    prompt: Prompt = field(default_factory=shipped_prompt)
    form: Form = field(default_factory=lambda: JUDGING)

    def __post_init__(self) -> None:
        self._tally = Tally()
        self._lock = threading.Lock()
        self._failures = 0

    def ask(self, items: Sequence[Asked]) -> Tally:
        """Asks about the items, in their order as far as the budget goes."""
        tally = self._tally = Tally()
        batches = list(self._batches(items))
        with ThreadPoolExecutor(self.concurrency) as pool:
            running: set[Future[None]] = set()
            for place, batch in enumerate(batches):
                if len(running) >= self.concurrency:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        future.result()
                if self._is_broken():
                    self._fail([i for b in batches[place:] for i in b], tally.trouble)
                    break
                question = self.form.question(batch, self.prompt)
                # Here and not in the thread: the oldest get what room there is.
                room = self.budget.reserve(self.estimate(question))
                if room is None:
                    tally.waiting |= {item.key for later in batches[place:] for item in later}
                    break
                running.add(pool.submit(self._work, batch, question, room))
            for future in running:
                future.result()
        return tally

    def _batches(self, items: Sequence[Asked]) -> Iterator[list[Asked]]:
        for start in range(0, len(items), self.batch):
            yield list(items[start : start + self.batch])

    def _work(self, items: list[Asked], question: Question, room: Reservation) -> None:
        """One batch: a call, and another about what the first did not settle."""
        paid = dict.fromkeys((item.key for item in items), Spent())
        for attempt in range(1, TRIES + 1):
            last = attempt == TRIES
            answer, error = self._call(question, room)
            self._share(paid, items, answer)
            if error is not None or answer is None:
                assert error is not None
                if last or not self._may_pass(error):
                    self._fail(items, error)
                    return
                self.sleep(self._delay(error))
            else:
                left = self._settled(items, answer, paid, last=last)
                if not left:
                    return
                items = left
                question = self.form.question(items, self.prompt)
            again = self.budget.reserve(self.estimate(question))
            if again is None:
                with self._lock:
                    self._tally.waiting |= {item.key for item in items}
                return
            room = again
            with self._lock:
                self._tally.retries += 1

    def _settled(
        self,
        items: list[Asked],
        answer: Answer,
        paid: Mapping[str, Spent],
        *,
        last: bool,
    ) -> list[Asked]:
        """Keeps what was said of the items; returns those that must be asked about again."""
        said, why = self.form.read(answer, items)
        done, left = [], []
        for number, item in enumerate(items, start=1):
            values = said.get(number)
            if values is None and not last:
                left.append(item)
                continue
            cost = paid[item.key]
            done.append(
                Judgement(
                    cache_key=item.key,
                    provider=self.model.provider,
                    model=self.model.model,
                    prompt=self.prompt.name,
                    outcome="unusable" if values is None else "judged",
                    answer={"why": why} if values is None else values.model_dump(exclude={"n"}),
                    tokens=cost.tokens,
                    nano_usd=None if self.price is None else cost.nano_usd,
                )
            )
        self.keep(done)
        with self._lock:
            self._tally.judged |= {judgement.cache_key: judgement for judgement in done}
        return left

    def _call(
        self, question: Question, room: Reservation
    ) -> tuple[Answer | None, ProviderError | None]:
        self.pace.wait()
        try:
            answer, error = self.model.ask(question), None
        except ProviderError as fault:
            answer, error = None, fault
        spent = self.cost(answer)
        self.budget.settle(room, spent)
        with self._lock:
            total = self._tally.spent
            self._tally.spent = Spent(
                total.calls + 1, total.tokens + spent.tokens, total.nano_usd + spent.nano_usd
            )
            if answer is not None:
                self._tally.seconds.append(answer.seconds)
                self._failures = 0
            elif error is not None:
                self._tally.trouble = error
                self._failures += 1
        return answer, error

    def _fail(self, items: Sequence[Asked], error: ProviderError | None) -> None:
        why = "it could not be asked" if error is None else error.what
        with self._lock:
            self._tally.failed |= {item.key: why for item in items}

    def _is_broken(self) -> bool:
        """Whether it is useless to go on: a refused key or an empty account, or too many failures in a row."""
        with self._lock:
            trouble = self._tally.trouble
            if self._failures == 0 or trouble is None:
                return False
            passing = isinstance(trouble, RetriableError | BadDataError)
            return not passing or self._failures >= BREAKS_AFTER

    @staticmethod
    def _may_pass(error: ProviderError) -> bool:
        if isinstance(error, BadDataError):
            return True
        if isinstance(error, TimedOutError) or not isinstance(error, RetriableError):
            return False
        return error.retry_after is None or error.retry_after <= PATIENCE

    def _delay(self, error: ProviderError) -> float:
        asked = error.retry_after if isinstance(error, RetriableError) else None
        return self.rng.uniform(0, 1.0) if asked is None else asked

    def estimate(self, question: Question) -> Spent:
        """The most that a call may cost. Two characters a token is more than any text in Latin letters needs."""
        tokens_in = (len(question.system) + len(question.user)) // 2
        out = self.model.max_tokens
        nano = 0 if self.price is None else self.price.nano_usd(tokens_in, 0, out)
        return Spent(1, tokens_in + out, nano)

    def cost(self, answer: Answer | None) -> Spent:
        """What a call did cost; a call without an answer is a call."""
        if answer is None:
            return Spent(calls=1)
        used = (answer.input_tokens, answer.cached_tokens, answer.output_tokens)
        nano = 0 if self.price is None else self.price.nano_usd(*used)
        return Spent(1, answer.input_tokens + answer.output_tokens, nano)

    def _share(self, paid: dict[str, Spent], items: Sequence[Asked], answer: Answer | None) -> None:
        """Divides what a call cost among its items; the first bears what does not divide."""
        cost, count = self.cost(answer), len(items)
        for place, item in enumerate(items):
            extra = (cost.tokens % count, cost.nano_usd % count) if place == 0 else (0, 0)
            before = paid[item.key]
            paid[item.key] = Spent(
                0,
                before.tokens + cost.tokens // count + extra[0],
                before.nano_usd + cost.nano_usd // count + extra[1],
            )


def question_of(items: Sequence[Asked], prompt: Prompt | None = None) -> Question:
    """The question about some items."""
    numbered = [{"n": n, **item.material} for n, item in enumerate(items, start=1)]
    prompt = prompt or shipped_prompt()
    return Question(prompt.name, prompt.text, fenced({"items": numbered}), answer_schema())


def read_answer(answer: Answer, count: int) -> tuple[dict[int, ItemAnswer], str]:
    """The usable parts of an answer by number, and what is wrong with the others.

    Args:
        answer: As it came.
        count: How many items were asked about.
    """
    return read_items(answer, count, ItemAnswer)


@cache
def answer_schema() -> Mapping[str, Any]:
    """The JSON schema of an answer."""
    return schema_of(Answers)


JUDGING: Form = Form(question_of, lambda answer, items: read_answer(answer, len(items)))
"""Whether items matter."""
