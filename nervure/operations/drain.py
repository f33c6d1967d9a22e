"""Draining the inbox: each document is understood and carried out in one transaction, once, or kept with a reason."""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from pydantic import ValidationError

from mappings.errors import UnreadableDocumentError
from nervure.inventory.stock import UnbookableError
from nervure.operations.clocks import clocks_ahead, in_hub_time
from nervure.operations.facts import apply
from nervure.operations.hub import Hub
from nervure.operations.suppliers import REPLY_TOPIC, apply_feed, apply_reply, note_held
from nervure.orders.work import UnboundListingError
from nervure.store.channels import ChannelStore
from nervure.store.database import Connection, RuleBrokenError, savepoint
from nervure.store.inbox import InboxStore, Leased
from schemas.documents import Fact, Heard
from schemas.publications import ChannelListing
from schemas.stock import StockObservation

logger = logging.getLogger(__name__)

MAX_LATENCIES = 10_000
ON_TIME = timedelta(0)

REFUSALS = (UnbookableError, RuleBrokenError, UnboundListingError, UnreadableDocumentError)
"""Why a document can be understood and still not be carried out."""


@dataclass
class DrainReport:
    """What one batch did. Latencies are seconds from received to handled."""

    handled: int = 0
    dead: int = 0
    topics: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)

    def add(self, other: "DrainReport") -> None:
        """Sums reports up over a window; of the latencies the newest are kept."""
        self.handled += other.handled
        self.dead += other.dead
        self.topics.update(other.topics)
        self.latencies = (self.latencies + other.latencies)[-MAX_LATENCIES:]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that was read: the facts in it, other work that it asks for, or why it cannot be understood."""

    leased: Leased
    facts: Sequence[Fact] = ()
    work: Callable[[Connection], None] | None = None
    reason: str | None = None

    @property
    def together(self) -> tuple[str, type] | None:
        """Documents of one channel that hold only listings, or only observations, are cheaper together."""
        kinds: set[type] = {type(fact) for fact in self.facts}
        if len(kinds) == 1 and kinds.issubset((ChannelListing, StockObservation)):
            return self.leased.channel, kinds.pop()
        return None


def drain(hub: Hub, limit: int = 50) -> DrainReport:
    """Takes some documents and handles them in one transaction; a failing one goes to the dead letters alone."""
    report = DrainReport()
    with hub.database.read() as connection:
        # Most looks find nothing: they must not queue up with those that write.
        if not InboxStore(connection, hub.clock.now()).has_waiting():
            return report
        ahead = clocks_ahead(hub, connection)
    taken = hub.database.run(lambda c: InboxStore(c, hub.clock.now()).lease(limit))
    if not taken:
        return report
    prepared = [_prepare_alone(hub, leased, ahead.get(leased.channel, ON_TIME)) for leased in taken]
    try:
        reasons = hub.database.run(lambda c: _handle(hub, c, prepared))
    except Exception:
        # A defect in the handling of one document must not hold the others back: they go one by one.
        logger.exception("a batch of %d documents failed; they are handled one by one", len(prepared))
        reasons = {}
        for one in prepared:
            reasons |= _handle_alone(hub, one)
    now = hub.clock.now()
    for leased in taken:
        report.topics[f"{leased.channel} {leased.document.topic}"] += 1
        report.latencies.append((now - leased.received_at).total_seconds())
    report.dead = len(reasons)
    report.handled = len(taken) - report.dead
    return report


def _prepare_alone(hub: Hub, leased: Leased, ahead: timedelta) -> Prepared:
    """A mapping that fails over one document must not hold the others back either."""
    try:
        return _prepare(hub, leased, ahead)
    except Exception as error:
        return Prepared(leased, reason=_defect(leased, error))


def _defect(leased: Leased, error: Exception) -> str:
    logger.error("document %d of %s cannot be handled", leased.id, leased.channel, exc_info=error)
    return f"a defect of the hub, please report it: {type(error).__name__}"


def _prepare(hub: Hub, leased: Leased, ahead: timedelta) -> Prepared:
    """Understands a document outside of any transaction; `ahead`: how far its channel's clock is."""
    if leased.channel in hub.suppliers:
        work = apply_reply if leased.document.topic == REPLY_TOPIC else apply_feed
        return Prepared(leased, work=lambda connection: work(hub, connection, leased))
    account = hub.accounts.get(leased.channel)
    if account is None:
        return Prepared(leased, reason=f"channel {leased.channel!r} is not configured")
    try:
        facts = account.record.translate(leased.document, hub.translation(leased.channel))
    except UnreadableDocumentError as error:
        return Prepared(leased, reason=str(error))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return Prepared(leased, reason=f"{leased.document.topic}: {where}: {first['msg']}")
    if not facts and leased.document.heard is Heard.WEBHOOK:
        # A webhook that only says that something happened: the orders themselves are pulled at once.
        return Prepared(leased, work=lambda c: ChannelStore(c, hub.clock.now()).want_orders(leased.channel))
    return Prepared(leased, in_hub_time(facts, ahead, account.record.capabilities))


def _handle(hub: Hub, connection: Connection, prepared: Sequence[Prepared]) -> dict[int, str]:
    """Carries documents out inside one transaction; answers the reasons of those that could not be."""
    inbox = InboxStore(connection, hub.clock.now())
    reasons: dict[int, str] = {}
    done = _handle_together(hub, connection, prepared)
    for one in prepared:
        if one.leased.id in done:
            continue
        reason = one.reason or _try(hub, connection, one)
        if reason is not None:
            reasons[one.leased.id] = reason
            inbox.bury(one.leased.id, reason)
            if one.leased.channel in hub.suppliers and one.leased.document.topic != REPLY_TOPIC:
                note_held(connection, hub.clock.now(), one.leased.channel, reason)
    inbox.done([one.leased.id for one in prepared if one.leased.id not in reasons])
    return reasons


def _handle_together(hub: Hub, connection: Connection, prepared: Sequence[Prepared]) -> set[int]:
    """Carries out what is cheaper together; where that fails it is tried document by document."""
    groups: dict[tuple[str, type], list[Prepared]] = defaultdict(list)
    for one in prepared:
        if one.together is not None:
            groups[one.together].append(one)
    done: set[int] = set()
    for group in groups.values():
        facts = [fact for one in group for fact in one.facts]
        with suppress(*REFUSALS), savepoint(connection):
            apply(hub, connection, facts)
            done.update(one.leased.id for one in group)
    return done


def _try(hub: Hub, connection: Connection, one: Prepared) -> str | None:
    try:
        with savepoint(connection):
            if one.work is not None:
                one.work(connection)
            else:
                apply(hub, connection, one.facts)
    except REFUSALS as error:
        return str(error)
    return None


def _handle_alone(hub: Hub, one: Prepared) -> dict[int, str]:
    leased = one.leased
    try:
        return hub.database.run(lambda c: _handle(hub, c, [one]))
    except Exception as error:
        reason = _defect(leased, error)
        hub.database.run(lambda c: InboxStore(c, hub.clock.now()).bury(leased.id, reason))
        return {leased.id: reason}
