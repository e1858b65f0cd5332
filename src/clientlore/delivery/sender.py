"""Drains the outbox: claim, send, record. No transaction is open while the other side is spoken to."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random
from typing import Literal

from clientlore.control.alerts import raise_alert
from clientlore.delivery import outbox
from clientlore.delivery.outbox import LEASE, Channel, Message
from clientlore.delivery.transports import (
    FolderTransport,
    Transport,
    TransportError,
    smtp_transport,
)
from clientlore.errors import ConfigurationError, StoreError
from clientlore.run_context import RunContext

BATCH = 50
log = logging.getLogger("clientlore")

Outcome = Literal["sent", "deferred", "failed", "uncertain"]
Transports = Mapping[Channel, Callable[[], Transport]]


@dataclass(frozen=True)
class Drained:
    """What became of the messages that were due."""

    sent: int = 0
    deferred: int = 0
    failed: int = 0
    uncertain: int = 0
    errors: tuple[str, ...] = ()

    @property
    def attempted(self) -> int:
        """How many messages were tried."""
        return self.sent + self.deferred + self.failed + self.uncertain


def default_transports(ctx: RunContext) -> Transports:
    """The folder, and SMTP as configured."""
    settings = ctx.workspace.settings
    return {
        "folder": lambda: FolderTransport(settings.mail),
        "smtp": lambda: smtp_transport(settings.smtp),
    }


def drain(
    ctx: RunContext,
    tenants: Collection[str] = (),
    *,
    transports: Transports | None = None,
    rng: Random | None = None,
) -> Drained:
    """Sends what is due, until nothing is.

    Args:
        ctx: The run; it owns the leases.
        tenants: Only these; all if none is named.
        transports: How messages leave, by channel.
        rng: For the jitter of retries.
    """
    control, clock = ctx.workspace.control, ctx.workspace.clock
    with control.write() as connection:
        _, lost = outbox.settle_abandoned(connection, clock.now(), tenants)
    tally = _Tally(Counter(uncertain=lost), [])
    for channel, make in (transports or default_transports(ctx)).items():
        _drain_channel(ctx, channel, make, tenants, tally, rng or Random())  # noqa: S311 - jitter
    return Drained(
        sent=tally.counts["sent"],
        deferred=tally.counts["deferred"],
        failed=tally.counts["failed"],
        uncertain=tally.counts["uncertain"],
        errors=tuple(dict.fromkeys(tally.errors)),
    )


@dataclass(frozen=True)
class _Tally:
    counts: Counter[str]
    errors: list[str]


def _drain_channel(
    ctx: RunContext,
    channel: Channel,
    make: Callable[[], Transport],
    tenants: Collection[str],
    tally: _Tally,
    rng: Random,
) -> None:
    with ExitStack() as stack:
        transport: Transport | None = None
        refused: str | None = None
        while refused is None:
            leased_until = ctx.workspace.clock.now() + LEASE
            with ctx.workspace.control.write() as connection:
                batch = outbox.claim(
                    connection,
                    ctx.run_id,
                    ctx.workspace.clock.now(),
                    limit=BATCH,
                    tenants=tenants,
                    channels=(channel,),
                )
            if not batch:
                return
            try:
                transport = transport or stack.enter_context(make())
            except ConfigurationError as error:
                refused = str(error)
            for message in batch:
                if refused is None and ctx.workspace.clock.now() >= leased_until:
                    # Somebody else may have taken it over: sending it now could be the second time.
                    _leave(ctx, message, "the mails before it took too long", tally, rng)
                    continue
                if refused is None and transport is not None:
                    refused = _send(ctx, transport, message, tally, rng)
                if refused is not None:
                    _put_back(ctx, message, refused, tally, rng)


def _send(
    ctx: RunContext, transport: Transport, message: Message, tally: _Tally, rng: Random
) -> str | None:
    """Sends one message and records the outcome; returns what our account was told, if it was refused."""
    outcome: Outcome = "sent"
    code: int | None = None
    try:
        data = ctx.workspace.blobs.get(message.tenant_id, message.blob)
        receipt = transport.send(message, data)
        code, reply = receipt.code, receipt.reply
    except TransportError as error:
        if error.verdict == "misconfigured":
            return error.reply
        outcome, code, reply = error.verdict, error.code, error.reply
    except StoreError as error:
        # A full disk passes; a blob that is gone does not.
        outcome = "failed" if error.what.endswith("is missing") else "deferred"
        reply = str(error)
    _record(ctx, message, outcome, code, reply, rng)
    tally.counts[outcome] += 1
    if outcome != "sent":
        tally.errors.append(f"{message.outbox_id}: {reply}")
    log.debug("message %s: %s", message.outbox_id, outcome)
    return None


def _leave(ctx: RunContext, message: Message, reply: str, tally: _Tally, rng: Random) -> None:
    """Leaves a message that was not tried for later."""
    _record(ctx, message, "deferred", None, reply, rng)
    tally.counts["deferred"] += 1
    tally.errors.append(f"{message.outbox_id}: {reply}")


def _put_back(ctx: RunContext, message: Message, reply: str, tally: _Tally, rng: Random) -> None:
    """Leaves a message for later because our account is refused, and tells somebody."""
    _record(ctx, message, "deferred", None, reply, rng, gives_up=False)
    tally.counts["deferred"] += 1
    tally.errors.append(reply)
    with ctx.workspace.control.write() as connection:
        raise_alert(
            connection,
            ctx.audit("the mail server refused our account"),
            tenant_id=message.tenant_id,
            subject="Mail cannot be sent",
            text=f"{reply}\nNothing is lost: it is tried again. `clientlore doctor` checks the settings.",
        )


def _record(
    ctx: RunContext,
    message: Message,
    outcome: Outcome,
    code: int | None,
    reply: str,
    rng: Random,
    *,
    gives_up: bool = True,
) -> None:
    with ctx.workspace.control.write() as connection:
        outbox.record(
            connection,
            message,
            outcome,
            ctx.workspace.clock.now(),
            rng=rng,
            reply_code=code,
            reply=reply,
            # Over SMTP the server's queue id stands in its reply; the message keeps its own id anyway.
            provider_message_id=reply[:255] if outcome == "sent" else None,
            gives_up=gives_up,
        )
