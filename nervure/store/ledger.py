"""The ledger in SQL: movements and levels are written together, and each cause is booked once."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from json import dumps
from typing import TypeAlias

import sqlalchemy as sa

from nervure.inventory.stock import Entry, ImpossibleLevelError, KitStockError, Place
from nervure.store.digests import SEALED_MOVEMENT, StockKey, movement_digest
from nervure.store.expiries import make_levels
from nervure.store.statements import (
    KIT,
    LEVEL,
    MOVEMENT,
    OBSERVATION,
    Row,
    StockTransaction,
    are_among,
    as_arrays,
    as_columns,
    as_rows,
    chunks,
    insert_rows,
)
from nervure.store.tables.catalogue import ITEM, LOCATION
from schemas.base import MAX_UNITS

_MOVE_LEVEL = (
    LEVEL.update()
    .where(LEVEL.c.id == sa.bindparam("level"))
    .values(on_hand=LEVEL.c.on_hand + sa.bindparam("units"), sequence=LEVEL.c.sequence + sa.bindparam("steps"))
)
_MOVES = as_arrays({"level": LEVEL.c.id.type, "units": LEVEL.c.on_hand.type, "steps": LEVEL.c.sequence.type})
_MOVE_LEVELS = (
    LEVEL.update()
    .where(LEVEL.c.id == _MOVES.c.level)
    .values(on_hand=LEVEL.c.on_hand + _MOVES.c.units, sequence=LEVEL.c.sequence + _MOVES.c.steps)
)
# Many causes go as one JSON text: a parameter for each would cost more than looking it up.
_KNOWN = {
    "postgresql": sa.text(
        "SELECT cause_key, id FROM stock_movement"
        " WHERE cause_key = ANY (ARRAY(SELECT json_array_elements_text(CAST(:causes AS json))))"
    ),
    "sqlite": sa.text(
        "SELECT cause_key, id FROM stock_movement WHERE cause_key IN (SELECT value FROM json_each(:causes))"
    ),
}
_LEVELS = {
    dialect: sa.select(
        LEVEL.c.item_id, LEVEL.c.location_id, LEVEL.c.owner, LEVEL.c.condition, LEVEL.c.lot, LEVEL.c.id
    ).where(are_among((LEVEL.c.item_id, LEVEL.c.location_id), dialect))
    for dialect in ("sqlite", "postgresql")
}
_MOVEMENT = ("stock_level_id", *SEALED_MOVEMENT, "digest")
_Numbered: TypeAlias = tuple[Entry, StockKey, int, int]
"""An entry with its stock key, the id of its level, and its number there."""


def _keys(entries: Sequence[Entry]) -> list[StockKey]:
    """The stock key of each entry. Most entries of a batch share few keys: each is kept once."""
    known: dict[StockKey, StockKey] = {}
    keys: list[StockKey] = []
    for entry in entries:
        said = (*entry.place, entry.owner, entry.condition, entry.lot)  # a condition equals its value, and hashes as it
        key = known.get(said)
        if key is None:
            key = known[said] = (*entry.place, entry.owner, entry.condition.value, entry.lot)
        keys.append(key)
    return keys


class LedgerStore(StockTransaction):
    """The ledger of one transaction."""

    def book(self, entries: Sequence[Entry]) -> list[Entry]:
        if not entries:
            return []
        keys = _keys(entries)
        level_ids = self._find_levels(set(keys))
        if any(key not in level_ids for key in keys):
            # A cause that is booked already makes no level: none is there that was never booked or counted.
            booked_already = set(self._ids_by_cause([entry.cause_key for entry in entries]))
            keyed = zip(entries, keys, strict=True)
            left = [(e, key) for e, key in keyed if key in level_ids or e.cause_key not in booked_already]
            entries, keys = [entry for entry, _ in left], [key for _, key in left]
            level_ids = self._level_ids(set(keys))
        there, sequences = self._lock_levels(level_ids.values())
        known = set(self._ids_by_cause([entry.cause_key for entry in entries]))
        rows: list[Row] = []
        taking_back: list[_Numbered] = []
        booked: list[Entry] = []
        moved: dict[int, tuple[int, int]] = {}
        for entry, key in zip(entries, keys, strict=True):
            if entry.cause_key in known:
                continue
            known.add(entry.cause_key)
            level = level_ids[key]
            sequences[level] = sequence = sequences[level] + 1
            units, steps = moved.get(level, (0, 0))
            moved[level] = units + entry.units, steps + 1
            booked.append(entry)
            if entry.compensates is None:
                rows.append(self._row(entry, key, level, sequence))
            else:
                taking_back.append((entry, key, level, sequence))
        places = {entry.place for entry in booked}
        self._refuse_kits({place.item_id for place in places})
        self._refuse_slips([(level, there[level], units) for level, (units, _) in sorted(moved.items())])
        insert_rows(self._connection, MOVEMENT, _MOVEMENT, rows)
        self._take_back(taking_back)
        self._move_levels(moved)
        self.touch(places)
        return booked

    def _refuse_kits(self, item_ids: Collection[int]) -> None:
        """Asked under the locks: who makes an item a kit holds its row, which a new level refers to, or its levels."""
        for batch in chunks(sorted(item_ids)):
            query = sa.select(ITEM.c.sku).where(ITEM.c.id.in_(sa.select(KIT.c.kit_id).where(KIT.c.kit_id.in_(batch))))
            found = self._connection.execute(query.order_by(ITEM.c.id).limit(1)).scalar()
            if found is not None:
                raise KitStockError(found)

    def _refuse_slips(self, moves: Sequence[tuple[int, int, int]]) -> None:
        """(level, units on hand, units that it moves by): whatever brings a level back towards 0 is booked."""
        for level, on_hand, units in moves:
            if abs(on_hand + units) > max(MAX_UNITS, abs(on_hand)):
                names = (
                    sa.select(ITEM.c.sku, LOCATION.c.code)
                    .join(LEVEL, LEVEL.c.item_id == ITEM.c.id)
                    .join(LOCATION, LOCATION.c.id == LEVEL.c.location_id)
                    .where(LEVEL.c.id == level)
                )
                raise ImpossibleLevelError(*self._connection.execute(names).one(), on_hand + units)

    def _row(self, entry: Entry, key: StockKey, level: int, sequence: int, compensates_id: int | None = None) -> Row:
        columns = (
            sequence,
            str(entry.kind),
            int(entry.units),  # PostgreSQL sums to decimals, which a digest would write otherwise
            str(entry.reason) if entry.reason else None,
            entry.cause_key,
            entry.document or entry.cause_key,
            entry.occurred_at,
            self._now,
            compensates_id,
        )
        return (level, *columns, movement_digest(key, columns))

    def _take_back(self, rows: Sequence[_Numbered]) -> None:
        """An adjustment that takes a movement back needs that movement's id, so it is written second."""
        compensated = self._ids_by_cause([entry.compensates for entry, *_ in rows if entry.compensates])
        values = [self._row(*row, compensated.get(row[0].compensates or "")) for row in rows]
        insert_rows(self._connection, MOVEMENT, _MOVEMENT, values)

    def _move_levels(self, moved: Mapping[int, tuple[int, int]]) -> None:
        if not moved:
            return
        rows = [{"level": level, "units": units, "steps": steps} for level, (units, steps) in sorted(moved.items())]
        if self._is_postgresql:
            self._connection.execute(_MOVE_LEVELS, as_columns(rows))
        else:
            self._connection.execute(_MOVE_LEVEL, rows)

    def _level_ids(self, keys: Collection[StockKey]) -> dict[StockKey, int]:
        found = self._find_levels(keys)
        missing = sorted(set(keys) - found.keys())
        if missing:
            make_levels(self._connection, missing)
            found |= self._find_levels(missing)
        return found

    def _find_levels(self, keys: Iterable[StockKey]) -> dict[StockKey, int]:
        wanted = set(keys)
        found: dict[StockKey, int] = {}
        for batch in chunks(sorted({(key[0], key[1]) for key in wanted}), 1_000):
            rows = self._connection.execute(_LEVELS[self._connection.dialect.name], as_rows(batch))
            for item, location, owner, condition, lot, level in rows:
                key = (item, location, owner, condition, lot)
                if key in wanted:
                    found[key] = level
        return found

    def _lock_levels(self, level_ids: Iterable[int]) -> tuple[dict[int, int], dict[int, int]]:
        """Units on hand and the number of the last movement, by level."""
        on_hand: dict[int, int] = {}
        sequences: dict[int, int] = {}
        for batch in chunks(sorted(set(level_ids))):
            query = (
                sa.select(LEVEL.c.id, LEVEL.c.on_hand, LEVEL.c.sequence)
                .where(LEVEL.c.id.in_(batch))
                .order_by(LEVEL.c.id)
                .with_for_update()
            )
            for level, units, sequence in self._connection.execute(query):
                on_hand[level], sequences[level] = units, sequence
        return on_hand, sequences

    def _ids_by_cause(self, causes: Sequence[str]) -> dict[str, int]:
        if not causes:
            return {}
        known = _KNOWN[self._connection.dialect.name]
        return {row.cause_key: row.id for row in self._connection.execute(known, {"causes": dumps(causes)})}

    def last_counts(self, places: Collection[Place]) -> dict[Place, datetime]:
        found: dict[Place, datetime] = {}
        for batch in chunks(sorted(places), 1_000):
            query = (
                sa.select(OBSERVATION.c.item_id, OBSERVATION.c.location_id, sa.func.max(OBSERVATION.c.observed_at))
                .where(
                    are_among((OBSERVATION.c.item_id, OBSERVATION.c.location_id), self._connection.dialect.name),
                    OBSERVATION.c.is_booked.is_(True),
                )
                .group_by(OBSERVATION.c.item_id, OBSERVATION.c.location_id)
            )
            rows = self._connection.execute(query, as_rows(batch))
            found.update({Place(item, location): at for item, location, at in rows})
        return found
