"""Who judges, as the tenant file says it: what is kept, what limits it, what is refused."""

from __future__ import annotations

import pytest

from clientlore.control.budgets import Limits
from clientlore.control.judge_entry import JudgeEntry, judge_of, limits_of
from clientlore.control.tenant_file import parse_tenant_file
from clientlore.errors import ConfigurationError

FILE = "tenant: acme\nname: Acme\n"


def test_without_a_word_the_rules_judge_and_nothing_may_be_spent() -> None:
    settings = parse_tenant_file(FILE).judge.settings()
    assert settings == {}
    assert judge_of(settings).provider == "rules"
    assert limits_of(settings) == Limits(calls=0)


def test_what_limits_judging_is_kept_apart_from_what_changes_it() -> None:
    text = f"{FILE}judge: {{provider: openai, batch: 2, redact: true, budget_calls: 50, budget_usd: 0.5}}\n"
    entry = parse_tenant_file(text).judge
    settings = entry.settings()
    assert settings["judge_budget"] == {"calls": 50, "usd": 0.5}
    assert judge_of(settings) == JudgeEntry(provider="openai", batch=2, redact=True)
    assert limits_of(settings) == Limits(calls=50, usd=0.5)


def test_a_model_without_a_budget_has_one_all_the_same() -> None:
    settings = parse_tenant_file(f"{FILE}judge: {{provider: anthropic}}\n").judge.settings()
    assert limits_of(settings) == Limits(calls=500)


@pytest.mark.parametrize(
    ("judge", "said"),
    [
        ("{provider: gpt}", "judge.provider"),
        ("{provider: openai, budget_calls: -1}", "judge.budget_calls"),
        ("{provider: openai, budget: 5}", "did you mean 'budget_usd'"),
        ("{provider: openai, batch: 0}", "judge.batch"),
        ("{budget_calls: 5}", "the rules take no 'budget_calls'; name a provider"),
    ],
)
def test_a_wrong_judge_names_the_line(judge: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match="line 3") as caught:
        parse_tenant_file(f"{FILE}judge: {judge}\n")
    assert said in str(caught.value)
