"""Counts in SQL, and what the ledger and the claims say of the moments in which they were made."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from nervure.inventory.counts import PART_OF_KIT, Basis, Count
from nervure.inventory.stock import Place
from nervure.store.digests import count_digest
from nervure.store.expiries import make_levels
from nervure.store.statements import CLAIM, LEVEL, MOVEMENT, OBSERVATION, StockTransaction, are_among, as_rows, chunks
from nervure.store.tables.orders import FULFILLMENT, FULFILLMENT_LINE
from schemas.fulfillment import FulfillmentState
from schemas.stock import Condition, MovementKind


class CountStore(StockTransaction):
    """The counts of one transaction."""

    def lock_counted(self, counts: Sequence[Count]) -> None:
        targets = {
            (one.place.item_id, one.place.location_id, one.owner, one.condition.value, one.lot) for one in counts
        }
        # The level that takes the difference must be there to be locked: whoever books meanwhile waits for it.
        make_levels(self._connection, targets)
        ids: list[int] = []
        for batch in chunks(
            sorted({(item, location, condition) for item, location, _, condition, _ in targets}), 1_000
        ):
            key = (LEVEL.c.item_id, LEVEL.c.location_id, LEVEL.c.condition)
            query = sa.select(LEVEL.c.id).where(are_among(key, self._connection.dialect.name))
            ids.extend(self._connection.execute(query, as_rows(batch)).scalars())
        for id_batch in chunks(sorted(ids)):
            query = sa.select(LEVEL.c.id).where(LEVEL.c.id.in_(id_batch)).order_by(LEVEL.c.id)
            self._connection.execute(query.with_for_update()).all()

    def record_count(self, count: Count) -> int | None:
        dialect = postgresql if self._is_postgresql else sqlite
        statement = dialect.insert(OBSERVATION).values(count_row(count, self._now)).on_conflict_do_nothing()
        number: int | None = self._connection.execute(statement.returning(OBSERVATION.c.id)).scalar_one_or_none()
        return number

    def correct_count(self, count: Count) -> None:
        self._rewrite(
            count.id,
            lambda row: {
                "expected_units": row["units"] - count.difference,
                "base_units": count.base_units,
                "base_at": count.base_at,
            },
        )

    def _rewrite(self, count_id: int, change: Callable[[Mapping[str, Any]], dict[str, object]]) -> None:
        query = sa.select(OBSERVATION).where(OBSERVATION.c.id == count_id).with_for_update()
        row = dict(self._connection.execute(query).mappings().one())
        values = change(row)
        values["digest"] = count_digest(row | values)
        self._connection.execute(OBSERVATION.update().where(OBSERVATION.c.id == count_id).values(**values))

    def go_on(self, last: Count, said: Count) -> Count:
        """A running number was seen again as it was expected: its last word is from this time on."""
        values = {
            "units": said.units,
            "expected_units": said.units,
            "observed_at": said.observed_at,
            "version": said.version,
        }
        self._rewrite(last.id, lambda _: dict(values))
        return replace(last, units=said.units, observed_at=said.observed_at, version=said.version)

    def counts_since(self, place: Place, moment: datetime) -> list[Count]:
        query = sa.select(OBSERVATION).where(_of(place), OBSERVATION.c.observed_at >= moment)
        return sorted((_as_count(row) for row in self._connection.execute(query)), key=lambda count: count.rank)

    def last_words(self, places: Collection[Place], source: str) -> dict[Place, Count]:
        """The newest number that a source stated of each place."""
        found: dict[Place, Count] = {}
        newer = OBSERVATION.alias()
        is_newest = ~(
            sa.select(newer.c.id)
            .where(
                newer.c.item_id == OBSERVATION.c.item_id,
                newer.c.location_id == OBSERVATION.c.location_id,
                newer.c.source == source,
                newer.c.is_booked.is_(True),
                newer.c.observed_at > OBSERVATION.c.observed_at,
            )
            .exists()
        )
        for batch in chunks(sorted(places), 1_000):
            query = sa.select(OBSERVATION).where(
                are_among((OBSERVATION.c.item_id, OBSERVATION.c.location_id), self._connection.dialect.name),
                OBSERVATION.c.source == source,
                OBSERVATION.c.is_booked.is_(True),
                is_newest,
            )
            rows = self._connection.execute(query, as_rows(batch))
            for count in sorted((_as_count(row) for row in rows), key=lambda one: one.rank):
                found[count.place] = count
        return found

    def on_hand_counted(self, count: Count) -> int:
        return self._sum(_moved(count).where(_level_of(count)))

    def own_sales_counted(self, count: Count, since: datetime) -> int:
        query = _own_sales(sa.select(sa.func.coalesce(sa.func.sum(MOVEMENT.c.units), 0)), count.source, since)
        return self._sum(query.where(_at(count.place), MOVEMENT.c.occurred_at <= count.observed_at))

    def own_sales_since(self, since: Mapping[Place, datetime], channel: str) -> dict[Place, list[tuple[datetime, int]]]:
        """What a channel handed over itself after these moments, as far as is known: times and signed units."""
        found: dict[Place, list[tuple[datetime, int]]] = defaultdict(list)
        for batch in chunks(sorted(since), 1_000):
            columns = (LEVEL.c.item_id, LEVEL.c.location_id, MOVEMENT.c.occurred_at, MOVEMENT.c.units)
            here = are_among((LEVEL.c.item_id, LEVEL.c.location_id), self._connection.dialect.name)
            query = _own_sales(sa.select(*columns), channel, min(since[place] for place in batch)).where(here)
            for item, location, occurred_at, units in self._connection.execute(query, as_rows(batch)):
                found[Place(item, location)].append((occurred_at, units))
        return found

    def set_aside_counted(self, count: Count) -> int:
        if count.basis in {Basis.EVERYTHING, Basis.RUNNING}:
            return 0
        query = (
            sa.select(sa.func.coalesce(sa.func.sum(CLAIM.c.units), 0))
            .join(LEVEL, LEVEL.c.id == CLAIM.c.stock_level_id)
            .where(_level_of(count), was_held(count.observed_at))
        )
        return self._sum(with_supplier(query) if count.basis is Basis.LESS_OUR_ORDERS else query)

    def _sum(self, query: sa.Select[Any]) -> int:
        return int(self._connection.execute(query).scalar_one())


def with_supplier(claims: sa.Select[Any]) -> sa.Select[Any]:
    """Of these claims those whose orders the supplier has had."""
    return (
        claims.join(FULFILLMENT_LINE, FULFILLMENT_LINE.c.id == CLAIM.c.fulfillment_line_id)
        .join(FULFILLMENT, FULFILLMENT.c.id == FULFILLMENT_LINE.c.fulfillment_order_id)
        .where(FULFILLMENT.c.state.in_([FulfillmentState.SENT_TO_SUPPLIER.value, FulfillmentState.SHIPPED.value]))
    )


def was_held(moment: datetime) -> sa.ColumnElement[bool]:
    """Whether a claim held its units then."""
    is_held = sa.or_(CLAIM.c.state == "held", CLAIM.c.ended_at > moment)
    return sa.and_(CLAIM.c.created_at <= moment, is_held)


def count_row(count: Count, now: datetime) -> dict[str, object]:
    """A count as it is kept."""
    row: dict[str, object] = {
        "location_id": count.place.location_id,
        "item_id": count.place.item_id,
        "source": count.source,
        "version": count.version,
        "units": count.units,
        "expected_units": count.units - count.difference,
        "is_booked": True,
        "basis": count.basis.value,
        "condition": count.condition.value,
        "owner": count.owner,
        "lot": count.lot,
        "is_whole": count.is_whole,
        "withheld_units": count.withheld_units,
        "base_units": count.base_units,
        "base_at": count.base_at,
        "observed_at": count.observed_at,
        "recorded_at": now,
    }
    return row | {"digest": count_digest(row)}


def _as_count(row: sa.Row[Any]) -> Count:
    return Count(
        place=Place(row.item_id, row.location_id),
        source=row.source,
        units=row.units,
        observed_at=row.observed_at,
        basis=Basis(row.basis),
        version=row.version,
        condition=Condition(row.condition),
        owner=row.owner,
        lot=row.lot,
        is_whole=row.is_whole,
        withheld_units=row.withheld_units,
        base_units=row.base_units,
        base_at=row.base_at,
        difference=row.units - row.expected_units,
        id=row.id,
    )


def _of(place: Place) -> sa.ColumnElement[bool]:
    return sa.and_(
        OBSERVATION.c.item_id == place.item_id,
        OBSERVATION.c.location_id == place.location_id,
        OBSERVATION.c.is_booked.is_(True),
    )


def _at(place: Place) -> sa.ColumnElement[bool]:
    return sa.and_(LEVEL.c.item_id == place.item_id, LEVEL.c.location_id == place.location_id)


def _level_of(count: Count) -> sa.ColumnElement[bool]:
    counted = sa.and_(_at(count.place), LEVEL.c.condition == count.condition.value)
    if count.is_whole:
        return counted
    return sa.and_(counted, LEVEL.c.owner == count.owner, LEVEL.c.lot == count.lot)


def _moved(count: Count) -> sa.Select[Any]:
    return (
        sa.select(sa.func.coalesce(sa.func.sum(MOVEMENT.c.units), 0))
        .join(LEVEL, LEVEL.c.id == MOVEMENT.c.stock_level_id)
        .where(MOVEMENT.c.occurred_at <= count.observed_at)
    )


def _own_sales(columns: sa.Select[Any], channel: str, since: datetime) -> sa.Select[Any]:
    return columns.join_from(MOVEMENT, LEVEL, LEVEL.c.id == MOVEMENT.c.stock_level_id).where(
        LEVEL.c.condition == Condition.SELLABLE.value,
        MOVEMENT.c.occurred_at > since,
        MOVEMENT.c.kind == MovementKind.SOLD.value,
        MOVEMENT.c.document.startswith(f"order:{channel}:", autoescape=True),
        ~MOVEMENT.c.cause_key.endswith(PART_OF_KIT),
    )
