"""The local classifier: which category a text has, and how sure that is. Linear over hashed words, letters and form.

    margin of a topic  = bias + sum over the features of a text of weight[bucket, topic] * value
    value              = (1 + log count) * idf[bucket], scaled so that words and letters each have length 1, form less
    p(topic)           = softmax(margin / temperature)
    p(category)        = sum of p over the topics that map to it

Topics are finer than categories, since what is alike is easier to tell. Categories that the training sets do not have
are never given here: the rules give those.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clientlore.errors import BadDataError
from clientlore.monitoring.ngrams import BITS, Features, features
from clientlore.taxonomy import CATEGORY_NAMES

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FORMAT = 1
BATCH = 250
"""Texts that are judged at once: what they need in memory is bounded."""
SHIPPED = "classifier.npz"
"""The model that comes with the product, in this package."""
LIVE = "classifier.npz"
"""A model that was trained in a home, in its folder of models."""


@dataclass(frozen=True)
class Classifier:
    """A trained model.

    Attributes:
        topics: What was learned to be told apart.
        categories: The category of each topic.
        weights: Shape (2 ** BITS, topics), small integers.
        scale: What an integer is worth, for each topic.
        idf: Shape (2 ** BITS,).
        bias: Shape (topics,).
        temperature: By which margins are divided.
        version: Changes with what it was trained on and how.
        sheet: The data sheet: sets, licences, counts, figures.
        form: How much the outward form of a text counts; 0 for a model that does not read it.
    """

    topics: tuple[str, ...]
    categories: tuple[str, ...]
    weights: NDArray[np.int8]
    scale: NDArray[np.float32]
    idf: NDArray[np.float32]
    bias: NDArray[np.float32]
    temperature: float
    version: str
    sheet: Mapping[str, object] = field(default_factory=dict)
    form: float = 0.0

    def margins(self, texts: pl.Series) -> NDArray[np.float32]:
        """Shape (texts, topics)."""
        # In the order in which they are multiplied, or each multiplication copies them.
        weights = self.weights.astype(np.float32, order="C")
        parts = [
            self._margins(features(texts[n : n + BATCH], self.form), weights)
            for n in range(0, len(texts), BATCH)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.topics)), np.float32)

    def probabilities(self, texts: pl.Series) -> NDArray[np.float32]:
        """Shape (texts, categories of the taxonomy), each row summing to 1."""
        return by_category(self.margins(texts), self.categories, self.temperature)

    def _margins(
        self, parts: Sequence[Features], weights: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        total = np.tile(self.bias, (parts[0].texts, 1))
        for part in parts:
            total += (_by_text(part, values(part, self.idf)) @ weights) * self.scale
        return total


def values(part: Features, idf: NDArray[np.float32]) -> NDArray[np.float32]:
    """What each feature is worth: weight times idf, scaled so that a text has the length of its kind of feature."""
    raw = part.weight * idf[part.bucket]
    length = np.sqrt(np.bincount(part.text, raw * raw, part.texts))
    return (part.length * raw / np.maximum(length, 1e-9)[part.text]).astype(np.float32)


def _by_text(part: Features, value: NDArray[np.float32]) -> csr_array:
    """Shape (texts, 2 ** BITS): what each feature is worth in each text."""
    from scipy.sparse import csr_array

    starts = np.searchsorted(part.text, np.arange(part.texts + 1))
    return csr_array((value, part.bucket, starts), shape=(part.texts, 1 << BITS))


def by_category(
    margins: NDArray[np.float32], categories: Sequence[str], temperature: float
) -> NDArray[np.float32]:
    """Probabilities of the taxonomy's categories from margins of topics."""
    if not len(margins):
        return np.zeros((0, len(CATEGORY_NAMES)), np.float32)
    scaled = margins / temperature
    powers = np.exp(scaled - scaled.max(1, keepdims=True))
    powers /= powers.sum(1, keepdims=True)
    belongs = np.array([[c == name for name in CATEGORY_NAMES] for c in categories], np.float32)
    found: NDArray[np.float32] = (powers @ belongs).astype(np.float32)
    return found


def save(model: Classifier, path: Path) -> None:
    """Writes a model with its data sheet."""
    about = {
        "format": FORMAT,
        "bits": BITS,
        "topics": model.topics,
        "categories": model.categories,
        "temperature": model.temperature,
        "version": model.version,
        "sheet": model.sheet,
        "form": model.form,
    }
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            weights=model.weights,
            scale=model.scale,
            idf=model.idf.astype(np.float16),
            bias=model.bias,
            about=np.frombuffer(json.dumps(about, sort_keys=True).encode(), np.uint8),
        )


def load(data: bytes, name: str) -> Classifier:
    """Reads a model.

    Raises:
        BadDataError: It is none, or one of another format.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in ("weights", "scale", "idf", "bias")}
            about = json.loads(stored["about"].tobytes())
    except (OSError, ValueError, KeyError) as error:
        raise BadDataError(
            f"{name} is no model ({type(error).__name__})", "Train it anew."
        ) from None
    if (about["format"], about["bits"]) != (FORMAT, BITS):
        raise BadDataError(f"{name} is a model of another format", "Train it anew.")
    return Classifier(
        tuple(about["topics"]),
        tuple(about["categories"]),
        arrays["weights"],
        arrays["scale"],
        arrays["idf"].astype(np.float32),
        arrays["bias"],
        float(about["temperature"]),
        str(about["version"]),
        about["sheet"],
        # A model that was trained before form was read has none.
        float(about.get("form", 0.0)),
    )


@cache
def shipped() -> Classifier:
    """The model that comes with the product."""
    data = resources.files("clientlore.monitoring").joinpath(SHIPPED).read_bytes()
    return load(data, SHIPPED)


def live(path: Path) -> Classifier:
    """The model of a home, or the shipped one where none was trained there."""
    try:
        changed = path.stat().st_mtime_ns
    except FileNotFoundError:
        return shipped()
    return _read(path, changed)


def of_tenant(models: Path, tenant_id: str) -> Classifier:
    """The model that a tenant's feedback has taught, else that of the home, in its folder of models."""
    own = models / tenant_id / LIVE
    return live(own if own.is_file() else models / LIVE)


@lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> Classifier:  # noqa: ARG001 - a new file is another model
    return load(path.read_bytes(), str(path))


def text_of(title: str, text: str) -> pl.Expr:
    """What the classifier reads of an item: the headline, and the text behind it."""
    return pl.concat_str(
        pl.col(title).fill_null(""), pl.col(text).fill_null(""), separator=" "
    ).str.strip_chars()
