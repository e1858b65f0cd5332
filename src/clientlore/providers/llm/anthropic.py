"""Anthropic's models, asked through its own library."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clientlore.clock import Clock
from clientlore.errors import BadDataError, RetriableError
from clientlore.providers.llm.base import Answer, Question
from clientlore.providers.llm.clients import anthropic_client
from clientlore.providers.llm.faults import TimedOutError, by_status

OWN_ADDRESS = "https://api.anthropic.com"
VARIABLE = "ANTHROPIC_API_KEY"
# These take a temperature; models since the fifth generation answer 400 to any.
_WITH_TEMPERATURE = ("claude-3", "claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-5")


class AnthropicModel:
    """A model behind the messages API.

    Args:
        model: Its name.
        api_key: Of the account.
        base_url: Another address; Anthropic's own if not given.
        temperature: Sent to the models that still take one.
        effort: `low`, `medium` or more; thinking is switched off if not given, since it takes more than two
            seconds and counts against `max_tokens`.
    """

    provider = "anthropic"

    def __init__(
        self,
        model: str,
        *,
        api_key: str,
        clock: Clock,
        base_url: str | None = None,
        max_tokens: int = 1_000,
        temperature: float | None = 0.1,
        timeout: float = 2.0,
        effort: str | None = None,
    ) -> None:
        self.model = model
        self.max_tokens = max_tokens
        self._clock = clock
        self.client = anthropic_client(api_key, base_url or OWN_ADDRESS, timeout)
        self._output: dict[str, Any] = {}
        self._extra: dict[str, Any] = {}
        if model.startswith(_WITH_TEMPERATURE):
            if temperature is not None:
                self._extra["extra_body"] = {"temperature": temperature}
        elif effort in {None, "none"}:
            self._extra["thinking"] = {"type": "disabled"}
        else:
            self._output["effort"] = effort

    def close(self) -> None:
        """Closes its connections."""
        self.client.close()

    def ask(self, question: Question) -> Answer:
        """See `LanguageModel.ask`."""
        started = time.perf_counter()
        with self.faults():
            said = self.client.messages.create(**self.request(question))
            return self.answer(said, time.perf_counter() - started)

    @staticmethod
    def answer(said: Any, seconds: float) -> Answer:
        """What a message says."""
        # A model that thinks puts its thoughts before the text.
        text = "".join(block.text for block in said.content if block.type == "text")
        usage = said.usage
        cached = usage.cache_read_input_tokens or 0
        cut = said.stop_reason in {"max_tokens", "model_context_window_exceeded"}
        return Answer(
            text=text,
            ended="refused" if said.stop_reason == "refusal" else "cut" if cut else "whole",
            input_tokens=usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0),
            cached_tokens=cached,
            output_tokens=usage.output_tokens,
            seconds=seconds,
        )

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Turns what the library raises into the faults of `LanguageModel.ask`."""
        import anthropic

        try:
            yield
        except anthropic.APITimeoutError:
            raise TimedOutError(f"{self.provider} did not answer in time") from None
        except anthropic.APIStatusError as error:
            raise by_status(
                self.provider,
                VARIABLE,
                self.model,
                status=error.status_code,
                code=error.type,
                headers=error.response.headers,
                now=self._clock.now(),
            ) from None
        except anthropic.APIConnectionError:
            raise RetriableError(
                f"{self.provider} cannot be reached", "Check ANTHROPIC_API_BASE and the network."
            ) from None
        except (anthropic.AnthropicError, AttributeError, IndexError, TypeError, ValueError):
            raise BadDataError(
                f"What {self.provider} sent is no answer of its API", "Check ANTHROPIC_API_BASE."
            ) from None

    def request(self, question: Question) -> dict[str, Any]:
        """What is sent for a question."""
        # What every call begins with is paid for in full once, where it is long enough to be cached.
        system = {
            "type": "text",
            "text": question.system,
            "cache_control": {"type": "ephemeral"},
        }
        form = {"type": "json_schema", "schema": dict(question.schema)}
        return {
            "model": self.model,
            "max_tokens": self.max_tokens,
            "system": [system],
            "messages": [{"role": "user", "content": question.user}],
            "output_config": {"format": form, **self._output},
            **self._extra,
        }
