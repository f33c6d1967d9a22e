"""A merchant made by hand for tests: items, places, channels and stock in few words, and what must always hold of them.

Everything works inside one transaction, so that a test decides what is committed, rolled back, or raced.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.counts import Count, take
from nervure.inventory.ledger import book
from nervure.inventory.policies import Policy
from nervure.inventory.stock import Entry, Place
from nervure.orders.desk import Desk
from nervure.orders.intake import take_in
from nervure.orders.returns import take_back
from nervure.orders.settling import rebalance, serve_shortfalls
from nervure.orders.shipping import ship
from nervure.store.bindings import BindingStore
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Database, open_database
from nervure.store.desk import desk_of
from nervure.store.flights import FlightStore
from nervure.store.fulfillment import FulfillmentStore
from nervure.store.locations import LocationStore
from nervure.store.migrations import upgrade
from nervure.store.orders import OrderStore
from nervure.store.outbox import OutboxStore
from nervure.store.policies import PolicyStore
from nervure.store.publications import PUBLICATION, PublicationStore
from nervure.store.rebuild import find_differences
from nervure.store.salable import SalableStore
from nervure.store.statements import CHANGE, CLAIM, KIT, LEVEL, MOVEMENT
from nervure.store.stock import StockStore
from nervure.store.stock_points import StockPointStore
from nervure.store.tables.catalogue import LOCATION
from nervure.store.tables.channels import CHANNEL, POINT
from nervure.store.tables.orders import FULFILLMENT, FULFILLMENT_LINE, LINE, ORDER, SHORTFALL
from nervure.store.tasks import TASK, TaskStore
from schemas.capabilities import Capabilities, Confirmation, DecrementMoment, StockMeaning, WriteMode
from schemas.fulfillment import AT_LOCATION
from schemas.items import Item, ItemKind, KitComponent
from schemas.locations import Address, Coordinates, Location, LocationKind
from schemas.orders import Delivery, DeliveryMethod, Order, OrderLine, OrderState, Return, ReturnLine
from schemas.policies import PolicyKind
from schemas.publications import ChannelListing
from schemas.stock import OUR_OWN, AdjustmentReason, Condition, MovementKind

T = TypeVar("T")

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PRICE = Decimal("19.90")

SHOP = Capabilities(
    stock_meaning=StockMeaning.AVAILABLE,
    committed_included=False,
    decrements_at=DecrementMoment.ORDER,
    restocks_on_cancel=True,
    write_mode=WriteMode.LAST_WRITER_WINS,
    confirmation=Confirmation.ANSWER,
    has_webhooks=True,
    write_batch=100,
    order_poll_seconds=60,
    stock_poll_seconds=600,
    order_overlap_seconds=60,
)
"""A shop that takes the units off its own number when the order is placed, and puts them back when it is canceled."""


def at(minutes: float) -> datetime:
    """A moment, in minutes after the world began."""
    return START + timedelta(minutes=minutes)


def capable(**changes: object) -> Capabilities:
    """The shop's declaration, but for some of it."""
    return Capabilities.model_validate(SHOP.model_dump() | changes)


@dataclass(frozen=True, slots=True)
class Bought:
    """One line of an order: `units` of which `canceled` will not be delivered."""

    sku: str
    units: int
    canceled: int = 0


def an_order(
    external_id: str,
    lines: Mapping[str, int] | Sequence[Bought],
    *,
    channel: str = "shop",
    state: OrderState = OrderState.OPEN,
    minute: float = 0,
    left: float | None = None,
    delivery: Delivery | None = None,
) -> Order:
    """An order as the shop states it at `minute`; lines are named by their position, and cost the same each.

    `left`: the minute at which, as the shop says, the units left its number.
    """
    bought = [Bought(sku, units) for sku, units in lines.items()] if isinstance(lines, Mapping) else list(lines)
    return Order(
        channel=channel,
        external_id=external_id,
        number=f"#{external_id}",
        placed_at=START,
        updated_at=at(minute),
        units_left_at=None if left is None else at(left),
        state=state,
        currency="EUR",
        lines=tuple(
            OrderLine(
                external_id=f"{external_id}-{position}",
                listing_external_id=f"L-{line.sku}",
                sku=line.sku,
                units=line.units,
                units_canceled=line.canceled,
                unit_price=PRICE,
                line_total=PRICE * line.units,
            )
            for position, line in enumerate(bought, start=1)
        ),
        delivery=delivery or Delivery(method=DeliveryMethod.SHIP),
        total=PRICE * sum(line.units for line in bought),
    )


def a_till_sale(external_id: str, lines: Mapping[str, int], point: str, **said: object) -> Order:
    """Goods handed over at a till; it is settled at once."""
    delivery = Delivery(method=DeliveryMethod.HANDED_OVER, stock_point=point)
    return an_order(external_id, lines, delivery=delivery, **{"state": OrderState.COMPLETED} | said)  # type: ignore[arg-type]  # as an_order takes them


def a_pickup(external_id: str, lines: Mapping[str, int], point: str, **said: object) -> Order:
    """An order that the customer fetches at a stock point."""
    delivery = Delivery(method=DeliveryMethod.PICKUP, stock_point=point)
    return an_order(external_id, lines, delivery=delivery, **said)  # type: ignore[arg-type]  # as an_order takes them


def a_return(
    external_id: str,
    lines: Mapping[str, int],
    *,
    channel: str = "shop",
    minute: float = 0,
    restocked: bool = True,
    condition: Condition = Condition.SELLABLE,
    point: str | None = None,
) -> Return:
    """Goods that came back (or only money, where `restocked` is False)."""
    return Return(
        channel=channel,
        external_id=external_id,
        occurred_at=at(minute),
        lines=tuple(
            ReturnLine(
                external_id=f"{external_id}-{position}",
                listing_external_id=f"L-{sku}",
                units=units,
                restocked=restocked,
                condition=condition,
                stock_point=point,
            )
            for position, (sku, units) in enumerate(lines.items(), start=1)
        ),
    )


class World:
    """The merchant inside one transaction, at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime = START) -> None:
        self.connection = connection
        self.now = now
        self.catalogue = CatalogueStore(connection, now)
        self.locations = LocationStore(connection, now)
        self.stock_points = StockPointStore(connection, now)
        self.stock = StockStore(connection, now)
        self.bindings = BindingStore(connection)
        self.orders = OrderStore(connection, now)
        self.fulfillment = FulfillmentStore(connection, now)
        self.outbox = OutboxStore(connection, now)
        self.tasks = TaskStore(connection, now)
        self.publications = PublicationStore(connection, now)
        self.flights = FlightStore(connection, now)
        self.salable = SalableStore(connection, now)
        self.policies = PolicyStore(connection, now)

    def later(self, minute: float) -> "World":
        """The same merchant in the same transaction, at another time."""
        return World(self.connection, at(minute))

    @contextmanager
    def undone(self) -> Iterator["World"]:
        """What happens inside is taken back at the end, so that another order of things can be tried."""
        savepoint = self.connection.begin_nested()
        try:
            yield self
        finally:
            savepoint.rollback()

    # -- what there is -----------------------------------------------------------------------------------------

    def items(self, *skus: str) -> None:
        self.catalogue.put_items([Item(sku=sku, title=f"Item {sku}") for sku in skus])

    def kit(self, sku: str, parts: Mapping[str, int]) -> None:
        components = tuple(KitComponent(sku=part, units=units) for part, units in parts.items())
        self.catalogue.put_items([Item(sku=sku, title=f"Kit {sku}", kind=ItemKind.KIT, components=components)])

    def location(
        self,
        code: str,
        *,
        kind: LocationKind = LocationKind.WAREHOUSE,
        postal_code: str | None = None,
        where: Coordinates | None = None,
        can_ship: bool = True,
        can_pickup: bool = True,
        master: str | None = None,
        ttl_seconds: float | None = None,
    ) -> int:
        address = Address(country="FR", postal_code=postal_code) if postal_code else None
        return self.locations.put(
            Location(
                code=code,
                name=code,
                kind=kind,
                address=address,
                coordinates=where,
                can_ship=can_ship,
                can_pickup=can_pickup,
            ),
            master=master,
            ttl_seconds=ttl_seconds,
        )

    def channel(self, name: str, points: Mapping[str, Sequence[str]], *, buffer_units: int = 0) -> None:
        ids = self.locations.ids()
        self.stock_points.put_channel(
            name,
            "emulated",
            buffer_units=buffer_units,
            stock_points={point: [ids[code] for code in codes] for point, codes in points.items()},
            orders_since=START,
        )

    def list_on(self, channel: str, *skus: str) -> None:
        """Lists items on a channel, bound by their sku, with a publication for each stock point."""
        self.bindings.put_listings(
            channel,
            [
                ChannelListing(channel=channel, external_id=f"L-{sku}", stock_id=f"S-{sku}", sku=sku, title=sku)
                for sku in skus
            ],
        )
        self.publications.create_missing(channel)

    def channel_id(self, name: str) -> int:
        return int(self.connection.execute(sa.select(CHANNEL.c.id).where(CHANNEL.c.name == name)).scalar_one())

    def policy(
        self,
        kind: PolicyKind,
        units: int,
        *,
        channel: str | None = None,
        sku: str | None = None,
        promised_on: date | None = None,
    ) -> Policy:
        """Sets a policy in the merchant's words."""
        made = Policy(
            kind,
            units,
            self.channel_id(channel) if channel else None,
            self.catalogue.item_ids([sku])[sku] if sku else None,
            promised_on,
        )
        self.policies.put(made)
        return made

    def safety_stock(self, sku: str, location: str, units: int) -> None:
        place = self.place(sku, location)
        self.policies.put_safety_stock(place.item_id, place.location_id, units)

    def place(self, sku: str, location: str) -> Place:
        item = self.catalogue.item_ids([sku])[sku]
        return Place(item, self.locations.ids()[location])

    # -- what happens ------------------------------------------------------------------------------------------

    def desk(self) -> Desk:
        return desk_of(self.connection, self.now)

    def move(
        self,
        sku: str,
        location: str,
        units: int,
        kind: MovementKind = MovementKind.RECEIVED,
        *,
        cause: str | None = None,
        minute: float = 0,
        reason: AdjustmentReason | None = None,
        owner: str = OUR_OWN,
        condition: Condition = Condition.SELLABLE,
        lot: str = "",
    ) -> list[Entry]:
        """Books one movement as a fact, compensated where a count had seen it; answers what was new."""
        return book(
            self.stock,
            [
                Entry(
                    place=self.place(sku, location),
                    kind=kind,
                    units=units,
                    cause_key=cause or f"test|{next(_CAUSES)}",
                    occurred_at=at(minute),
                    reason=reason,
                    owner=owner,
                    condition=condition,
                    lot=lot,
                )
            ],
        )

    def receive(self, sku: str, location: str, units: int, *, owner: str = OUR_OWN, lot: str = "") -> None:
        self.move(sku, location, units, owner=owner, lot=lot)

    def goods_in(self, sku: str, location: str, units: int) -> None:
        """Goods are received, and who waits for them is served."""
        self.receive(sku, location, units)
        serve_shortfalls({self.place(sku, location).item_id}, self.desk())

    def lose(self, sku: str, location: str, units: int) -> None:
        """Units are found missing, and who was promised them is served elsewhere."""
        self.move(sku, location, -units, MovementKind.ADJUSTED, reason=AdjustmentReason.LOST)
        rebalance([self.place(sku, location)], self.desk())

    def count(self, sku: str, location: str, units: int, *, minute: float, source: str = "till", **said: Any) -> bool:
        """Somebody counted `units` at `minute`; False: this very count is known. `said`: more of the `Count`."""
        count = Count(self.place(sku, location), source, units, at(minute), **said)
        booked = take(self.stock, count, reason=AdjustmentReason.CYCLE_COUNT, document=f"count:{source}")
        if booked is None:
            return False
        rebalance([self.place(sku, location)], self.desk())
        return True

    def take_in(self, order: Order, capabilities: Capabilities = SHOP) -> bool:
        return take_in(order, capabilities, self.desk())

    def take_back(self, goods: Return) -> bool:
        return take_back(goods, self.desk())

    def ship(self, number: int, *, minute: float = 0) -> bool:
        return ship(number, self.desk(), shipped_at=at(minute))

    def ship_all(self, order: str, *, minute: float = 0) -> list[bool]:
        """Ships every fulfillment order of an order, by number."""
        return [self.ship(number, minute=minute) for number in self.fulfillment_numbers(order)]

    # -- what stands where -------------------------------------------------------------------------------------

    def on_hand(self, sku: str, location: str) -> int:
        """Sellable units of all owners and lots."""
        return self._sum(LEVEL.c.on_hand, sku, location)

    def on_hand_at(self, sku: str, location: str, minute: float) -> int:
        """Sellable units there by the movements that occurred until `minute`."""
        place = self.place(sku, location)
        query = (
            sa.select(sa.func.coalesce(sa.func.sum(MOVEMENT.c.units), 0))
            .join(LEVEL, LEVEL.c.id == MOVEMENT.c.stock_level_id)
            .where(
                LEVEL.c.item_id == place.item_id,
                LEVEL.c.location_id == place.location_id,
                LEVEL.c.condition == Condition.SELLABLE.value,
                MOVEMENT.c.occurred_at <= at(minute),
            )
        )
        return int(self.connection.execute(query).scalar_one())

    def allocated(self, sku: str, location: str) -> int:
        return self._sum(LEVEL.c.allocated, sku, location)

    def claimable(self, sku: str, location: str) -> int:
        return self._sum(LEVEL.c.on_hand - LEVEL.c.reserved - LEVEL.c.allocated, sku, location)

    def _sum(self, expression: sa.ColumnElement[int], sku: str, location: str) -> int:
        place = self.place(sku, location)
        query = sa.select(sa.func.coalesce(sa.func.sum(expression), 0)).where(
            LEVEL.c.item_id == place.item_id,
            LEVEL.c.location_id == place.location_id,
            LEVEL.c.condition == Condition.SELLABLE.value,
        )
        return int(self.connection.execute(query).scalar_one())

    def level_units(self, sku: str, location: str) -> dict[tuple[str, str, str], int]:
        """Units on hand by owner, condition and lot; levels with nothing left out."""
        place = self.place(sku, location)
        query = sa.select(LEVEL.c.owner, LEVEL.c.condition, LEVEL.c.lot, LEVEL.c.on_hand).where(
            LEVEL.c.item_id == place.item_id, LEVEL.c.location_id == place.location_id, LEVEL.c.on_hand != 0
        )
        return {(row.owner, row.condition, row.lot): row.on_hand for row in self.connection.execute(query)}

    def level_id(self, sku: str, location: str, *, owner: str = OUR_OWN, lot: str = "") -> int:
        place = self.place(sku, location)
        query = sa.select(LEVEL.c.id).where(
            LEVEL.c.item_id == place.item_id,
            LEVEL.c.location_id == place.location_id,
            LEVEL.c.owner == owner,
            LEVEL.c.lot == lot,
            LEVEL.c.condition == Condition.SELLABLE.value,
        )
        return int(self.connection.execute(query).scalar_one())

    def served(self, order: str) -> dict[tuple[str, str, str], int]:
        """Units of an order by (line, location, state of the fulfillment order); canceled ones left out."""
        query = (
            sa.select(LINE.c.external_id, LOCATION.c.code, FULFILLMENT.c.state, sa.func.sum(FULFILLMENT_LINE.c.units))
            .join(FULFILLMENT_LINE, FULFILLMENT_LINE.c.order_line_id == LINE.c.id)
            .join(FULFILLMENT, FULFILLMENT.c.id == FULFILLMENT_LINE.c.fulfillment_order_id)
            .join(LOCATION, LOCATION.c.id == FULFILLMENT.c.location_id)
            .join(ORDER, ORDER.c.id == LINE.c.order_id)
            .where(ORDER.c.external_id == order, FULFILLMENT_LINE.c.units > 0)
            .group_by(LINE.c.external_id, LOCATION.c.code, FULFILLMENT.c.state)
        )
        return {(line, code, state): int(units) for line, code, state, units in self.connection.execute(query)}

    def lines(self, order: str) -> dict[str, tuple[int, int, int]]:
        """Lines of an order: units (open, served, short)."""
        order_id = self.connection.execute(sa.select(ORDER.c.id).where(ORDER.c.external_id == order)).scalar_one()
        return {
            line.external_id: (line.units_open, line.units_served, line.units_short)
            for line in self.orders.lines(order_id)
        }

    def order_id(self, order: str) -> int:
        return int(self.connection.execute(sa.select(ORDER.c.id).where(ORDER.c.external_id == order)).scalar_one())

    def fulfillment_numbers(self, order: str) -> list[int]:
        query = (
            sa.select(FULFILLMENT.c.id)
            .join(ORDER, ORDER.c.id == FULFILLMENT.c.order_id)
            .where(ORDER.c.external_id == order, FULFILLMENT.c.state != "canceled")
            .order_by(FULFILLMENT.c.id)
        )
        return list(self.connection.execute(query).scalars())

    def open_tasks(self) -> Counter[str]:
        """Open tasks by kind."""
        return Counter(self.connection.execute(sa.select(TASK.c.kind).where(TASK.c.closed_at.is_(None))).scalars())

    def claims(self) -> Counter[str]:
        """Units claimed, by state of the claim."""
        query = sa.select(CLAIM.c.state, sa.func.sum(CLAIM.c.units)).group_by(CLAIM.c.state)
        return Counter({state: int(units) for state, units in self.connection.execute(query)})

    def movements(self, sku: str, location: str) -> list[tuple[str, int]]:
        """The ledger of a place as (kind, units), in the order of booking."""
        place = self.place(sku, location)
        query = (
            sa.select(MOVEMENT.c.kind, MOVEMENT.c.units)
            .join(LEVEL, LEVEL.c.id == MOVEMENT.c.stock_level_id)
            .where(LEVEL.c.item_id == place.item_id, LEVEL.c.location_id == place.location_id)
            .order_by(MOVEMENT.c.id)
        )
        return [(kind, units) for kind, units in self.connection.execute(query)]

    def rows(self, table: sa.Table) -> int:
        return int(self.connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())

    def refresh(self) -> int:
        """Works off every noted change; answers how many there were."""
        total = 0
        while done := self.publications.refresh():
            total += done
        return total

    def published(self) -> dict[tuple[str, str, str], int]:
        """The numbers by (channel, stock point, sku)."""
        channels = self.connection.execute(sa.select(CHANNEL.c.name)).scalars().all()
        return {
            (channel, number.key.stock_point, number.sku): number.salable_quantity
            for channel in channels
            for number in self.publications.numbers(channel)
        }

    def forget_changes(self) -> None:
        """Drops what was noted so far, so that a test sees only what follows."""
        self.connection.execute(CHANGE.delete())

    def publication_id(self, channel: str, sku: str, point: str) -> int:
        return next(
            number.publication_id
            for number in self.publications.numbers(channel)
            if (number.sku, number.key.stock_point) == (sku, point)
        )

    def point_id(self, channel: str, point: str) -> int:
        query = sa.select(POINT.c.id).join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
        query = query.where(CHANNEL.c.name == channel, POINT.c.external_id == point)
        return int(self.connection.execute(query).scalar_one())

    def states(self) -> dict[str, dict[str, int]]:
        """Publications by channel and state."""
        query = (
            sa.select(CHANNEL.c.name, PUBLICATION.c.state, sa.func.count())
            .join(POINT, POINT.c.channel_id == CHANNEL.c.id)
            .join(PUBLICATION, PUBLICATION.c.stock_point_id == POINT.c.id)
            .group_by(CHANNEL.c.name, PUBLICATION.c.state)
        )
        found: dict[str, dict[str, int]] = {}
        for name, state, numbers in self.connection.execute(query):
            found.setdefault(name, {})[state] = int(numbers)
        return found

    def publication(self, publication_id: int) -> sa.RowMapping:
        return (
            self.connection.execute(sa.select(PUBLICATION).where(PUBLICATION.c.id == publication_id)).mappings().one()
        )


_CAUSES = count(1)


# -- what must always hold -------------------------------------------------------------------------------------


def must_hold(world: World, *, oversold: Iterable[tuple[str, str]] = ()) -> None:
    """What holds after every transaction, whatever happened; `oversold`: where facts took more than was there."""
    assert find_differences(world.connection) == []
    assert _sequences_with_gaps(world) == []
    allowed = {world.place(sku, location) for sku, location in oversold}
    assert {place for place, units in _claimable(world).items() if units < 0} == allowed
    for row in world.connection.execute(sa.select(ORDER.c.id, ORDER.c.external_id, ORDER.c.is_counted)):
        if row.is_counted:
            for line, (is_open, served, short) in world.lines(row.external_id).items():
                assert is_open == served + short, f"line {line}: {is_open} open, {served} served, {short} short"
    assert _short_lines(world) == _shortfall_tasks(world)
    assert _claims_by_line(world) == _parts_by_line(world)


def _claimable(world: World) -> dict[Place, int]:
    query = (
        sa.select(
            LEVEL.c.item_id,
            LEVEL.c.location_id,
            sa.func.sum(LEVEL.c.on_hand - LEVEL.c.reserved - LEVEL.c.allocated),
        )
        .where(LEVEL.c.condition == Condition.SELLABLE.value)
        .group_by(LEVEL.c.item_id, LEVEL.c.location_id)
    )
    return {Place(item, location): int(units) for item, location, units in world.connection.execute(query)}


def _sequences_with_gaps(world: World) -> list[int]:
    query = (
        sa.select(LEVEL.c.id)
        .join(MOVEMENT, MOVEMENT.c.stock_level_id == LEVEL.c.id, isouter=True)
        .group_by(LEVEL.c.id, LEVEL.c.sequence)
        .having(
            sa.or_(
                sa.func.count(MOVEMENT.c.id) != LEVEL.c.sequence,
                sa.func.coalesce(sa.func.max(MOVEMENT.c.sequence), 0) != LEVEL.c.sequence,
            )
        )
    )
    return list(world.connection.execute(query).scalars())


def _short_lines(world: World) -> set[str]:
    is_due = sa.or_(SHORTFALL.c.units > SHORTFALL.c.backorder_units, SHORTFALL.c.is_overdue)
    query = sa.select(SHORTFALL.c.order_line_id).where(SHORTFALL.c.units > 0, is_due)
    return {f"order_line:{line}" for line in world.connection.execute(query).scalars()}


def _shortfall_tasks(world: World) -> set[str]:
    query = sa.select(TASK.c.subject).where(TASK.c.kind == "shortfall", TASK.c.closed_at.is_(None))
    return set(world.connection.execute(query).scalars())


def _claims_by_line(world: World) -> dict[tuple[int, int, int], int]:
    query = (
        sa.select(CLAIM.c.fulfillment_line_id, LEVEL.c.item_id, LEVEL.c.location_id, sa.func.sum(CLAIM.c.units))
        .join(LEVEL, LEVEL.c.id == CLAIM.c.stock_level_id)
        .where(CLAIM.c.state == "held", CLAIM.c.kind == "allocation")
        .group_by(CLAIM.c.fulfillment_line_id, LEVEL.c.item_id, LEVEL.c.location_id)
    )
    return {(line, item, location): int(units) for line, item, location, units in world.connection.execute(query)}


def _parts_by_line(world: World) -> dict[tuple[int, int, int], int]:
    part = sa.func.coalesce(KIT.c.part_id, LINE.c.item_id)
    query = (
        sa.select(
            FULFILLMENT_LINE.c.id,
            part,
            FULFILLMENT.c.location_id,
            FULFILLMENT_LINE.c.units * sa.func.coalesce(KIT.c.units, 1),
        )
        .join(FULFILLMENT, FULFILLMENT.c.id == FULFILLMENT_LINE.c.fulfillment_order_id)
        .join(LINE, LINE.c.id == FULFILLMENT_LINE.c.order_line_id)
        .join(KIT, KIT.c.kit_id == LINE.c.item_id, isouter=True)
        .where(FULFILLMENT.c.state.in_([*AT_LOCATION, "sent_to_supplier"]), FULFILLMENT_LINE.c.units > 0)
    )
    return {(line, item, location): int(units) for line, item, location, units in world.connection.execute(query)}


# -- databases and threads -------------------------------------------------------------------------------------


@cache
def _migrated_file() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "hub.db"
        with closing(open_database(f"sqlite:///{path}")) as database:
            upgrade(database)
        return path.read_bytes()


@contextmanager
def fresh_sqlite() -> Iterator[Database]:
    """A migrated SQLite database for one example of a property: copying it takes a hundredth of migrating it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "hub.db"
        path.write_bytes(_migrated_file())
        with closing(open_database(f"sqlite:///{path}")) as database:
            yield database


@contextmanager
def thrown_away(database: Database) -> Iterator[Connection]:
    """A transaction that is rolled back at the end, whatever it did: the next example finds the database empty."""
    with database.engine.connect() as connection:
        transaction = connection.begin()
        try:
            yield connection
        finally:
            transaction.rollback()


def at_once(works: Sequence[Callable[[], object]]) -> list[object]:
    """Runs each work in a thread of its own, all started in one instant; answers results or errors, in their order."""
    barrier = threading.Barrier(len(works))
    results: dict[int, object] = {}

    def run(position: int, work: Callable[[], object]) -> None:
        barrier.wait()
        try:
            results[position] = work()
        except Exception as error:
            results[position] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[position] for position in range(len(works))]


def until_it_waits(database: Database, thread: threading.Thread) -> None:
    """Returns once a thread has ended, or waits for a lock of PostgreSQL."""
    waiting = sa.text("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as watcher:
        while thread.is_alive() and watcher.execute(waiting).first() is None:
            pass


def overtaken(
    database: Database, slow: Callable[[World], object], fast: Callable[[World], T], *, now: datetime = START
) -> T:
    """Runs `slow` in a transaction, then `fast` in another thread; `slow` commits once `fast` waits for it (or ended).

    PostgreSQL only. This is the interleaving in which what `fast` has read before waiting is no longer true.
    """
    found: list[T | Exception] = []

    def run() -> None:
        try:
            found.append(database.run(lambda connection: fast(World(connection, now))))
        except Exception as error:
            found.append(error)

    with database.write() as connection:
        slow(World(connection, now))
        thread = threading.Thread(target=run)
        thread.start()
        until_it_waits(database, thread)
    thread.join()
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def merchant(world: World, **stock: int) -> None:
    """Two items and a kit of them, a warehouse and a store, a shop and a marketplace on both, a till in the store.

    `stock`: units by item and place, `bolt_paris=3`.
    """
    world.items("BOLT", "NUT")
    world.kit("PAIR", {"BOLT": 1, "NUT": 2})
    world.location("paris", postal_code="75001", can_pickup=False)
    world.location("lyon", kind=LocationKind.STORE, postal_code="69001")
    world.channel("shop", {"web": ["paris", "lyon"]})
    world.channel("market", {"fr": ["paris", "lyon"]})
    world.channel("till", {"counter": ["lyon"]})
    for channel in ("shop", "market", "till"):
        world.list_on(channel, "BOLT", "NUT", "PAIR")
    for name, units in stock.items():
        sku, place = name.split("_")
        world.receive(sku.upper(), place, units)
