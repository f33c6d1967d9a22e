"""Draining the inbox: each document is understood and carried out in one transaction, once, or kept with a reason."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from mappings.errors import UnreadableDocumentError
from nervure.operations.facts import apply
from nervure.operations.hub import Hub
from nervure.operations.suppliers import apply_feed
from nervure.orders.work import UnboundListingError
from nervure.store.channels import ChannelStore
from nervure.store.inbox import InboxStore, Leased
from schemas.documents import Fact, Heard

logger = logging.getLogger(__name__)

MAX_LATENCIES = 10_000


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


Work = Callable[[Connection], None]


def drain(hub: Hub, limit: int = 50) -> DrainReport:
    """Takes some documents and handles them in one transaction; a failing one goes to the dead letters alone."""
    taken = hub.database.run(lambda c: InboxStore(c, hub.clock.now()).lease(limit))
    report = DrainReport()
    if not taken:
        return report
    prepared = [(leased, _prepare(hub, leased)) for leased in taken]
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


def _prepare(hub: Hub, leased: Leased) -> Work | str:
    """Understands a document outside of any transaction: what to do, or why it cannot be understood."""
    if leased.channel in hub.suppliers:
        return lambda connection: apply_feed(hub, connection, leased)
    account = hub.accounts.get(leased.channel)
    if account is None:
        return f"channel {leased.channel!r} is not configured"
    try:
        facts = account.record.translate(leased.document, hub.translation(leased.channel))
    except UnreadableDocumentError as error:
        return str(error)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{leased.document.topic}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    if not facts and leased.document.heard is Heard.WEBHOOK:
        # A webhook that only says that something happened: the orders themselves are pulled at once.
        return lambda connection: ChannelStore(connection, hub.clock.now()).want_orders(leased.channel)
    return lambda connection: _apply_all(hub, connection, facts)


def _apply_all(hub: Hub, connection: Connection, facts: Sequence[Fact]) -> None:
    apply(hub, connection, facts)


def _handle(hub: Hub, connection: Connection, prepared: Sequence[tuple[Leased, Work | str]]) -> dict[int, str]:
    inbox = InboxStore(connection, hub.clock.now())
    reasons: dict[int, str] = {}
    for leased, work in prepared:
        reason = work if isinstance(work, str) else _try(connection, work)
        if reason is not None:
            reasons[leased.id] = reason
            inbox.bury(leased.id, reason)
    inbox.done([leased.id for leased, _ in prepared if leased.id not in reasons])
    return reasons


def _try(connection: Connection, work: Work) -> str | None:
    try:
        with connection.begin_nested():
            work(connection)
    except (UnboundListingError, UnreadableDocumentError) as error:
        return str(error)
    except IntegrityError as error:
        constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None) or str(error.orig)
        return f"a rule of the database refuses it: {constraint}"
    return None


def _handle_alone(hub: Hub, one: tuple[Leased, Work | str]) -> dict[int, str]:
    leased, _ = one
    try:
        return hub.database.run(lambda c: _handle(hub, c, [one]))
    except Exception as error:
        logger.exception("document %d of %s cannot be handled", leased.id, leased.channel)
        reason = f"a defect of the hub, please report it: {type(error).__name__}"
        hub.database.run(lambda c: InboxStore(c, hub.clock.now()).bury(leased.id, reason))
        return {leased.id: reason}
