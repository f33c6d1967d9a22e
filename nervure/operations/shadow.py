"""A channel in the shadow: compared day by day, promoted once it agrees, demoted with one word."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from nervure.operations.cutover import let_go
from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError
from nervure.publication.shadow import Promotion, ShadowDay, doubts
from nervure.store.cutover import CutoverStore
from nervure.store.database import Connection
from nervure.store.messages import MessageStore
from nervure.store.restores import RestoreStore
from nervure.store.shadow import Difference, ShadowStore
from schemas.base import counted

SHOWN_DAYS = 14


class NotReadyError(RefusalError):
    """The channel stays in the shadow. `doubts` says why, one sentence each."""

    def __init__(self, channel: str, found: Sequence[str]) -> None:
        self.doubts = tuple(found)
        super().__init__(
            f"{channel} stays in the shadow: {counted(len(self.doubts), 'thing stands', 'things stand')} against it"
        )


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """What the hub would have sent to a channel, and how far it agreed with it."""

    is_shadow: bool
    days: list[ShadowDay]
    differences: list[Difference]
    doubts: list[str]


def take_sample(hub: Hub, channel: str) -> ShadowDay | None:
    """Compares once; None: the channel is not in the shadow, or has to be read and understood first."""
    with hub.database.read() as connection:
        store = ShadowStore(connection, hub.clock.now())
        if not store.is_shadow(channel) or not store.is_settled(channel):
            return None
    return hub.database.run(lambda c: ShadowStore(c, hub.clock.now()).take_sample(channel))


def report(hub: Hub, channel: str) -> ShadowReport:
    """The newest days, what would be sent now, and what stands against a promotion."""
    now, promotion = hub.clock.now(), hub.accounts[channel].promotion
    with hub.database.read() as connection:
        store = ShadowStore(connection, now)
        days = store.days(channel, since=now.date() - timedelta(days=max(SHOWN_DAYS, promotion.days)))
        return ShadowReport(
            store.is_shadow(channel),
            list(days.values()),
            store.differences(channel),
            doubts(days, now.date(), promotion),
        )


def promote(hub: Hub, channel: str, *, anyway: bool = False, suppliers_have_orders: bool | None = None) -> bool:
    """Takes a channel out of the shadow; False: it was not in it. Before the first number it is heard once more.

    `anyway`: whatever its days say. `suppliers_have_orders`: what suppliers must send for orders that are open now was
    ordered there already, or was not (it is sent); None: nobody said.

    Raises:
        NotReadyError: it does not agree well enough yet; nothing was changed.
    """

    def work(connection: Connection) -> bool:
        now = hub.clock.now()
        store = ShadowStore(connection, now)
        if not store.lock(channel):
            return False
        found = [] if anyway else _doubts(store, channel, hub.accounts[channel].promotion, now)
        waiting = CutoverStore(connection, now).at_suppliers(channel)
        if waiting and suppliers_have_orders is None:
            found.append(
                f"{counted(len(waiting), 'open order is', 'open orders are')} served by suppliers,"
                f" first {next(iter(waiting.values()))!r}: say"
                " --suppliers-have-them or --send-to-suppliers"
            )
        if found:
            raise NotReadyError(channel, found)
        store.put(channel, is_shadow=False)
        RestoreStore(connection, now).hear_first(channel)
        if suppliers_have_orders:
            for number in waiting:
                MessageStore(connection, now).sent_to_supplier(number)
        let_go(hub, connection, CutoverStore(connection, now).open_orders(channel), channel)
        return True

    return hub.database.run(work)


def _doubts(store: ShadowStore, channel: str, promotion: Promotion, now: datetime) -> list[str]:
    days = store.days(channel, since=now.date() - timedelta(days=promotion.days))
    return doubts(days, now.date(), promotion)


def demote(hub: Hub, channel: str) -> bool:
    """Puts a channel into the shadow: from now on nothing that could change it leaves. False: it was in it."""
    return hub.database.run(lambda c: ShadowStore(c, hub.clock.now()).put(channel, is_shadow=True))
