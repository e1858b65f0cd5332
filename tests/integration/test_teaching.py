"""What a tenant's feedback teaches its classifier; and a model that would be worse stays out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import polars as pl
import pytest

from clientlore.control import feedback as kept
from clientlore.control.feedback import Feedback
from clientlore.monitoring.classifier import LIVE, of_tenant, shipped
from clientlore.monitoring.events import MEMBERS
from clientlore.runs.teaching import AT_LEAST, examples, teach
from clientlore.testing.workspaces import put_tenant
from clientlore.workspace import Workspace

T0 = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
FESTIVE = ("vintners", "laureate", "podium", "garland", "trophy", "jury", "ovation", "medallion")


@pytest.fixture
def tenant(workspace: Workspace) -> Workspace:
    put_tenant(workspace, "tenant: acme\nname: Acme\nusers: [{id: ann, name: Ann}]\n")
    return workspace


def text_of(n: int, words: tuple[str, ...]) -> str:
    """A text that is like no other, with some of the words in it."""
    rng = Random(n)
    odd = ["".join(rng.choices("aeioubdfgklmnprst", k=rng.randint(4, 9))) for _ in range(12)]
    return " ".join([*odd[:6], *rng.sample(words, min(4, len(words))), *odd[6:]])


def put_events(workspace: Workspace, texts: list[str]) -> None:
    rows = [
        {
            "tenant_id": "acme",
            "day": T0.date(),
            "item_id": f"e{n:031}",
            "event_id": f"e{n:031}",
            "status": "PROCESSED",
            "layer": "first",
            "title": text,
            "text": f"{text}.",
            "publisher": "The Example",
            "published_at": T0,
            "collected_at": T0 + timedelta(seconds=n),
            "origin_key": f"o{n}",
            "is_revision": False,
        }
        for n, text in enumerate(texts)
    ]
    workspace.lake.write(MEMBERS, "acme", T0.date(), MEMBERS.frame(rows))


def say(workspace: Workspace, n: int, category: str, at: datetime = T0) -> None:
    with workspace.control.write() as connection:
        kept.keep(
            connection,
            Feedback(
                f"{n}-{category}-{at:%d%H%M}",
                "acme",
                "u1",
                f"e{n:031}",
                "harbor",
                "wrong_category",
                category,
                "cli",
                at,
                {"score": 0.5, "category": "other"},
            ),
        )


def test_what_people_correct_is_learned_and_judged_so_from_then_on(tenant: Workspace) -> None:
    put_events(tenant, [text_of(n, FESTIVE) for n in range(30)])
    for n in range(30):
        say(tenant, n, "award")
    taught = teach(tenant, "acme")
    assert taught.is_live, taught
    assert taught.before is not None
    assert taught.after is not None
    assert taught.after >= taught.before + 0.5
    model = of_tenant(tenant.settings.models, "acme")
    assert model.version == taught.version
    assert model.sheet["texts"] == 30
    fresh = pl.Series([text_of(900 + n, FESTIVE) for n in range(10)])
    award = [model.categories[at] == "award" for at in model.margins(fresh).argmax(1)]
    assert sum(award) >= 9
    # Nobody else learns from it, and teaching again makes the same model.
    assert of_tenant(tenant.settings.models, "other") is shipped()
    assert not (tenant.settings.models / LIVE).exists()
    assert teach(tenant, "acme").version == taught.version


def test_a_model_that_learned_the_tenants_words_still_knows_what_it_knew(tenant: Workspace) -> None:
    put_events(tenant, [text_of(n, FESTIVE) for n in range(30)])
    for n in range(30):
        say(tenant, n, "award")
    assert teach(tenant, "acme").is_live
    model = of_tenant(tenant.settings.models, "acme")
    known = pl.Series(
        [
            "Acme beats quarterly earnings estimates and raises full-year guidance",
            "Acme to acquire rival Globex for $2 billion in cash and stock",
            "Judge rules against Acme in patent lawsuit, orders it to pay damages",
        ]
    )
    said = [model.categories[at] for at in model.margins(known).argmax(1)]
    assert said == [shipped().categories[at] for at in shipped().margins(known).argmax(1)]


def test_labels_that_nothing_can_be_learned_from_put_no_model_in_force(tenant: Workspace) -> None:
    words = ("quarterly earnings beat estimates", "full-year guidance raised", "profit rises")
    put_events(tenant, [text_of(n, words) for n in range(32)])
    for n in range(32):
        # Four in five as the home's model says anyway, the others at random.
        say(tenant, n, "earnings" if n % 4 else Random(n).choice(["award", "risk", "product"]))
    taught = teach(tenant, "acme")
    assert taught.before is not None
    assert taught.after is not None
    assert taught.is_live == (taught.after >= taught.before)
    if not taught.is_live:
        assert of_tenant(tenant.settings.models, "acme") is shipped()


def test_a_present_model_that_does_better_on_what_came_since_stays(tenant: Workspace) -> None:
    put_events(tenant, [text_of(n, FESTIVE) for n in range(60)])
    for n in range(24):
        say(tenant, n, "award")
    first = teach(tenant, "acme")
    assert first.is_live
    # The people change their minds about the old ones alone: what would be learned now is worse on the new ones.
    later = T0 + timedelta(days=1)
    for n in range(24):
        say(tenant, n, "risk", later)
    for n in range(24, 28):
        say(tenant, n, "award", later)
    second = teach(tenant, "acme")
    present = of_tenant(tenant.settings.models, "acme").version
    assert second.version == present
    assert second.is_live == (present != first.version)


def test_too_few_labels_teach_nothing_and_events_without_a_text_are_no_labels(
    tenant: Workspace,
) -> None:
    put_events(tenant, [text_of(n, FESTIVE) for n in range(AT_LEAST - 1)])
    for n in range(AT_LEAST + 5):
        say(tenant, n, "award")
    assert examples(tenant, "acme").height == AT_LEAST - 1
    taught = teach(tenant, "acme")
    assert not taught.is_live
    assert f"{AT_LEAST} are needed" in taught.why
    assert taught.version == shipped().version


def test_a_correction_counts_more_than_a_verdict_and_the_newest_word_on_an_event_counts(
    tenant: Workspace,
) -> None:
    put_events(tenant, [text_of(n, FESTIVE) for n in range(2)])
    say(tenant, 0, "award")
    say(tenant, 0, "risk", T0 + timedelta(hours=1))
    with tenant.control.write() as connection:
        for n in (0, 1):
            kept.keep(
                connection,
                Feedback(
                    f"u{n}",
                    "acme",
                    "u2",
                    f"e{n:031}",
                    "harbor",
                    "useful",
                    None,
                    "cli",
                    T0 + timedelta(days=1),
                    {"score": 0.5, "category": "product"},
                ),
            )
    found = examples(tenant, "acme").sort("event_id")
    assert found["category"].to_list() == ["risk", "product"]
