"""One cheap call to everybody who is configured: sources, judges, the embedder, the reranker; failures say what to do.

Nothing is stored, and no budget of a tenant is charged: a person asked for it. Not here: mail (`trying_mail`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

from clientlore.control import clients, sources, tenants
from clientlore.control.judge_entry import JudgeEntry, judge_of
from clientlore.control.model import Client, Source, SourceState
from clientlore.errors import ClientloreError, ProviderError
from clientlore.monitoring.asking import parse
from clientlore.monitoring.asking_models import PROMPT, answer_schema, read_answer
from clientlore.monitoring.judges import model_for
from clientlore.providers.base import Ask, Fetched
from clientlore.providers.http import Http, open_client
from clientlore.providers.llm.base import Question
from clientlore.providers.llm.guarding import fenced
from clientlore.providers.registry import KINDS, kind_of
from clientlore.runs.examining import Finding
from clientlore.runs.providers import is_set
from clientlore.settings import Settings
from clientlore.workspace import Workspace

PATIENCE = 10.0
"""Seconds that a source is given."""
_SAMPLE = Client("", "example", "Example", domain="example.com", ticker="AAPL")
_SYSTEM = 'You are given no items. Answer with the JSON object {"items": []} and nothing else.'


class _EnoughError(ProviderError):
    """The first answer is there: that is all that was wanted."""


class _Once(Http):
    """Asks one question only."""

    answered = 0

    async def _ask(self, call: Any) -> Any:
        if self.answered:
            raise _EnoughError("one call is enough")
        answer = await super()._ask(call)
        self.answered += 1
        return answer


def try_live(workspace: Workspace) -> list[Finding]:
    """Asks each source's provider, each judge, the embedder and the reranker once."""
    found = [
        *_sources(workspace),
        *_judges(workspace),
        *_embedder(workspace),
        *_reranker(workspace),
    ]
    if found:
        return found
    return [
        Finding(
            "note",
            "providers",
            "nobody is configured who could be asked",
            "Put feeds or `search:` into the tenant file; `clientlore providers` lists who needs what.",
        )
    ]


def _sources(workspace: Workspace) -> Iterator[Finding]:
    used: dict[str, list[tuple[Source, Client | None]]] = {}
    with workspace.control.read() as connection:
        for tenant in tenants.all_tenants(connection):
            known = {c.client_id: c for c in clients.clients_of(connection, tenant.tenant_id)}
            for source in sources.sources_of(connection, tenant.tenant_id):
                used.setdefault(source.kind, []).append((source, known.get(source.client_id or "")))
    for kind, asked in sorted(used.items()):
        if kind != kind_of(kind).stand_in:
            source, client = asked[0]
            yield _try(workspace, source, client, used=len(asked))
    for name, kind_ in KINDS.items():
        if (
            name not in used
            and kind_.needs
            and all(is_set(workspace.settings, v) for v in kind_.needs)
        ):
            source = Source("", f"try-{name}", name, name, client_id=_SAMPLE.client_id)
            yield _unused(_try(workspace, source, _SAMPLE, used=0))


def _try(workspace: Workspace, source: Source, client: Client | None, *, used: int) -> Finding:
    subject = source.kind
    started = time.perf_counter()
    try:
        items = asyncio.run(_fetch(workspace, source, client))
    except ClientloreError as error:
        return Finding(
            "no", subject, error.what, error.next_step or "Look at the provider's own status page."
        )
    took = f"answers in {(time.perf_counter() - started) * 1_000:.0f} ms"
    more = f"; one of {used} sources was asked" if used > 1 else ""
    told = "" if items is None else f" with {items} usable entries"
    return Finding("ok", subject, f"{took}{told}{more}")


async def _fetch(workspace: Workspace, source: Source, client: Client | None) -> int | None:
    """How many entries the first answer has; None where it is not one that entries are in.

    Raises:
        ClientloreError: It did not answer, or not with what can be read.
    """
    day = workspace.clock.now().date()
    ask = Ask(source, client, () if client is None else (client,), day, True, SourceState())
    provider = workspace.providers.get(source.kind)
    async with open_client(PATIENCE, workspace.settings.ca_path) as opened:
        http = _Once(
            opened,
            clock=workspace.clock,
            rng=Random(),  # noqa: S311 - jitter, not a secret
            attempts=1,
            deadline_seconds=PATIENCE,
        )
        try:
            fetched: Fetched = await provider.fetch(ask, http)
        except _EnoughError:
            return None
        if fetched.fault is not None and not isinstance(fetched.fault, _EnoughError):
            raise fetched.fault
    return sum(parse(provider, response, day).count for response in fetched.responses)


def _judges(workspace: Workspace) -> Iterator[Finding]:
    with workspace.control.read() as connection:
        wanted = {x.tenant_id: judge_of(x.settings) for x in tenants.all_tenants(connection)}
    by_model: dict[tuple[str, str | None], str] = {}
    for tenant_id, judge in wanted.items():
        if judge.provider != "rules":
            by_model.setdefault((judge.provider, judge.model), tenant_id)
    for (provider, model), tenant_id in sorted(by_model.items(), key=str):
        yield _judge(workspace, provider, model, tenant_id)
    asked = {provider for provider, _ in by_model}
    for provider, key in _keys(workspace.settings).items():
        if key and provider not in asked:
            yield _unused(_judge(workspace, provider, None, ""))


def _keys(settings: Settings) -> dict[str, bool]:
    return {
        "openai": settings.openai_api_key is not None,
        "anthropic": settings.llm.anthropic_api_key is not None,
    }


def _judge(workspace: Workspace, provider: str, name: str | None, tenant_id: str) -> Finding:
    subject = f"judge {provider}"
    entry = JudgeEntry.model_validate({"provider": provider, "model": name})
    question = Question(PROMPT, _SYSTEM, fenced({"items": []}), answer_schema())
    try:
        model = model_for(workspace.settings, workspace.clock, entry, tenant_id)
        try:
            answer = model.ask(question)
        finally:
            model.close()
    except ClientloreError as error:
        advice = (
            error.next_step or "Raise LLM_TIMEOUT if it is merely slow; the rules judge until then."
        )
        return Finding("no", subject, error.what, advice)
    told = f"{model.model} answers in {answer.seconds * 1_000:.0f} ms"
    if answer.ended != "whole":
        why = read_answer(answer, 0)[1]
        return Finding(
            "no", subject, f"{told}, but {why}", "Raise LLM_MAX_TOKENS, or name another model."
        )
    return Finding("ok", subject, f"{told} for {answer.input_tokens + answer.output_tokens} tokens")


def _embedder(workspace: Workspace) -> Iterator[Finding]:
    if workspace.settings.embedding.model is None:
        return
    started = time.perf_counter()
    try:
        made = workspace.embedder
        assert made is not None
        made.embed(["Clientlore"])
    except ClientloreError as error:
        yield Finding(
            "no", "embedder", error.what, error.next_step or "Search is by words until then."
        )
        return
    took = (time.perf_counter() - started) * 1_000
    yield Finding(
        "ok", "embedder", f"{made.model} answers in {took:.0f} ms with {made.dimension} numbers"
    )


def _reranker(workspace: Workspace) -> Iterator[Finding]:
    started = time.perf_counter()
    try:
        made = workspace.reranker
        if made is None:
            return
        made.rerank("Clientlore", ["Clientlore", "the weather"])
    except ClientloreError as error:
        advice = error.next_step or "Searches keep the order without it until then."
        yield Finding("no", "reranker", error.what, advice)
        return
    took = (time.perf_counter() - started) * 1_000
    only = " and serves mock tenants alone" if made.mode == "mock" else ""
    yield Finding("ok", "reranker", f"{made.model} answers in {took:.0f} ms{only}")


def _unused(found: Finding) -> Finding:
    """Nobody depends on it: its failure stops nothing."""
    detail = f"{found.detail}; no tenant uses it"
    return replace(found, verdict="note" if found.verdict == "no" else "ok", detail=detail)
