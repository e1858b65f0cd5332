"""Questions in batches, at half the price: handed in together, answered within a day, looked for again after a crash.

Each batch has a label of ours, and each request in it an id that begins with the label: by these a batch is found
again whose number at the vendor was never noted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from clientlore.errors import ConfigurationError, RetriableError
from clientlore.providers.llm.anthropic import AnthropicModel
from clientlore.providers.llm.base import Answer, LanguageModel, Question
from clientlore.providers.llm.openai import OpenAIModel

TIMEOUT = 120.0
"""Seconds for handing a batch in and for fetching its results: they are large."""
MOST_REQUESTS = 2_000
_CLOCKS_DIFFER = timedelta(minutes=10)
_ENDPOINT: Literal["/v1/chat/completions"] = "/v1/chat/completions"
_LABEL = "clientlore"


class BulkModel(Protocol):
    """The batch API of a model."""

    def submit(self, label: str, questions: Mapping[str, Question]) -> str:
        """Hands questions in, by ids that begin with the label; gives the vendor's name of the batch.

        Raises:
            RetriableError: Nobody knows whether it arrived.
            ProviderError: It was refused.
        """
        ...

    def find(self, label: str, since: datetime) -> str | None:
        """The vendor's name of a batch that was handed in at about an instant; None where it never arrived.

        Raises:
            RetriableError: It cannot be said yet.
        """
        ...

    def results(self, vendor_id: str) -> Mapping[str, Answer] | None:
        """The answers by id, without those that failed; None while the batch is under way.

        Raises:
            ProviderError: It could not be looked at.
        """
        ...


class OpenAIBulk:
    """OpenAI's batch API: a file of requests in, a file of answers out."""

    def __init__(self, model: OpenAIModel) -> None:
        self._model = model
        self._client = model.client.with_options(timeout=TIMEOUT)

    def submit(self, label: str, questions: Mapping[str, Question]) -> str:
        """See `BulkModel.submit`."""
        lines = [
            json.dumps(
                {
                    "custom_id": custom_id,
                    "method": "POST",
                    "url": _ENDPOINT,
                    "body": self._model.request(question),
                }
            )
            for custom_id, question in questions.items()
        ]
        with self._model.faults():
            file = self._client.files.create(
                file=(f"{label}.jsonl", "\n".join(lines).encode()), purpose="batch"
            )
            made = self._client.batches.create(
                input_file_id=file.id,
                endpoint=_ENDPOINT,
                completion_window="24h",
                metadata={_LABEL: label},
            )
            return made.id

    def find(self, label: str, since: datetime) -> str | None:
        """See `BulkModel.find`."""
        oldest = (since - _CLOCKS_DIFFER).timestamp()
        with self._model.faults():
            for batch in self._client.batches.list(limit=100):
                if batch.created_at < oldest:
                    break
                if (batch.metadata or {}).get(_LABEL) == label:
                    return batch.id
        return None

    def results(self, vendor_id: str) -> Mapping[str, Answer] | None:
        """See `BulkModel.results`."""
        from openai.types.chat import ChatCompletion

        with self._model.faults():
            batch = self._client.batches.retrieve(vendor_id)
            if batch.status not in {"completed", "expired", "cancelled", "failed"}:
                return None
            if batch.output_file_id is None:
                return {}
            text = self._client.files.content(batch.output_file_id).text
        found: dict[str, Answer] = {}
        for line in filter(None, text.splitlines()):
            told = _object(line)
            response = told.get("response") or {}
            if response.get("status_code") == 200:
                with self._model.faults():
                    said = ChatCompletion.model_validate(response["body"])
                    found[str(told["custom_id"])] = self._model.answer(said, 0.0)
        return found


class AnthropicBulk:
    """Anthropic's message batches."""

    def __init__(self, model: AnthropicModel) -> None:
        self._model = model
        self._client = model.client.with_options(timeout=TIMEOUT)

    def submit(self, label: str, questions: Mapping[str, Question]) -> str:  # noqa: ARG002 - it is in the ids
        """See `BulkModel.submit`."""
        requests: list[Any] = [
            {"custom_id": custom_id, "params": self._model.request(question)}
            for custom_id, question in questions.items()
        ]
        with self._model.faults():
            return self._client.messages.batches.create(requests=requests).id

    def find(self, label: str, since: datetime) -> str | None:
        """See `BulkModel.find`. What a batch is about is seen only once it has ended."""
        unsure = False
        with self._model.faults():
            for batch in self._client.messages.batches.list(limit=100):
                if batch.created_at < since - _CLOCKS_DIFFER:
                    break
                if batch.processing_status != "ended":
                    unsure = True
                elif self._is_ours(batch.id, label):
                    return batch.id
        if unsure:
            raise RetriableError(
                "Whether anthropic has a batch cannot be said before those under way have ended"
            )
        return None

    def _is_ours(self, vendor_id: str, label: str) -> bool:
        for entry in self._client.messages.batches.results(vendor_id):
            return entry.custom_id.startswith(label)
        return False

    def results(self, vendor_id: str) -> Mapping[str, Answer] | None:
        """See `BulkModel.results`."""
        found: dict[str, Answer] = {}
        with self._model.faults():
            batch = self._client.messages.batches.retrieve(vendor_id)
            if batch.processing_status != "ended":
                return None
            for entry in self._client.messages.batches.results(vendor_id):
                if entry.result.type == "succeeded":
                    found[entry.custom_id] = self._model.answer(entry.result.message, 0.0)
        return found


def bulk_of(model: LanguageModel) -> BulkModel:
    """The batch API of a model.

    Raises:
        ConfigurationError: It has none.
    """
    if isinstance(model, OpenAIModel):
        return OpenAIBulk(model)
    if isinstance(model, AnthropicModel):
        return AnthropicBulk(model)
    raise ConfigurationError(
        f"'{model.provider}' has no batch API", "Take `bulk` out of the tenant file's `judge`."
    )


def _object(line: str) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
