"""Tokens that come back as they went out, what counts of what people said, and the threshold that follows from it."""

from __future__ import annotations

import base64
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.control.feedback import KINDS, Feedback, Kind, in_force
from clientlore.control.tokens import KEY_FILE, Signer, signer_of
from clientlore.digests.suggesting import AT_LEAST, suggest
from clientlore.errors import ConfigurationError, RefusedError, StoreError
from clientlore.settings import Settings, load_settings

T0 = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
LATER = T0 + timedelta(days=1)
SIGNER = Signer(b"k" * 32)


@given(st.lists(st.text(max_size=40), max_size=5))
def test_words_come_back_as_they_were_signed(words: list[str]) -> None:
    assert SIGNER.read(SIGNER.sign("feedback", words, LATER), "feedback", T0) == tuple(words)


@given(st.data())
@settings(max_examples=200)
def test_a_token_with_any_character_changed_is_refused(data: st.DataObject) -> None:
    token = SIGNER.sign("feedback", ["acme", "n1", "useful"], LATER)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda c: c != token[at]))
    changed = token[:at] + other + token[at + 1 :]
    with pytest.raises(RefusedError, match="signature does not fit"):
        SIGNER.read(changed, "feedback", T0)


def test_a_token_says_nothing_else_for_a_longer_time_or_to_another_key() -> None:
    token = SIGNER.sign("feedback", ["acme", "n1", "useful"], LATER)
    assert SIGNER.read(token, "feedback", LATER - timedelta(seconds=1))
    with pytest.raises(RefusedError, match="expired"):
        SIGNER.read(token, "feedback", LATER)
    with pytest.raises(RefusedError, match="for 'feedback' and not for 'unsubscribe'"):
        SIGNER.read(token, "unsubscribe", T0)
    with pytest.raises(RefusedError, match="signature"):
        Signer(b"o" * 32).read(token, "feedback", T0)
    forged = base64.urlsafe_b64encode(json.dumps(["feedback", 9e9, "acme"]).encode()).decode()
    for wrong in ("", ".", forged, f"{forged}.", f"{forged}.{token.partition('.')[2]}", "é.ü"):
        with pytest.raises(RefusedError):
            SIGNER.read(wrong, "feedback", T0)


def test_the_key_of_a_home_is_drawn_once_for_its_owner_alone_and_a_secret_takes_its_place(
    tmp_path: Path,
) -> None:
    made = signer_of(Settings(home=tmp_path))
    path = tmp_path / KEY_FILE
    assert signer_of(Settings(home=tmp_path)) == made != SIGNER
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [KEY_FILE]
    assert made.key.hex() not in repr(made)
    named = Settings.model_validate({"home": tmp_path, "secret": "s" * 32})
    assert signer_of(named) == Signer(b"s" * 32)
    path.write_bytes(b"short")
    with pytest.raises(StoreError, match="is no key"):
        signer_of(Settings(home=tmp_path))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLIENTLORE_SECRET", "too short"),
        ("CLIENTLORE_BASE_URL", "javascript:alert(1)"),
        ("CLIENTLORE_BASE_URL", "https://x.example/?a=1"),
    ],
)
def test_a_weak_secret_and_an_address_that_is_none_are_refused_by_name(
    tmp_path: Path, name: str, value: str
) -> None:
    with pytest.raises(ConfigurationError, match=name) as refused:
        load_settings({name: value}, start=tmp_path)
    assert "too short" not in str(refused.value)


def said(
    n: int, kind: Kind, score: float | None = 0.5, user: str = "ann", event: str | None = None
) -> Feedback:
    category = "award" if kind == "wrong_category" else None
    return Feedback(
        f"f{n}",
        "acme",
        user,
        event or f"e{n}",
        "harbor",
        kind,
        category,
        "cli",
        T0,
        {"score": score},
    )


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(["e1", "e2"])), max_size=12))
def test_of_what_one_contradicts_only_the_newest_counts(told: list[tuple[Kind, str]]) -> None:
    every = [said(n, kind, event=event) for n, (kind, event) in enumerate(told)]
    found = in_force(every)
    assert in_force(found) == found
    for event in ("e1", "e2"):
        for about_category in (False, True):
            mine = [
                f
                for f in every
                if f.event_id == event and (f.kind == "wrong_category") == about_category
            ]
            counts = [f for f in found if f in mine]
            assert counts == mine[-1:]


def test_the_threshold_between_useful_and_not_is_suggested_with_its_counts() -> None:
    told = [said(n, "useful", 0.72 + n / 100) for n in range(6)]
    told += [said(10 + n, "not_useful", 0.60 + n / 100) for n in range(6)]
    found = suggest(told, "ann", 0.5)
    assert (found.useful, found.not_useful, found.kept, found.stopped) == (6, 6, 6, 6)
    # Anything above 0.65 and up to 0.72 tells them apart: the nearest to 0.5 is meant.
    assert found.threshold == 0.66
    assert suggest(told, "ann", 0.9).threshold == 0.72
    assert suggest(told, "ben", 0.5).useful == 0


def test_nothing_is_suggested_from_too_little_or_from_what_no_threshold_tells_apart() -> None:
    few = [said(n, "useful", 0.9) for n in range(AT_LEAST - 3)]
    few += [said(20 + n, "not_useful", 0.1) for n in range(2)]
    assert suggest(few, "ann", 0.5).threshold is None
    assert suggest([*few, said(30, "not_useful", None)], "ann", 0.5).threshold is None
    assert suggest([*few, said(30, "not_useful", 0.1)], "ann", 0.5).threshold == 0.5
    alike = [said(n, "useful" if n % 2 else "not_useful", 0.7) for n in range(20)]
    assert suggest(alike, "ann", 0.5).threshold is None
    upside_down = [said(n, "useful" if n < 10 else "not_useful", n / 20) for n in range(20)]
    assert suggest(upside_down, "ann", 0.5).threshold is None


def test_who_changes_their_mind_is_counted_once() -> None:
    told = [said(n, "useful", 0.9) for n in range(8)]
    told += [said(20 + n, "not_useful", 0.1) for n in range(4)]
    changed = [*told, said(40, "not_useful", 0.9, event="e0")]
    found = suggest(changed, "ann", 0.5)
    assert (found.useful, found.not_useful) == (7, 5)
