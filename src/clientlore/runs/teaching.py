"""What a tenant's feedback teaches its classifier, and whether what came of it goes live.

A category that somebody corrected is learned as corrected; what somebody found useful is learned as it was judged. The
tenant's model starts as that of the home and moves as far as the feedback asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clientlore.control import feedback as kept
from clientlore.control import tenants
from clientlore.control.feedback import Feedback
from clientlore.errors import ClientloreError
from clientlore.monitoring.categories import by_both, by_rules
from clientlore.monitoring.classifier import LIVE, Classifier, live, of_tenant, save, text_of
from clientlore.monitoring.events import MEMBERS, fullest
from clientlore.monitoring.training import FOLDS, adapt, alike
from clientlore.storage.files import write_atomic
from clientlore.workspace import Workspace

AT_LEAST = 20
"""Fewer labelled events teach nothing."""


@dataclass(frozen=True)
class Taught:
    """What came of teaching.

    Attributes:
        examples: Events whose category people have said.
        before: Share of them that the home's model gets right.
        after: Share that models taught by the others get right.
        is_live: Whether the new model is in force now.
        version: The model in force.
        why: In words.
    """

    examples: int
    is_live: bool
    version: str
    why: str
    before: float | None = None
    after: float | None = None


def examples(workspace: Workspace, tenant_id: str) -> pl.DataFrame:
    """Events whose category people have said, with their texts; those that are no longer stored are left out.

    Returns:
        Columns event_id, title, text, publisher, category, given_at; the newest word on an event counts, and a
        correction counts more than a verdict.
    """
    with workspace.control.read() as connection:
        said = kept.in_force(kept.given(connection, tenant_id))
    told: dict[str, Feedback] = {}
    for kind in ("useful", "wrong_category"):
        told |= {each.event_id: each for each in said if each.kind == kind}
    labels = pl.DataFrame(
        [
            (event_id, each.category or each.judgement.get("category"), each.given_at)
            for event_id, each in told.items()
        ],
        schema={
            "event_id": pl.String,
            "category": pl.String,
            "given_at": pl.Datetime("us", "UTC"),
        },
        orient="row",
    ).drop_nulls("category")
    lake = workspace.lake
    members = lake.collect(
        MEMBERS,
        lake.scan(MEMBERS, [tenant_id])
        .filter(pl.col("status") == "PROCESSED")
        .drop("words", "fingerprints")
        .join(labels.select("event_id").lazy(), on="event_id", how="semi"),
    )
    return (
        labels.join(
            fullest(members).select("event_id", "title", "text", "publisher"), on="event_id"
        )
        .filter(text_of("title", "text").str.contains(r"\p{L}"))
        .sort("given_at", "event_id")
    )


def teach(workspace: Workspace, tenant_id: str) -> Taught:
    """Teaches a tenant's model and puts it in force unless it is worse on feedback held back.

    Each event is judged by a model that was taught by the others, nearly the same texts left out. The new model must
    be at least as good as the home's, and, on what was said since the tenant's present model was made, as that.
    The caller holds the tenant's lock.
    """
    models = workspace.settings.models
    present, base = of_tenant(models, tenant_id), live(models / LIVE)
    found = examples(workspace, tenant_id)
    if found.height < AT_LEAST:
        why = f"{found.height} events have a category from people; {AT_LEAST} are needed"
        return Taught(found.height, False, present.version, why)
    truth = found["category"].to_numpy().astype(str)
    after = _held_back(base, found, truth)
    before = _said(base, found) == truth
    shares = float(before.mean()), float(after.mean())
    unseen = _since(present, found["given_at"].to_list())
    rival = _said(present, found) == truth
    if after.sum() < before.sum():
        why = "not in force: worse on feedback held back than the model of the home"
        return Taught(found.height, False, present.version, why, *shares)
    if (after & unseen).sum() < (rival & unseen).sum():
        why = "not in force: worse than the present model on what was said since that was made"
        return Taught(found.height, False, present.version, why, *shares)
    sheet = {
        "set": "feedback of the tenant's people",
        "texts": found.height,
        "base": base.version,
        "accuracy": round(shares[1], 4),
        "accuracy_of_base": round(shares[0], 4),
        "until": found["given_at"].max().isoformat(),  # type: ignore[union-attr]
    }
    model = _adapted(base, found, sheet)
    write_atomic(models / tenant_id / LIVE, lambda path: save(model, path), mode=0o600)
    return Taught(found.height, True, model.version, "in force", *shares)


def teach_everybody(workspace: Workspace) -> dict[str, Taught | ClientloreError]:
    """Teaches every tenant whose people said something; one that fails is told, and the others go on."""
    done: dict[str, Taught | ClientloreError] = {}
    with workspace.control.read() as connection:
        spoken = [
            tenant.tenant_id
            for tenant in tenants.all_tenants(connection)
            if kept.given(connection, tenant.tenant_id)
        ]
    for tenant_id in spoken:
        try:
            with workspace.locks.hold(tenant_id, "feedback teach"):
                done[tenant_id] = teach(workspace, tenant_id)
        except ClientloreError as error:
            done[tenant_id] = error
    return done


def _held_back(base: Classifier, found: pl.DataFrame, truth: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Whether each event is judged rightly by a model that saw neither it nor anything nearly the same."""
    groups = alike(_texts(found))
    fold_of = np.random.default_rng(0).permutation(groups.max() + 1)[groups] % FOLDS
    right = np.zeros(found.height, bool)
    for fold in range(FOLDS):
        asked = fold_of == fold
        if not asked.any():
            continue
        # With nothing to learn from, the home's model is what there is.
        model = base if asked.all() else _adapted(base, found.filter(~asked), {})
        right[asked] = _said(model, found.filter(asked)) == truth[asked]
    return right


def _adapted(base: Classifier, found: pl.DataFrame, sheet: dict[str, Any]) -> Classifier:
    return adapt(base, _texts(found), found["category"].to_list(), "taught", sheet)


def _said(model: Classifier, found: pl.DataFrame) -> NDArray[np.str_]:
    """The category of each, by rules and classifier, as it would be judged."""
    return by_both(by_rules(found.drop("category")), model)["category"].to_numpy().astype(str)


def _texts(found: pl.DataFrame) -> pl.Series:
    return found.select(text_of("title", "text").alias("_"))["_"]


def _since(model: Classifier, given_at: Sequence[datetime]) -> NDArray[np.bool_]:
    """Which feedback came after a tenant's model was made; none of it where the model is not a tenant's."""
    until = model.sheet.get("until")
    if not isinstance(until, str):
        return np.zeros(len(given_at), bool)
    return np.array([at > datetime.fromisoformat(until) for at in given_at])
