"""Going live: hear everything first, decide the bindings, take the stock that is there, and only then open the gate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from connectors.errors import ThrottledError
from nervure.operations.drain import drain
from nervure.operations.hub import Hub
from nervure.operations.publish import refresh
from nervure.operations.pull import pull_catalogue, pull_orders, pull_stock, store
from nervure.operations.refusals import RefusalError
from nervure.publication.cutover import Finding, judge
from nervure.store.catalogue import CatalogueStore
from nervure.store.cutover import CutoverStore
from nervure.store.database import Connection
from nervure.store.messages import MessageStore
from schemas.base import counted
from schemas.orders import OrderState

MAX_ROUNDS = 600
"""So often, a second apart, it is looked whether a running hub has handled what was stored."""

Say = Callable[[str], None]


class CutoverRefusedError(RefusalError):
    """The gate stays shut. `unresolved` says what must be decided first, one sentence each."""

    def __init__(self, channel: str, unresolved: Sequence[str]) -> None:
        self.unresolved = tuple(unresolved)
        super().__init__(
            f"{channel} cannot go live yet: {counted(len(self.unresolved), 'thing is', 'things are')} unresolved"
        )


@dataclass
class Begun:
    """What was heard of one channel, in documents that were new."""

    listings: int = 0
    levels: int = 0
    orders: int = 0
    dead: int = 0
    findings: list[Finding] = field(default_factory=list)


def begin(hub: Hub, channel: str, orders_since: datetime) -> Begun:
    """Reads catalogue, orders since then, and levels of one channel. Nothing but reading leaves; done again it is safe.

    Raises:
        ConnectorError: the account cannot be read; what was read is stored, and the next try goes on from there.
    """
    now = hub.clock.now
    hub.database.run(lambda connection: CutoverStore(connection, now()).begin(channel, orders_since))
    begun = Begun()
    begun.listings = patiently(hub, lambda: pull_catalogue(hub, channel))
    understand(hub, channel)
    begun.orders = patiently(hub, lambda: _pull_orders_since(hub, channel, orders_since))
    if hub.accounts[channel].record.capabilities.can_read_levels:
        begun.levels = patiently(hub, lambda: pull_stock(hub, channel))
    begun.orders += patiently(hub, lambda: pull_orders(hub, channel))
    understand(hub, channel)
    hub.database.run(lambda connection: CutoverStore(connection, now()).heard(channel))
    with hub.database.read() as connection:
        begun.dead = CutoverStore(connection, now()).inbox(channel).get("dead", 0)
    begun.findings = report(hub, channel)
    return begun


def _pull_orders_since(hub: Hub, channel: str, since: datetime) -> int:
    """Orders from before the hub was there. The channel's own watermark is later, and stays."""
    return sum(store(hub, channel, page.documents) for page in hub.connection(channel).pull_orders(since))


def patiently(hub: Hub, ask: Callable[[], int]) -> int:
    """Asks, and where the platform says to wait, waits: a cutover has time."""
    while True:
        try:
            return ask()
        except ThrottledError as error:
            hub.clock.sleep(max(error.retry_after_seconds, 1.0))


def understand(hub: Hub, channel: str) -> None:
    """Handles what was stored of a channel, beside a running hub or without one, and computes what follows."""
    for _ in range(MAX_ROUNDS):
        while (done := drain(hub, limit=200)).handled or done.dead:
            pass
        with hub.database.read() as connection:
            waiting = CutoverStore(connection, hub.clock.now()).inbox(channel).get("waiting", 0)
            leased = CutoverStore(connection, hub.clock.now()).inbox(channel).get("leased", 0)
        if not waiting + leased:
            break
        hub.clock.sleep(1.0)
    while refresh(hub):
        pass


def report(hub: Hub, channel: str) -> list[Finding]:
    """The binding report of one channel."""
    with hub.database.read() as connection:
        return findings(connection, hub.clock.now(), channel)


def findings(connection: Connection, now: datetime, channel: str) -> list[Finding]:
    """The same inside a transaction."""
    cutover = CutoverStore(connection, now)
    skus = list(CatalogueStore(connection, now).skus().values())
    return judge(cutover.listings(channel), cutover.skus_by_gtin(), skus)


def go(
    hub: Hub, channel: str, *, suppliers_have_orders: bool | None = None, ignores_dead_letters: bool = False
) -> bool:
    """Lets the first number be sent, once everything is decided; False: the channel was live already.

    `suppliers_have_orders`: what suppliers must send for orders that are open now was ordered there before (it is
    not sent again), or was not (it is sent); None: nobody said.

    Raises:
        CutoverRefusedError: something is unresolved; nothing was changed.
        ConnectorError: the channel's newest orders cannot be heard.
    """
    with hub.database.read() as connection:
        if not CutoverStore(connection, hub.clock.now()).stage(channel).is_gated:
            return False
    patiently(hub, lambda: pull_orders(hub, channel))
    understand(hub, channel)

    def work(connection: Connection) -> bool:
        cutover = CutoverStore(connection, hub.clock.now())
        if not cutover.stage(channel, locked=True).is_gated:
            return False
        unresolved = list(_unresolved(hub, connection, channel, ignores_dead_letters=ignores_dead_letters))
        waiting = cutover.at_suppliers(channel)
        if waiting and suppliers_have_orders is None:
            unresolved.append(
                f"{counted(len(waiting), 'open order is', 'open orders are')} served by suppliers,"
                f" first {next(iter(waiting.values()))!r}: say"
                " --suppliers-have-them or --send-to-suppliers"
            )
        if unresolved:
            raise CutoverRefusedError(channel, unresolved)
        cutover.open_gate(channel)
        if suppliers_have_orders:
            for number in waiting:
                MessageStore(connection, hub.clock.now()).sent_to_supplier(number)
        let_go(hub, connection, cutover.open_orders(channel), channel)
        return True

    return hub.database.run(work)


def let_go(hub: Hub, connection: Connection, orders: dict[int, OrderState], channel: str) -> None:
    """What a gate or the shadow held back of open orders is told now: acceptances, and orders to suppliers.

    Our own locations are offered theirs by the next look at the desk's times.
    """
    must_accept = hub.accounts[channel].record.capabilities.must_accept_orders
    desk = hub.desk(connection)
    for order_id, state in orders.items():
        desk.outbox.order_drop_ships(order_id)
        if must_accept and state is OrderState.AWAITING_ACCEPTANCE:
            lines = desk.orders.lines(order_id)
            desk.outbox.tell_acceptance(order_id, {line.external_id: line.is_acceptable for line in lines})


def _unresolved(hub: Hub, connection: Connection, channel: str, *, ignores_dead_letters: bool) -> list[str]:
    now = hub.clock.now()
    cutover = CutoverStore(connection, now)
    if cutover.stage(channel).heard_at is None:
        return [f"nothing was heard of {channel} yet: run `nervure cutover begin {channel}`"]
    found = [
        f"listing {one.listed.external_id} ({one.listed.sku or 'no sku'}): {one.standing}: {one.text}"
        for one in findings(connection, now, channel)
        if not one.is_settled
    ]
    found += [
        f"location {code}: nobody said what lies there: `nervure cutover stock` or `nervure import stock`"
        for code in cutover.unopened_locations(channel)
    ]
    inbox = cutover.inbox(channel)
    waiting = inbox.get("waiting", 0) + inbox.get("leased", 0)
    if waiting:
        found.append(f"{counted(waiting, 'document was', 'documents were')} heard and not handled yet: try again")
    if inbox.get("dead") and not ignores_dead_letters:
        found.append(
            f"{counted(inbox['dead'], 'document')} could not be understood: `nervure inbox list`,"
            " or say --despite-dead-letters"
        )
    return found
