"""Which judge works for a tenant: rules and classifier, or a model with the tenant's key, settings and budget."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from random import Random

from clientlore.clock import Clock
from clientlore.control import clients
from clientlore.control.budgets import Budget
from clientlore.control.judge_entry import JudgeEntry, judge_of, limits_of
from clientlore.control.judgements import Judgement
from clientlore.control.model import Tenant
from clientlore.control.snapshots import Snapshot
from clientlore.errors import ConfigurationError
from clientlore.monitoring.asking_models import JUDGING, Asker, Form, Prompt, shipped_prompt
from clientlore.monitoring.classifier import of_tenant
from clientlore.monitoring.llm_scoring import Asking, LlmScorer
from clientlore.monitoring.local import LocalScorer
from clientlore.providers.judging import Scorer
from clientlore.providers.llm.base import LanguageModel
from clientlore.providers.llm.pacing import Pace
from clientlore.providers.llm.prices import price_of, read_prices
from clientlore.settings import Settings
from clientlore.workspace import Workspace

_paces: dict[tuple[str, int], Pace] = {}
_lock = threading.Lock()


def scorer_for(workspace: Workspace, tenant: Tenant, snapshot: Snapshot) -> Scorer:
    """The judge of a (tenant, day): as the day's configuration says, on the budget that the tenant has now.

    Raises:
        ConfigurationError: A model is asked for, and its key, its library or its price is missing.
    """
    judge = judge_of(snapshot.settings)
    if judge.provider == "rules" or "judge" not in tenant.settings:
        return LocalScorer(of_tenant(workspace.settings.models, tenant.tenant_id))
    is_past = snapshot.day < workspace.clock.now().date()
    return llm_scorer(
        workspace, tenant, snapshot, judge, in_bulk=is_past and judge_of(tenant.settings).bulk
    )


def llm_scorer(
    workspace: Workspace,
    tenant: Tenant,
    snapshot: Snapshot,
    judge: JudgeEntry,
    *,
    in_bulk: bool = False,
    prompt: Prompt | None = None,
) -> LlmScorer:
    """A model as judge, on the budget that the tenant has now. The caller closes it.

    Raises:
        ConfigurationError: Its key, its library or its price is missing.
    """
    prompt = prompt or shipped_prompt()
    model, asker = asker_for(workspace, tenant, judge, prompt, JUDGING)
    with workspace.control.read() as connection:
        contacts = clients.contact_names(connection, tenant.tenant_id)
    return LlmScorer(
        workspace.control,
        workspace.clock,
        tenant.tenant_id,
        model,
        judge,
        lambda keep: _asking(asker(keep), in_bulk=in_bulk),
        known_people=(*contacts, *(reader.name for reader in snapshot.readers)),
        prompt=prompt.name,
    )


Keep = Callable[[Sequence[Judgement]], None]


def asker_for(
    workspace: Workspace, tenant: Tenant, judge: JudgeEntry, prompt: Prompt, form: Form
) -> tuple[LanguageModel, Callable[[Keep], Asker]]:
    """A tenant's model, and what makes an asker of it on the budget that the tenant has now.

    Raises:
        ConfigurationError: Its key, its library or its price is missing.
    """
    model = model_for(workspace.settings, workspace.clock, judge, tenant.tenant_id)
    llm = workspace.settings.llm
    price = price_of(read_prices(llm.prices_path), model.model, workspace.clock.now().date())
    limits = limits_of(tenant.settings)
    if limits.usd is not None and price is None:
        raise ConfigurationError(
            f"'{tenant.tenant_id}' has a budget in dollars, and no price of '{model.model}' is known",
            "Add it to a price table named by CLIENTLORE_PRICES, or give budget_calls instead.",
        )
    budget = Budget(workspace.control, workspace.clock, tenant.tenant_id, model.provider, limits)
    pace = _pace(judge.provider, llm.calls_per_minute)
    return model, lambda keep: Asker(
        model,
        budget,
        keep,
        price,
        pace,
        Random(),  # noqa: S311 - how long to wait before a retry is no secret
        judge.batch,
        llm.concurrency,
        prompt=prompt,
        form=form,
    )


def _asking(asker: Asker, *, in_bulk: bool) -> Asking:
    if not in_bulk:
        return asker
    from clientlore.monitoring.bulk_judging import BulkAsker
    from clientlore.providers.llm.bulk import bulk_of

    return BulkAsker(asker, bulk_of(asker.model))


def model_for(settings: Settings, clock: Clock, judge: JudgeEntry, tenant_id: str) -> LanguageModel:
    """The model that a tenant asks for.

    Raises:
        ConfigurationError: Its key or its library is missing.
    """
    llm = settings.llm
    common: Mapping[str, object] = {
        "clock": clock,
        "max_tokens": llm.max_tokens,
        "temperature": llm.temperature,
        "timeout": llm.timeout_seconds,
        "effort": llm.effort,
    }
    if judge.provider == "openai":
        from clientlore.providers.llm.openai import OpenAIModel

        key, base = settings.openai_api_key, settings.openai_api_base
        if key is None and base is None:
            raise _no_key(tenant_id, "openai", "OPENAI_API_KEY")
        secret = None if key is None else key.get_secret_value()
        name = judge.model or llm.openai_model
        return OpenAIModel(
            name,
            api_key=secret,
            base_url=base,
            cache_scope=tenant_id,
            **common,  # type: ignore[arg-type]
        )
    from clientlore.providers.llm.anthropic import AnthropicModel

    if llm.anthropic_api_key is None:
        raise _no_key(tenant_id, "anthropic", "ANTHROPIC_API_KEY")
    secret = llm.anthropic_api_key.get_secret_value()
    name = judge.model or llm.anthropic_model
    return AnthropicModel(name, api_key=secret, base_url=llm.anthropic_api_base, **common)  # type: ignore[arg-type]


def _no_key(tenant_id: str, provider: str, variable: str) -> ConfigurationError:
    return ConfigurationError(
        f"'{tenant_id}' asks for {provider}, and {variable} is not set",
        f"Set {variable} in the environment or in .env, or take `judge` out of the tenant file.",
    )


def _pace(provider: str, per_minute: int) -> Pace:
    """One pace for each provider in a process: the limit is that of the account, whoever asks."""
    with _lock:
        return _paces.setdefault((provider, per_minute), Pace(per_minute))
