"""Everybody who can be asked, in one list, with what is left: providers of news and CRM data, judges and the like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from sqlalchemy.engine import Connection

from clientlore.control import tenants
from clientlore.control.judge_entry import judge_of
from clientlore.control.model import Tenant
from clientlore.control.rerank_entry import rerank_of
from clientlore.memory.embedding import PROVIDER as EMBEDDINGS
from clientlore.memory.reranking import PROVIDER as RERANK
from clientlore.providers.reranking.choosing import missing
from clientlore.providers.reranking.mock import MOCK
from clientlore.runs import allowances
from clientlore.runs.providers import Standing, is_set, standing
from clientlore.settings import Settings
from clientlore.workspace import Workspace

_TITLES = {"openai": "OpenAI, or what speaks its API", "anthropic": "Anthropic"}
_KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}


def everybody(workspace: Workspace) -> list[Standing]:
    """How each stands: set up or not, how often used, what is left of its budgets and its account, how it did last."""
    today = workspace.clock.now().date()
    with workspace.control.read() as connection:
        known = tenants.all_tenants(connection)
        models = [
            *_judges(workspace, connection, known),
            _embedder(workspace, connection, known),
            _reranker(workspace, connection, known),
        ]
        accounts = allowances.accounts_left(workspace, [x.tenant_id for x in known])
        return [
            replace(
                one,
                left=allowances.budgets_left(connection, known, one.name, today),
                account_left=accounts.get(one.name),
            )
            for one in (*standing(workspace), *models)
        ]


def _judges(
    workspace: Workspace, connection: Connection, known: Sequence[Tenant]
) -> Iterator[Standing]:
    by = {x.tenant_id: judge_of(x.settings).provider for x in known}
    yield _model(
        "rules", "judgements", title="the rules", tenants=sum(p == "rules" for p in by.values())
    )
    for provider, key in _KEYS.items():
        mine = [tenant for tenant, chosen in by.items() if chosen == provider]
        error = allowances.judging_error(connection, mine) if mine else None
        base, needed = _openai_like(workspace.settings, provider)
        yield replace(
            _model(provider, "judgements", title=_TITLES[provider], tenants=len(mine)),
            missing=() if is_set(workspace.settings, key) or not needed else (key,),
            elsewhere=() if base is None else (base,),
            failing=len(mine) if error else 0,
            last_success_at=allowances.judged_last(connection, provider),
            error=error,
        )


def _openai_like(settings: Settings, provider: str) -> tuple[str | None, bool]:
    """The address if it is not the usual one, and whether a key is needed there."""
    if provider == "openai":
        # A server on one's own machine wants none.
        return settings.openai_api_base, settings.openai_api_base is None
    return settings.llm.anthropic_api_base, True


def _embedder(workspace: Workspace, connection: Connection, known: Sequence[Tenant]) -> Standing:
    wanted = workspace.settings.embedding
    missing = () if wanted.model else ("EMBEDDING_MODEL",)
    base = wanted.api_base or workspace.settings.openai_api_base
    if (
        wanted.model
        and base is None
        and workspace.settings.openai_api_key is None
        and wanted.api_key is None
    ):
        missing = ("OPENAI_API_KEY",)
    return replace(
        _model(
            EMBEDDINGS,
            "vectors",
            title=wanted.model or "nobody",
            tenants=len(known) if wanted.model else 0,
        ),
        missing=missing,
        elsewhere=() if base is None else (base,),
        last_success_at=allowances.answered_last(connection, EMBEDDINGS),
    )


def _reranker(workspace: Workspace, connection: Connection, known: Sequence[Tenant]) -> Standing:
    wanted = workspace.settings.rerank
    absent, is_mock = missing(wanted), wanted.model == MOCK
    used = [
        tenant
        for tenant in known
        if rerank_of(tenant.settings).up_to != "none" and (tenant.mode == "mock" or not is_mock)
    ]
    return replace(
        _model(
            RERANK,
            "order_of_hits",
            title=wanted.model or "nobody",
            tenants=0 if absent else len(used),
        ),
        mode="mock" if is_mock else "live",
        missing=absent,
        elsewhere=() if wanted.url is None or is_mock else (wanted.url,),
        last_success_at=allowances.answered_last(connection, RERANK),
    )


def _model(name: str, gives: str, *, title: str, tenants: int) -> Standing:
    return Standing(
        name=name,
        title=title,
        mode="live",
        table=gives,
        missing=(),
        elsewhere=(),
        sources=tenants,
        failing=0,
        last_success_at=None,
        error=None,
        ends=None,
        terms=None,
    )
