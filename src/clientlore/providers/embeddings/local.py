"""Vectors made on this machine: static embeddings, a vector for each token and their mean for a text (Model2Vec)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from clientlore.errors import ConfigurationError
from clientlore.ids import sha256

if TYPE_CHECKING:
    import numpy as np
    from model2vec import StaticModel

PREFIX = "local:"
"""What stands in `EMBEDDING_MODEL` before the folder of a model, or its name on the Hugging Face hub."""


class LocalEmbedder:
    """Makes vectors of length 1 with no server and at no cost. The model is read when it is first asked.

    Args:
        name: The folder of a model, or its name on the hub, from where it is fetched once and kept in the hub's cache.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def model(self) -> str:
        """Its name; of a folder the last part, and what tells apart models of one name."""
        weights = Path(self.name) / "model.safetensors"
        if not weights.is_file():
            return f"local-{self.name}"
        return f"local-{Path(self.name).name}-{sha256(weights.read_bytes())[:8]}"

    @property
    def dimension(self) -> int:
        """See `Embedder.dimension`.

        Raises:
            ConfigurationError: See `embed`.
        """
        return int(self._static.dim)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """See `Embedder.embed`. A text of which the model knows no word has a vector of zeros.

        Raises:
            ConfigurationError: The extra is not installed, or there is no such model.
        """
        import numpy as np

        made = np.zeros((len(texts), self.dimension), dtype=np.float32)
        if texts:
            made[:] = np.nan_to_num(
                self._static.encode(list(texts), normalize=False, use_multiprocessing=False)
            )
        lengths = np.linalg.norm(made, axis=1, keepdims=True)
        np.divide(made, lengths, out=made, where=lengths > 0)
        return made

    def close(self) -> None:
        """Nothing is open."""

    @cached_property
    def _static(self) -> StaticModel:
        try:
            from model2vec import StaticModel
            from safetensors import SafetensorError
        except ImportError:
            raise ConfigurationError(
                f"EMBEDDING_MODEL={PREFIX}{self.name} needs Model2Vec, which is not installed",
                "Install clientlore[local].",
            ) from None
        try:
            if not Path(self.name).is_dir() and _is_path(self.name):
                raise FileNotFoundError(self.name)
            return StaticModel.from_pretrained(self.name, force_download=False)
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise ConfigurationError(
                f"There is no model that can be read at '{self.name}' ({type(error).__name__})",
                f"EMBEDDING_MODEL is {PREFIX} and a folder with model.safetensors and tokenizer.json, or a name on the "
                "hub that this machine can reach.",
            ) from error


def _is_path(name: str) -> bool:
    """Whether a folder is meant: a name on the hub is `owner/model`."""
    return name.startswith((".", "~")) or Path(name).is_absolute() or name.count("/") != 1
