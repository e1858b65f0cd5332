"""OpenAI, and whatever speaks its API at another address: Azure, Ollama, vLLM. Asked through its own library."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from clientlore.clock import Clock
from clientlore.errors import BadDataError, RetriableError
from clientlore.ids import stable_id
from clientlore.providers.llm.base import Answer, Question
from clientlore.providers.llm.clients import openai_client
from clientlore.providers.llm.faults import TimedOutError, by_status

OWN_ADDRESS = "https://api.openai.com/v1"
OWN_HOST = "api.openai.com"
VARIABLE = "OPENAI_API_KEY"
_REASONS = re.compile(r"gpt-(?:[5-9]|\d\d)")


class OpenAIModel:
    """A model behind the chat completions API: what every server that speaks this dialect has.

    Args:
        model: Its name there.
        api_key: None for a server that wants none.
        base_url: Another server's address; OpenAI's own if not given.
        effort: How much it may reason before it answers. OpenAI's models since the fifth generation are told
            `none` if it is not given, since nothing else keeps within two seconds or takes a temperature; others
            are told nothing. A deployment with a name of its own needs it said.
        cache_scope: Whose questions begin alike, such as a tenant: OpenAI, and nobody else, is told with each
            question which scope and prompt it has, so that it goes where its beginning is in a cache.
    """

    provider = "openai"

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None,
        clock: Clock,
        base_url: str | None = None,
        max_tokens: int = 1_000,
        temperature: float | None = 0.1,
        timeout: float = 2.0,
        effort: str | None = None,
        cache_scope: str | None = None,
    ) -> None:
        self.model = model
        self.max_tokens = max_tokens
        self._clock = clock
        self.client = openai_client(api_key, base_url or OWN_ADDRESS, timeout)
        # Servers that speak the dialect may refuse a field that they do not know.
        self._cache_scope = cache_scope if _is_own(base_url or OWN_ADDRESS) else None
        self._extra: dict[str, Any] = {}
        reasons = effort is not None or _REASONS.match(model) is not None
        effort = effort or ("none" if reasons else None)
        if effort is not None:
            self._extra["reasoning_effort"] = effort
        # A model that reasons takes no temperature.
        if temperature is not None and effort in {None, "none"}:
            self._extra["temperature"] = temperature
        # Those that reason refuse the older name; other servers know no newer one.
        self._extra["max_completion_tokens" if reasons else "max_tokens"] = max_tokens

    def close(self) -> None:
        """Closes its connections."""
        self.client.close()

    def ask(self, question: Question) -> Answer:
        """See `LanguageModel.ask`."""
        started = time.perf_counter()
        with self.faults():
            said = self.client.chat.completions.create(**self.request(question))
            return self.answer(said, time.perf_counter() - started)

    def request(self, question: Question) -> dict[str, Any]:
        """What is sent for a question."""
        scope = self._cache_scope
        # A hash: the key is no place for a tenant's name.
        cached = {} if scope is None else {"prompt_cache_key": stable_id(scope, question.prompt)}
        return {
            "model": self.model,
            "messages": [
                {"role": "system", "content": question.system},
                {"role": "user", "content": question.user},
            ],
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": "judgements",
                    "schema": dict(question.schema),
                    "strict": True,
                },
            },
            **cached,
            **self._extra,
        }

    @staticmethod
    def answer(said: Any, seconds: float) -> Answer:
        """What a chat completion says."""
        choice, usage = said.choices[0], said.usage
        text, refusal = choice.message.content or "", choice.message.refusal
        refused = refusal is not None or choice.finish_reason == "content_filter"
        cut = choice.finish_reason == "length"
        details = None if usage is None else usage.prompt_tokens_details
        return Answer(
            text=text,
            ended="refused" if refused else "cut" if cut else "whole",
            input_tokens=0 if usage is None else usage.prompt_tokens,
            cached_tokens=0 if details is None else details.cached_tokens or 0,
            output_tokens=0 if usage is None else usage.completion_tokens,
            seconds=seconds,
        )

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Turns what the library raises into the faults of `LanguageModel.ask`."""
        import openai

        try:
            yield
        except openai.APITimeoutError:
            raise TimedOutError(f"{self.provider} did not answer in time") from None
        except openai.APIStatusError as error:
            raise by_status(
                self.provider,
                VARIABLE,
                self.model,
                status=error.status_code,
                code=error.code or error.type,
                headers=error.response.headers,
                now=self._clock.now(),
            ) from None
        except openai.APIConnectionError:
            raise RetriableError(
                f"{self.provider} cannot be reached", "Check OPENAI_API_BASE and the network."
            ) from None
        except (openai.OpenAIError, AttributeError, IndexError, TypeError, ValueError):
            raise BadDataError(
                f"What {self.provider} sent is no answer of its API", "Check OPENAI_API_BASE."
            ) from None


def _is_own(address: str) -> bool:
    """Whether it is OpenAI's own server, the ones for data that stays in a region among them."""
    host = urlsplit(address).hostname or ""
    return host == OWN_HOST or host.endswith(f".{OWN_HOST}")
