"""Relevance by rules first, and by a language model for what survives them.

    score = what the model says, at most what the rules say + 0.4

The rules decide what is about whom; the model how much it matters, and in what words. It may lift what the rules
say only so far, so that an article which talks a model into anything talks itself to the top of nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl

from clientlore.clock import Clock
from clientlore.control import judgements
from clientlore.control.engine import ControlPlane
from clientlore.control.judge_entry import JudgeEntry
from clientlore.control.judgements import Judgement
from clientlore.control.model import Client
from clientlore.ids import stable_id
from clientlore.monitoring import folding
from clientlore.monitoring.asking_models import PROMPT, Asked, Tally
from clientlore.monitoring.classifier import shipped
from clientlore.monitoring.local import with_local_category
from clientlore.monitoring.relevance import RulesScorer
from clientlore.monitoring.rules import RULES_VERSION
from clientlore.providers.llm.base import LanguageModel
from clientlore.providers.llm.guarding import Redaction, clean

MAX_LIFT = 0.4
TITLE_CHARS, TEXT_CHARS, SUMMARY_CHARS, REASON_CHARS = 300, 1_500, 300, 160
_IN_A_BATCH = "not judged yet: it was put into a batch, which is answered within a day"
_BUDGET_USED = "not judged yet: the budget of the day was used up"


class Asking(Protocol):
    """Puts items to a model, one call after another or in a batch."""

    def ask(self, items: Sequence[Asked]) -> Tally:
        """Asks about the items, in their order as far as the budget goes."""
        ...


@dataclass(frozen=True)
class Report:
    """How a round of judging went.

    Attributes:
        cached: Judgements that were there already, and cost nothing.
        left_to_rules: Items that the model did not answer usably, or at all.
        waiting: Items for which the budget had no room.
    """

    asked_for: int
    cached: int
    left_to_rules: int
    waiting: int
    tally: Tally

    @property
    def p95_ms(self) -> int:
        """95 % of the answers came within this many milliseconds; 0 where none came."""
        found = sorted(self.tally.seconds)
        return round(1_000 * found[int(0.95 * (len(found) - 1))]) if found else 0

    def counts(self) -> dict[str, int | float]:
        """As a stage counts."""
        return {
            "llm_items": self.asked_for,
            "llm_cached": self.cached,
            **({"llm_in_batches": len(self.tally.under_way)} if self.tally.under_way else {}),
            "llm_calls": self.tally.spent.calls,
            "llm_retries": self.tally.retries,
            "llm_tokens": self.tally.spent.tokens,
            "llm_usd": round(self.tally.spent.usd, 6),
            "llm_p95_ms": self.p95_ms,
            "left_to_rules": self.left_to_rules,
        }


@dataclass
class LlmScorer:
    """A `Scorer` that has a second look at what survives the rules.

    Args:
        asker: Makes an asker that keeps judgements by the function it is given.
        judge: What the tenant asks for.
        known_people: Names that are taken out of what is sent, beside those of the client's profile, where the
            tenant asks for that.
    """

    control: ControlPlane
    clock: Clock
    tenant_id: str
    model: LanguageModel
    judge: JudgeEntry
    asker: Callable[[Callable[[Sequence[Judgement]], None]], Asking]
    known_people: Sequence[str] = ()
    report: Report | None = None
    method: str = "llm"
    prompt: str = PROMPT
    _rules: RulesScorer = field(default_factory=RulesScorer)

    @property
    def version(self) -> str:
        """Provider, model and prompt."""
        return f"{self.model.provider}:{self.model.model}:{self.prompt}"

    def close(self) -> None:
        """Closes the model's connections."""
        self.model.close()

    def score(self, items: pl.DataFrame, clients: Sequence[Client]) -> pl.DataFrame:
        """See `Scorer.score`: what the rules say, of every item; the local category is kept beside the model's."""
        return with_local_category(self._rules.score(items, clients), shipped())

    def refine(self, judged: pl.DataFrame, clients: Sequence[Client]) -> pl.DataFrame:
        """Has the model judge what the rules let through; see `Refining.refine`.

        Asked oldest first. What was judged before is looked up and costs nothing.
        """
        profiles = {client.client_id: client for client in clients}
        survivors = judged.filter(pl.col("score") >= self.judge.from_score).sort(
            *folding.ORDER, "client_id", nulls_last=True, maintain_order=True
        )
        redactions: dict[str, Redaction] = {}
        wanted: dict[tuple[str, str], Asked] = {}
        for row in survivors.iter_rows(named=True):
            asked, hidden = self._asked(row, profiles[row["client_id"]])
            wanted[row["event_id"], row["client_id"]] = asked
            redactions[asked.key] = hidden
        by_key = {asked.key: asked for asked in wanted.values()}
        with self.control.read() as connection:
            known = judgements.find(connection, self.tenant_id, by_key)
        tally = self.asker(self._keep).ask([a for key, a in by_key.items() if key not in known])
        found = {**known, **tally.judged}
        rows = [
            self._told(
                row, wanted.get((row["event_id"], row["client_id"])), found, tally, redactions
            )
            for row in judged.iter_rows(named=True)
        ]
        unusable = {key for key in by_key if key in found and found[key].outcome == "unusable"}
        self.report = Report(
            len(by_key), len(known), len(tally.failed) + len(unusable), len(tally.waiting), tally
        )
        schema: dict[str, Any] = {
            **judged.schema,
            "category": pl.String,
            "judged_by": pl.String,
            "judged_version": pl.String,
        }
        return pl.DataFrame(rows, schema=schema)

    def _keep(self, done: Sequence[Judgement]) -> None:
        with self.control.write() as connection:
            judgements.keep(connection, self.tenant_id, done, self.clock.now())

    def _asked(self, row: dict[str, Any], client: Client) -> tuple[Asked, Redaction]:
        people = [str(name) for name in client.profile.get("people", ())]
        hidden = Redaction((*people, *self.known_people) if self.judge.redact else ())
        shown = hidden.hide if self.judge.redact else str
        profile = {
            "name": client.name,
            "aliases": list(client.profile.get("aliases", ())),
            "industry": client.industry,
            "domain": client.domain,
            "ticker": client.ticker,
            "people": [shown(name) for name in people],
        }
        article = {
            "title": shown(clean(row["title"] or "", TITLE_CHARS)),
            "text": shown(clean(row["text"] or "", TEXT_CHARS)),
            "publisher": clean(row["publisher"] or "", 100),
            "published": None if row["published_at"] is None else f"{row['published_at']:%Y-%m-%d}",
        }
        material = {
            "client": {k: v for k, v in profile.items() if v},
            "article": {k: v for k, v in article.items() if v},
        }
        told = json.dumps(material, sort_keys=True, ensure_ascii=False)
        return Asked(stable_id(told, self.version), material), hidden

    def _told(
        self,
        row: dict[str, Any],
        asked: Asked | None,
        found: dict[str, Judgement],
        tally: Tally,
        redactions: dict[str, Redaction],
    ) -> dict[str, Any]:
        """The row as it stands in the end."""
        by_rules = {**row, "judged_by": "rules", "judged_version": RULES_VERSION}
        if asked is None:
            return by_rules
        judgement = found.get(asked.key)
        if judgement is None:
            if asked.key in tally.failed:
                why = f"{row['rationale']}; left to the rules: {tally.failed[asked.key]}"
                return {**by_rules, "rationale": why}
            return {
                **row,
                "score": None,
                "confidence": None,
                "rationale": _IN_A_BATCH if asked.key in tally.under_way else _BUDGET_USED,
                "judged_by": self.method,
                "judged_version": self.version,
            }
        cost = {
            "tokens": judgement.tokens,
            "cost_usd": None if judgement.nano_usd is None else judgement.nano_usd / 1e9,
        }
        if judgement.outcome == "unusable":
            why = f"{row['rationale']}; left to the rules: {judgement.answer['why']}"
            return {**by_rules, **cost, "rationale": why}
        said = judgement.answer
        score = round(min(said["score"], row["score"] + MAX_LIFT, 1.0), 4)
        held = (
            f"; {said['score']:.2f} held to {score:.2f}" if score < round(said["score"], 4) else ""
        )
        show = redactions[asked.key].show
        summary = clean(show(said["summary"]), SUMMARY_CHARS).replace("\n", " ")
        reason = clean(show(said["reason"]), REASON_CHARS).replace("\n", " ")
        return {
            **row,
            **cost,
            "score": score,
            "category": said["category"],
            "confidence": round(said["confidence"], 4),
            "summary": summary or row["summary"],
            "rationale": f"{reason or row['rationale']}{held}",
            "judged_by": self.method,
            "judged_version": self.version,
        }
