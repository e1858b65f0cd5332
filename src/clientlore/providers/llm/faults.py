"""From what the vendors' client libraries raise to the five faults of a provider. No message repeats what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from clientlore.errors import (
    AuthenticationError,
    PermanentError,
    ProviderError,
    QuotaExhaustedError,
    RetriableError,
)
from clientlore.providers.limits import retry_after

_OUT_OF_MONEY = frozenset({"insufficient_quota", "billing_error", "billing_hard_limit_reached"})


class TimedOutError(RetriableError):
    """It did not answer within the time that a call may take."""


def by_status(
    provider: str,
    variable: str,
    model: str,
    *,
    status: int,
    code: str | None,
    headers: Mapping[str, str],
    now: datetime,
) -> ProviderError:
    """The fault that an HTTP status and the vendor's own code stand for.

    Args:
        provider: The vendor's name.
        variable: The environment variable that holds the key.
        model: Which model was asked.
        status: Of the answer.
        code: The vendor's name of the error, if it gave one.
        headers: Of the answer.
        now: For a `Retry-After` that is a date.
    """
    said = f"{provider} answered {status}" + (f" ({code})" if code else "")
    if code in _OUT_OF_MONEY or status == 402:
        return QuotaExhaustedError(said, f"Add credit to the account behind {variable}.")
    if status == 401:
        return AuthenticationError(
            f"{provider} refused the key in {variable}",
            f"Make a new key in its console and set {variable} in the environment or in .env.",
        )
    if status == 403:
        return AuthenticationError(
            f"The key in {variable} may not use {model} at {provider}",
            "Let the key's project use the model, or name another model.",
        )
    if status in {408, 409, 429} or status >= 500:
        after = retry_after(headers.get("retry-after"), now)
        return RetriableError(said, "It will be asked again.", retry_after=after)
    if status == 404:
        return PermanentError(
            f"{provider} has no model '{model}' at this address",
            f"Check the model's name and the base address that goes with {variable}.",
        )
    return PermanentError(said, f"Check the model's name and settings; {model} was asked.")
