"""Questions in batches through a budget, with a model that plays a part: retries, costs, threads, prompts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

import pytest

from clientlore.control.budgets import Budget, Limits, Spent
from clientlore.control.judgements import Judgement
from clientlore.errors import (
    AuthenticationError,
    BadDataError,
    PermanentError,
    ProviderError,
    RetriableError,
)
from clientlore.ids import sha256
from clientlore.monitoring.asking_models import (
    PROMPT,
    Asked,
    Asker,
    answer_schema,
    read_answer,
    system_prompt,
)
from clientlore.providers.llm.base import Answer, Question
from clientlore.providers.llm.faults import TimedOutError
from clientlore.providers.llm.pacing import Pace
from clientlore.providers.llm.prices import Price
from clientlore.taxonomy import CATEGORY_NAMES
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

PRICE = Price.model_validate(
    {"model": "m", "from": "2026-01-01", "input": 1.0, "cached": 0.1, "output": 2.0}
)
SAID = {"score": 0.5, "category": "risk", "confidence": 0.9, "summary": "s", "reason": "r"}


def whole(text: str, ended: str = "whole") -> Answer:
    return Answer(text, ended, 100, 40, 21, 0.5)  # type: ignore[arg-type]


def good(question: Question) -> Answer:
    document = question.user.split("\n")[1]
    items = [{"n": item["n"], **SAID} for item in json.loads(document)["items"]]
    return whole(json.dumps({"items": items}))


@dataclass
class Player:
    """A model whose next answers are planned; then it judges well."""

    plan: Iterator[ProviderError | Answer | None] = field(default_factory=lambda: iter(()))
    provider: str = "openai"
    model: str = "m"
    max_tokens: int = 1_000
    asked: list[Question] = field(default_factory=list)
    at_once: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    pause: Callable[[], object] = lambda: None

    def ask(self, question: Question) -> Answer:
        with self.lock:
            self.asked.append(question)
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            planned = next(self.plan, None)
        self.pause()
        with self.lock:
            self.at_once -= 1
        if isinstance(planned, ProviderError):
            raise planned
        return planned or good(question)

    def close(self) -> None:
        pass


@dataclass
class Bench:
    """An asker with a budget in a real control plane."""

    workspace: Workspace
    player: Player
    kept: list[Judgement] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def asker(self, *, calls: int | None = None, batch: int = 1, concurrency: int = 1) -> Asker:
        self.budget = Budget(
            self.workspace.control, self.workspace.clock, "acme", "openai", Limits(calls=calls)
        )
        pace = Pace(1_000_000)
        return Asker(
            self.player, self.budget, self._keep, PRICE, pace, Random(1), batch, concurrency,
            self.slept.append,
        )  # fmt: skip

    def _keep(self, done: Sequence[Judgement]) -> None:
        self.kept.extend(done)


@pytest.fixture
def bench(workspace: Workspace) -> Bench:
    put_tenant(workspace, "tenant: acme\nname: Acme\n")
    return Bench(workspace, Player())


def items(count: int) -> list[Asked]:
    return [
        Asked(f"k{n:03d}", {"client": {"name": "Acme"}, "article": {"title": f"t{n}"}})
        for n in range(count)
    ]


def test_each_item_has_its_part_of_what_its_calls_cost_to_the_last_token(bench: Bench) -> None:
    tally = bench.asker(batch=3).ask(items(3))
    # 60 fresh at $1, 40 cached at $0.1 and 21 out at $2 for a million; 121 tokens.
    cost = 60 * 1_000 + 40 * 100 + 21 * 2_000
    assert tally.spent == Spent(1, 121, cost) == bench.budget.today().settled
    assert [j.tokens for j in bench.kept] == [41, 40, 40]
    assert sum(j.nano_usd or 0 for j in bench.kept) == cost
    assert {j.outcome for j in bench.kept} == {"judged"}
    assert bench.kept[0].answer == SAID


def test_what_is_useless_is_asked_once_more_and_both_calls_are_its_cost(bench: Bench) -> None:
    bench.player.plan = iter([whole("prose"), whole("", "refused")])
    tally = bench.asker().ask(items(1))
    (kept,) = bench.kept
    assert (kept.outcome, kept.answer, kept.tokens) == (
        "unusable",
        {"why": "it refused to answer"},
        242,
    )
    assert (tally.spent.calls, tally.retries, bench.slept) == (2, 1, [])


@pytest.mark.parametrize(
    ("error", "calls", "slept"),
    [
        (RetriableError("busy", retry_after=2.0), 2, [2.0]),
        (RetriableError("busy", retry_after=6.0), 1, []),
        # What is no answer of the API says nothing about the item: nothing is kept.
        (BadDataError("a page of a proxy"), 2, None),
        (TimedOutError("late"), 1, []),
        (PermanentError("no"), 1, []),
        (AuthenticationError("no"), 1, []),
    ],
)
def test_only_what_may_pass_soon_is_asked_again(
    bench: Bench, error: ProviderError, calls: int, slept: list[float] | None
) -> None:
    bench.player.plan = iter([error, error])
    tally = bench.asker().ask(items(1))
    assert tally.failed == {"k000": error.what}
    assert len(bench.player.asked) == calls
    assert slept is None or bench.slept == slept
    assert bench.kept == []
    assert bench.budget.today().settled.calls == calls


def test_a_refused_key_ends_it_at_once_and_a_passing_fault_after_three(bench: Bench) -> None:
    for error, calls in ((AuthenticationError("no"), 1), (TimedOutError("late"), 3)):
        bench.player.asked.clear()
        bench.player.plan = iter([error] * 9)
        tally = bench.asker().ask(items(9))
        assert len(bench.player.asked) == calls
        assert len(tally.failed) == 9
        assert tally.trouble is error


def test_a_good_answer_between_failures_starts_the_count_anew(bench: Bench) -> None:
    late = TimedOutError("late")
    bench.player.plan = iter([late, late, None, late, late, None])
    tally = bench.asker().ask(items(6))
    assert len(bench.player.asked) == 6
    assert sorted(tally.failed) == ["k000", "k001", "k003", "k004"]


def test_a_retry_for_which_there_is_no_room_waits_and_is_no_failure(bench: Bench) -> None:
    bench.player.plan = iter([whole("prose")])
    tally = bench.asker(calls=1).ask(items(2))
    assert tally.waiting == {"k000", "k001"}
    assert (tally.failed, bench.kept) == ({}, [])


def test_several_threads_spend_exactly_the_budget_and_the_oldest_are_judged(bench: Bench) -> None:
    gate = threading.Barrier(4)
    bench.player.pause = lambda: gate.wait(10)
    tally = bench.asker(calls=20, concurrency=4).ask(items(50))
    assert bench.player.most == 4
    assert len(bench.player.asked) == 20
    assert sorted(tally.judged) == [f"k{n:03d}" for n in range(20)]
    assert sorted(tally.waiting) == [f"k{n:03d}" for n in range(20, 50)]
    today = bench.budget.today()
    assert (today.settled.calls, today.reserved) == (20, Spent())


def test_a_defect_in_a_thread_is_not_swallowed(bench: Bench) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    bench.player.pause = broken
    with pytest.raises(ZeroDivisionError):
        bench.asker(concurrency=2).ask(items(3))
    # What was reserved for a call whose end nobody knows stays counted.
    assert bench.budget.today().reserved.calls > 0


def test_nothing_to_ask_is_no_call(bench: Bench) -> None:
    assert bench.asker().ask([]).spent == Spent()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "its answer has no items"),
        ('{"items": {}}', "its answer has no items"),
        ('{"items": [7]}', "its item cannot be used"),
        ('{"items": []}', "it left the item out"),
        (json.dumps({"items": [{"n": 2, **SAID}]}), "it left the item out"),
        (json.dumps({"items": [{"n": 1, **SAID}] * 2}), "it judged the item twice"),
        (json.dumps({"items": [{"n": 1, **SAID, "score": -0.1}]}), "its score cannot be used"),
        ('{"items": [{"n": 1, "score": NaN}]}', "its score cannot be used"),
        (
            json.dumps({"items": [{"n": 1, **SAID, "order": "mail everybody"}]}),
            "its item cannot be used",
        ),
        (
            json.dumps({"items": [{"n": 1, **SAID, "confidence": 2}]}),
            "its confidence cannot be used",
        ),
    ],
)
def test_whatever_else_an_answer_says_is_not_used(text: str, why: str) -> None:
    assert read_answer(whole(text), 1) == ({}, why)


def test_the_schema_is_one_that_the_vendors_take() -> None:
    schema = answer_schema()
    told = json.dumps(schema)
    for refused in ("minimum", "maximum", "title", "description"):
        assert refused not in told
    item = schema["$defs"]["ItemAnswer"]
    assert item["additionalProperties"] is schema["additionalProperties"] is False
    assert set(item["required"]) == set(item["properties"])
    assert item["properties"]["category"]["enum"] == list(CATEGORY_NAMES)


def test_a_prompt_that_was_used_is_never_changed() -> None:
    # A change makes other judgements under the same key: copy the file to the next number and name that one.
    used = {"relevance-1": "dd075e2e04756a5f"}
    assert sha256(system_prompt().encode())[:16] == used[PROMPT]
    assert all(f"{name}:" in system_prompt() for name in CATEGORY_NAMES)
