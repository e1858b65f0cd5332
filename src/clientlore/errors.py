"""The errors people and programs meet. Every message says what happened, to which thing, and what to do next.

Here: the base class, the errors of configuration and stores, and the five faults a provider may raise.
Not here: anything that decides what to do about a fault (`clientlore.providers.http` retries,
`clientlore.monitoring.collect` records).
"""

from __future__ import annotations

from typing import ClassVar


class ClientloreError(Exception):
    """Base of every error that Clientlore raises on purpose.

    Args:
        what: What happened, and to which thing.
        next_step: What the reader can do about it.
    """

    def __init__(self, what: str, next_step: str = "") -> None:
        self.what = what.rstrip(".")
        self.next_step = next_step
        super().__init__(f"{self.what}. {next_step}" if next_step else f"{self.what}.")


class ConfigurationError(ClientloreError):
    """A setting, a tenant file or a command line says something that cannot be."""


class NotFoundError(ClientloreError):
    """The named tenant, user, event or line does not exist."""


class RefusedError(ClientloreError):
    """What came with a signature is not what was signed, is for something else, or came too late."""


class BusyError(ClientloreError):
    """Somebody else holds what is needed, and went on holding it for as long as we may wait."""


class StoreError(ClientloreError):
    """A store (control plane, lake, vectors, blobs) cannot be read or written."""


class ProviderError(ClientloreError):
    """A source outside did not give what was asked for. Raised only as one of its five kinds.

    Attributes:
        kind: The name under which the fault is kept in ledgers.
        detail: What the other side said, cut short; never a secret.
    """

    kind: ClassVar[str] = "provider"

    def __init__(self, what: str, next_step: str = "", *, detail: str = "") -> None:
        super().__init__(what, next_step)
        self.detail = detail[:500]


class RetriableError(ProviderError):
    """It may work if asked again later.

    Attributes:
        retry_after: Seconds the server asked us to wait, if it did.
    """

    kind = "retriable"

    def __init__(
        self,
        what: str,
        next_step: str = "",
        *,
        detail: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(what, next_step, detail=detail)
        self.retry_after = retry_after


class QuotaExhaustedError(ProviderError):
    """The account has used up what it may use; asking again in this run is useless."""

    kind = "quota"


class AuthenticationError(ProviderError):
    """The credentials were refused."""

    kind = "authentication"


class PermanentError(ProviderError):
    """It will not work however often it is asked: gone, forbidden, too large."""

    kind = "permanent"


class BadDataError(ProviderError):
    """An answer came, and it is not what it should be."""

    kind = "bad_data"
