"""Transfers in SQL. Whoever changes one holds its lock first; no statement lets more arrive than was sent."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.stock import Place, cause_key
from nervure.inventory.transfers import IN_TRANSIT, Choice, Route, Sent, Shelf, UnderWay
from nervure.store import tables
from nervure.store.locations import LocationStore
from nervure.store.statements import LEVEL, insert_new
from nervure.store.tables.catalogue import ITEM, LOCATION
from schemas.locations import Location, LocationKind
from schemas.stock import OUR_OWN, Condition

TRANSFER = tables.of(tables.TransferRow)
TRANSFER_LINE = tables.of(tables.TransferLineRow)
ARRIVAL = tables.of(tables.TransferArrivalRow)

UNITS_UNDER_WAY = TRANSFER_LINE.c.units_sent - (
    TRANSFER_LINE.c.units_arrived + TRANSFER_LINE.c.units_returned + TRANSFER_LINE.c.units_lost
)
IS_UNDER_WAY = (
    TRANSFER_LINE.c.units_arrived + TRANSFER_LINE.c.units_returned + TRANSFER_LINE.c.units_lost
    < TRANSFER_LINE.c.units_sent
)

_ENDS = {
    name: TRANSFER_LINE.update()
    .where(TRANSFER_LINE.c.id == sa.bindparam("line"), sa.bindparam("units") <= UNITS_UNDER_WAY)
    .values({name: TRANSFER_LINE.c[name] + sa.bindparam("units")})
    for name in ("units_arrived", "units_returned", "units_lost")
}


def in_transit(connection: Connection) -> Iterator[tuple[str, str, str, int, int]]:
    """Every stock key in transit: its name, sku, where, its units as transfers say them, and as the ledger does."""
    line = TRANSFER_LINE.c
    said = (
        sa.select(ITEM.c.sku, line.owner, line.condition, line.lot, sa.func.sum(UNITS_UNDER_WAY))
        .join(ITEM, ITEM.c.id == line.item_id)
        .where(IS_UNDER_WAY)
        .group_by(ITEM.c.sku, line.owner, line.condition, line.lot)
    )
    booked = (
        sa.select(ITEM.c.sku, LEVEL.c.owner, LEVEL.c.condition, LEVEL.c.lot, LEVEL.c.on_hand)
        .join(ITEM, ITEM.c.id == LEVEL.c.item_id)
        .join(LOCATION, LOCATION.c.id == LEVEL.c.location_id)
        .where(LOCATION.c.code == IN_TRANSIT)
    )
    under_way = {tuple(row[:4]): int(row[4]) for row in connection.execute(said)}
    there = {tuple(row[:4]): int(row[4]) for row in connection.execute(booked)}
    for key in sorted(under_way.keys() | there.keys()):
        name = " ".join(filter(None, key))
        yield f"{name} in transit", key[0], IN_TRANSIT, under_way.get(key, 0), there.get(key, 0)


class TransferStore:
    """The transfers of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def transit_location(self) -> int | None:
        """Where units under way lie, made when first needed; None: another kind of place has that name."""
        query = sa.select(LOCATION.c.id, LOCATION.c.kind).where(LOCATION.c.code == IN_TRANSIT)
        row = self._connection.execute(query).one_or_none()
        if row is None:
            return LocationStore(self._connection, self._now).put(
                Location(
                    code=IN_TRANSIT, name="In transit", kind=LocationKind.IN_TRANSIT, can_ship=False, can_pickup=False
                )
            )
        return int(row.id) if row.kind == LocationKind.IN_TRANSIT else None

    def open(
        self, name: str, origin_id: int, destination_id: int, *, transit_id: int, expected_on: date | None
    ) -> Route:
        """Writes a transfer if it is new, and locks it. The route of a known one stays what it was."""
        row = {
            "name": name,
            "origin_id": origin_id,
            "destination_id": destination_id,
            "expected_on": expected_on,
            "recorded_at": self._now,
        }
        insert_new(self._connection, TRANSFER, [row])
        found = self.lock(name, transit_id)
        assert found is not None
        return found

    def lock(self, name: str, transit_id: int) -> Route | None:
        """Locks a transfer; None: there is none of that name."""
        query = sa.select(TRANSFER).where(TRANSFER.c.name == name).with_for_update()
        row = self._connection.execute(query).one_or_none()
        return Route(row.id, row.name, row.origin_id, transit_id, row.destination_id) if row else None

    def expect_on(self, transfer_id: int, expected_on: date) -> None:
        """The newest word on when it will arrive."""
        self._connection.execute(TRANSFER.update().where(TRANSFER.c.id == transfer_id).values(expected_on=expected_on))

    # -- leaving -----------------------------------------------------------------------------------------------

    def shelves(self, place: Place, condition: Condition) -> list[Shelf]:
        """Locks what lies at a place in one condition, in primary-key order; our own comes first, then by id."""
        locked = (
            sa.select(LEVEL)
            .where(
                LEVEL.c.item_id == place.item_id,
                LEVEL.c.location_id == place.location_id,
                LEVEL.c.condition == condition.value,
            )
            .order_by(LEVEL.c.id)
            .with_for_update()
        )
        rows = self._connection.execute(locked).all()
        return [
            Shelf(row.owner, row.lot, row.on_hand, row.on_hand - row.reserved - row.allocated)
            for row in sorted(rows, key=lambda row: (row.owner != OUR_OWN, row.id))
        ]

    def sent(self, transfer_id: int, item_id: int, asked: str) -> int:
        """Units that this very dispatch has sent; 0: it is new."""
        query = sa.select(sa.func.coalesce(sa.func.sum(TRANSFER_LINE.c.units_sent), 0)).where(
            TRANSFER_LINE.c.transfer_id == transfer_id,
            TRANSFER_LINE.c.item_id == item_id,
            TRANSFER_LINE.c.asked == asked,
        )
        return int(self._connection.execute(query).scalar_one())

    def send(
        self, transfer_id: int, item_id: int, asked: str, condition: Condition, leaving: Sequence[Sent]
    ) -> list[UnderWay]:
        """Writes what leaves, one line for each stock key."""
        made = []
        for one in leaving:
            line = self._connection.execute(
                TRANSFER_LINE.insert()
                .values(
                    transfer_id=transfer_id,
                    item_id=item_id,
                    asked=asked,
                    owner=one.owner,
                    condition=condition.value,
                    lot=one.lot,
                    units_sent=one.units,
                )
                .returning(TRANSFER_LINE.c.id)
            ).scalar_one()
            made.append(UnderWay(line, item_id, one.owner, condition, one.lot, one.units))
        return made

    # -- under way ---------------------------------------------------------------------------------------------

    def lines(self, transfer_id: int) -> list[UnderWay]:
        """Every line of a transfer with its units under way, which may be 0; the first sent first."""
        query = (
            sa.select(TRANSFER_LINE, UNITS_UNDER_WAY.label("units"))
            .where(TRANSFER_LINE.c.transfer_id == transfer_id)
            .order_by(TRANSFER_LINE.c.id)
        )
        return [
            UnderWay(row.id, row.item_id, row.owner, Condition(row.condition), row.lot, row.units)
            for row in self._connection.execute(query)
        ]

    def note_arrival(self, transfer_id: int, document: str, asked: str) -> bool:
        """Notes a statement that units arrived; False: it was made before."""
        row = {"transfer_id": transfer_id, "document": document, "asked": asked, "recorded_at": self._now}
        return bool(insert_new(self._connection, ARRIVAL, [row]))

    def arrive(self, dealt: Collection[tuple[UnderWay, int]]) -> None:
        self._end("units_arrived", dealt)

    def bring_back(self, lines: Collection[UnderWay]) -> None:
        self._end("units_returned", [(line, line.units) for line in lines])

    def lose(self, lines: Collection[UnderWay]) -> None:
        self._end("units_lost", [(line, line.units) for line in lines])

    def _end(self, name: str, dealt: Collection[tuple[UnderWay, int]]) -> None:
        for line, units in dealt:
            ended = self._connection.execute(_ENDS[name], {"line": line.line_id, "units": units})
            # Under the transfer's lock this cannot happen; the statement is the guard against a storage that lies.
            assert ended.rowcount == 1, f"line {line.line_id} has no {units} units under way"


def asked_of(choice: Choice) -> str:
    """The text by which a dispatch, or an arrival, of these units is known again."""
    return cause_key(choice.condition, *("*" if part is None else f"={part}" for part in (choice.owner, choice.lot)))
