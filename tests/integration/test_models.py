"""The real client libraries against the fakes: what is sent, and what each fault becomes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from clientlore.clock import FrozenClock
from clientlore.errors import (
    AuthenticationError,
    BadDataError,
    PermanentError,
    ProviderError,
    QuotaExhaustedError,
    RetriableError,
)
from clientlore.monitoring.asking_models import PROMPT, answer_schema, read_answer, system_prompt
from clientlore.providers.llm import openai as openai_model
from clientlore.providers.llm.anthropic import AnthropicModel
from clientlore.providers.llm.base import LanguageModel, Question
from clientlore.providers.llm.faults import TimedOutError
from clientlore.providers.llm.guarding import fenced
from clientlore.providers.llm.openai import OpenAIModel
from clientlore.testing.fakes import anthropic, openai
from clientlore.testing.fakes.serving import Fake, Fault, serving

PARTS = {"openai": openai, "anthropic": anthropic}


@dataclass
class Stand:
    """A fake and a model that asks it."""

    fake: Fake
    part: Any
    make: Callable[..., LanguageModel]

    def fail(self, *faults: Fault) -> None:
        self.fake.fail(self.part.PREFIX, *faults)

    @property
    def sent(self) -> list[dict[str, Any]]:
        return [json.loads(asked.body) for asked in self.fake.asked(self.part.PREFIX)]


@pytest.fixture(params=["openai", "anthropic"])
def stand(request: pytest.FixtureRequest, clock: FrozenClock) -> Iterator[Stand]:
    fake, part = Fake(), PARTS[request.param]
    with serving(fake, [openai.routes, anthropic.routes]) as address:
        made: list[LanguageModel] = []

        def make(**given: Any) -> LanguageModel:
            made.append(_made(**given))
            return made[-1]

        def _made(**given: Any) -> LanguageModel:
            known = {"api_key": part.KEY, "clock": clock, "timeout": 20.0}
            if request.param == "openai":
                known["base_url"] = f"{address}/openai/v1"
                return OpenAIModel(**{"model": "llama-4", **known, **given})
            known["base_url"] = f"{address}/anthropic"
            return AnthropicModel(**{"model": "claude-haiku-5-5", **known, **given})

        yield Stand(fake, part, make)
        for model in made:
            model.close()


def question(*titles: str) -> Question:
    items = [
        {"n": n, "client": {"name": "Acme"}, "article": {"title": title}}
        for n, title in enumerate(titles, start=1)
    ]
    return Question(PROMPT, system_prompt(), fenced({"items": items}), answer_schema())


def test_a_model_judges_every_item_by_the_schema_and_says_what_it_used(stand: Stand) -> None:
    answer = stand.make().ask(question("Acme buys Bolt", "Acme sells Bolt"))
    said, _ = read_answer(answer, 2)
    assert sorted(said) == [1, 2]
    assert answer.ended == "whole"
    assert answer.input_tokens > 300
    assert answer.output_tokens > 20
    (asked,) = stand.fake.asked(stand.part.PREFIX)
    assert asked.headers["user-agent"].startswith("Clientlore/")
    assert stand.part.KEY in (
        asked.headers.get("authorization", "") + asked.headers.get("x-api-key", "")
    )


def test_what_a_model_takes_is_sent_and_what_it_refuses_is_not(stand: Stand) -> None:
    if stand.part is openai:
        stand.make().ask(question("a"))
        (local,) = stand.sent
        own = stand.make(model="gpt-6-luna", base_url=None)
        assert (local["temperature"], local["max_tokens"]) == (0.1, 1_000)
        assert "reasoning_effort" not in local
        assert own._extra == {
            "reasoning_effort": "none",
            "temperature": 0.1,
            "max_completion_tokens": 1_000,
        }
        reasoning = stand.make(model="gpt-6-luna", base_url=None, effort="low")
        assert "temperature" not in reasoning._extra
    else:
        for given in ({}, {"effort": "low"}, {"model": "claude-haiku-4-5"}):
            stand.make(**given).ask(question("a"))
        plain, thinking, older = stand.sent
        assert plain["thinking"] == {"type": "disabled"}
        assert "temperature" not in plain
        assert "thinking" not in thinking
        assert thinking["output_config"]["effort"] == "low"
        assert older["temperature"] == 0.1
        assert all(sent["max_tokens"] == 1_000 for sent in stand.sent)
        assert plain["system"][0]["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize("stand", ["openai"], indirect=True)
def test_openai_is_told_whose_prompt_it_is_and_other_servers_are_not(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = question("a")
    stand.make(cache_scope="acme").ask(asked)
    monkeypatch.setattr(openai_model, "OWN_HOST", "127.0.0.1")
    stand.make(cache_scope="acme").ask(asked)
    stand.make(cache_scope="acme").ask(question("another article"))
    stand.make(cache_scope="acme").ask(replace(asked, prompt="judge-0"))
    stand.make(cache_scope="bolt").ask(asked)
    stand.make().ask(asked)
    elsewhere, first, again, older, other, unscoped = (
        s.get("prompt_cache_key") for s in stand.sent
    )
    assert elsewhere is None
    assert unscoped is None
    assert first == again
    assert len({first, older, other}) == 3
    assert all(key and len(key) <= 64 and "acme" not in key for key in (first, older, other))


@pytest.mark.parametrize(
    ("address", "is_own"),
    [
        (openai_model.OWN_ADDRESS, True),
        ("https://eu.api.openai.com/v1/", True),
        ("https://acme.openai.azure.com/openai/v1", False),
        ("https://api.openai.com.example/v1", False),
        ("http://localhost:11434/v1", False),
    ],
)
def test_an_address_is_openais_own_or_it_is_not(address: str, is_own: bool) -> None:
    assert openai_model._is_own(address) == is_own


@pytest.mark.parametrize(
    ("behaviour", "ended", "why"),
    [
        ("refusing", "refused", "it refused to answer"),
        ("cut", "cut", "its answer was cut off"),
        ("prose", "whole", "it answered in prose"),
        ("wrong_category", "whole", "its category cannot be used"),
        ("out_of_range", "whole", "its score cannot be used"),
        ("forgetful", "whole", "it left the item out"),
    ],
)
def test_an_answer_that_cannot_be_used_says_why(
    stand: Stand, behaviour: str, ended: str, why: str
) -> None:
    stand.fake.state[stand.part.PART]["behaviour"] = behaviour
    answer = stand.make().ask(question("Acme buys Bolt"))
    assert answer.ended == ended
    assert read_answer(answer, 1) == ({}, why)


@pytest.mark.parametrize(
    ("make_fault", "kind", "after"),
    [
        (lambda part: part.rate_limited(), RetriableError, None),
        (lambda part: part.rate_limited("3"), RetriableError, 3.0),
        (lambda part: part.overloaded(), RetriableError, None),
        (lambda part: Fault(500, b"<html>oops</html>"), RetriableError, None),
        (lambda part: part.out_of_money(), QuotaExhaustedError, None),
        (lambda part: part.revoked(), AuthenticationError, None),
        (lambda part: Fault(403, b"{}"), AuthenticationError, None),
        (lambda part: Fault(404, b"{}"), PermanentError, None),
        (lambda part: Fault(400, b"{}"), PermanentError, None),
        (
            lambda part: Fault(200, b"Please slow down", {"content-type": "text/plain"}),
            BadDataError,
            None,
        ),
        (lambda part: Fault(200, b"[]", {"content-type": "application/json"}), BadDataError, None),
        (lambda part: Fault(200, b"{}", {"content-type": "application/json"}), BadDataError, None),
        (lambda part: Fault(cut_to=40), BadDataError, None),
    ],
)
def test_each_fault_is_one_of_five_and_is_asked_once_alone(
    stand: Stand,
    make_fault: Callable[[Any], Fault],
    kind: type[ProviderError],
    after: float | None,
) -> None:
    stand.fail(make_fault(stand.part))
    with pytest.raises(kind) as caught:
        stand.make().ask(question("a"))
    assert type(caught.value) is kind
    assert getattr(caught.value, "retry_after", None) == after
    assert len(stand.sent) == 1
    assert stand.part.KEY not in f"{caught.value} {caught.value.detail}"


def test_a_wrong_key_names_its_variable_and_what_to_do(stand: Stand) -> None:
    with pytest.raises(AuthenticationError) as caught:
        stand.make(api_key="wrong").ask(question("a"))
    variable = f"{stand.part.PART.upper()}_API_KEY"
    assert variable in caught.value.what
    assert f"set {variable}" in caught.value.next_step
    assert "wrong" not in str(caught.value)


def test_silence_ends_after_the_time_that_a_call_may_take(stand: Stand) -> None:
    stand.fail(Fault(seconds=1.0))
    with pytest.raises(TimedOutError, match="did not answer in time"):
        stand.make(timeout=0.2).ask(question("a"))


def test_a_server_that_is_not_there_names_its_variable(clock: FrozenClock) -> None:
    nowhere = "http://127.0.0.1:9"
    models = (
        OpenAIModel("m", api_key=None, clock=clock, base_url=nowhere),
        AnthropicModel("m", api_key="k", clock=clock, base_url=nowhere),
    )
    for model, name in zip(models, ("OPENAI_API_BASE", "ANTHROPIC_API_BASE"), strict=True):
        with pytest.raises(RetriableError, match=name):
            model.ask(question("a"))
        model.close()


def test_the_fake_refuses_what_the_newest_models_refuse(stand: Stand) -> None:
    older, newer = ("llama-4", "gpt-6-luna")
    if stand.part is anthropic:
        older, newer = ("claude-haiku-4-5", "claude-haiku-5-5")
    model = stand.make(model=older)
    model.model = newer  # type: ignore[misc]
    with pytest.raises(PermanentError):
        model.ask(question("a"))
