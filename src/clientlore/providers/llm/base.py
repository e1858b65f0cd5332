"""What is asked of a language model, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class Question:
    """One call.

    Attributes:
        prompt: Name and version of the prompt.
        system: What is the same in every call with this prompt.
        user: What differs: the material, fenced.
        schema: JSON schema that the answer must follow.
    """

    prompt: str
    system: str
    user: str
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What a model said.

    Attributes:
        text: As it came: JSON, if the model did as it was told.
        ended: `whole`, `cut` at the limit of tokens, or `refused`.
        input_tokens: All that went in, cached ones among them.
        seconds: From the request to the last byte.
    """

    text: str
    ended: Literal["whole", "cut", "refused"]
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    seconds: float


class LanguageModel(Protocol):
    """A model behind an API."""

    @property
    def provider(self) -> str:
        """Under which name it is budgeted."""
        ...

    @property
    def model(self) -> str:
        """Its name there."""
        ...

    @property
    def max_tokens(self) -> int:
        """The most that it says in one answer."""
        ...

    def ask(self, question: Question) -> Answer:
        """Asks once, without retries.

        Raises:
            TimedOutError: It did not answer in time.
            RetriableError: It may answer if asked again.
            QuotaExhaustedError: The account is out of money or of its share.
            AuthenticationError: The key was refused.
            PermanentError: It does not take such a question.
            BadDataError: What came is no answer of this API.
        """
        ...

    def close(self) -> None:
        """Closes its connections."""
        ...
