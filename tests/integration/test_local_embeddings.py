"""Vectors of a model on this machine: through the real library, up to a search that finds what words do not."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from clientlore.clock import FrozenClock
from clientlore.control import tenants
from clientlore.errors import ConfigurationError
from clientlore.memory.bulk import Line, load
from clientlore.memory.embedding import embedder_of
from clientlore.memory.store import MemoryStore
from clientlore.providers.embeddings.local import LocalEmbedder
from clientlore.testing.workspaces import open_workspace, put_tenant

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
MEANT = {"plant": 0, "factory": 0, "opens": 1, "starts": 1, "court": 2, "ruling": 2}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model of nine words, three pairs of which mean the same."""
    from model2vec import StaticModel
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[PAD]", "[UNK]", "the", *MEANT]
    tokenizer = Tokenizer(models.WordLevel({w: n for n, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    vectors = np.zeros((len(words), 4), dtype=np.float32)
    vectors[2, 3] = 0.1
    for word, axis in MEANT.items():
        vectors[words.index(word), axis] = 3.0
    StaticModel(vectors, tokenizer, normalize=False).save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_texts_become_unit_vectors_in_their_order_and_what_means_the_same_is_near(
    model: Path,
) -> None:
    embedder = LocalEmbedder(str(model))
    made = embedder.embed(["plant opens", "", "factory starts", "court ruling"])
    assert (made.shape, made.dtype, embedder.dimension) == ((4, 4), np.dtype("float32"), 4)
    assert np.allclose(np.linalg.norm(made, axis=1), [1, 0, 1, 1])
    assert made[0] @ made[2] > 0.99
    assert abs(made[0] @ made[3]) < 0.01
    assert embedder.embed([]).shape == (0, 4)
    assert embedder.model.startswith("local-tiny-")


def test_the_environment_names_it_and_search_finds_other_words_with_no_budget_and_no_call(
    tmp_path: Path, clock: FrozenClock, model: Path
) -> None:
    embedding = {"model": f"local:{model}"}
    with open_workspace(tmp_path / "home", clock, embedding=embedding) as workspace:
        put_tenant(workspace, "{tenant: t, name: T, embeddings: {budget_calls: 1}}")
        texts = {"a": "the factory starts", "b": "the court ruling"}
        load(workspace, "t", [Line(id=k, owner="o", text=v) for k, v in texts.items()], name="test")
        with workspace.control.read() as connection:
            tenant = tenants.get_tenant(connection, "t")
        store = MemoryStore(workspace, embedder_of(workspace, tenant))
        found = store.search("t", "plant opens", limit=1)
        assert [hit.attributes["id"] for hit in found.hits] == ["a"]
        assert "local_tiny_" in store.table_name


@pytest.mark.parametrize("damage", ["no folder", "half a model"])
def test_a_model_that_cannot_be_read_is_named_with_what_to_do(
    model: Path, tmp_path: Path, damage: str
) -> None:
    place = tmp_path / "none" / "there" if damage == "no folder" else model
    if damage == "half a model":
        (model / "model.safetensors").write_bytes(b"half")
    with pytest.raises(ConfigurationError, match=r"model\.safetensors and tokenizer\.json"):
        LocalEmbedder(str(place)).embed(["a"])


def test_without_the_extra_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "model2vec", None)
    with pytest.raises(ConfigurationError, match=r"clientlore\[local\]"):
        LocalEmbedder("any").embed(["a"])
