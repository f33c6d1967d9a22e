"""Stock in SQL: ledger, levels and claims. Every lock on stock levels is taken here, in primary-key order."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from nervure.inventory.availability import Parts, PlaceStock
from nervure.inventory.stock import ClaimKind, Entry, HeldClaim, Level, Place, Take
from nervure.store import tables
from schemas.stock import Condition

LEVEL = tables.of(tables.StockLevelRow)
MOVEMENT = tables.of(tables.StockMovementRow)
OBSERVATION = tables.of(tables.StockObservationRow)
CLAIM = tables.of(tables.ClaimRow)
SAFETY = tables.of(tables.SafetyStockRow)
CHANGE = tables.of(tables.AvailabilityChangeRow)
KIT = tables.of(tables.KitComponentRow)

CHUNK = 4_000
T = TypeVar("T")

# What every order runs is built once: SQLAlchemy keeps what it learned of a statement with the statement.
_PLACES: sa.BindParameter[Any] = sa.bindparam("places", expanding=True)
_SELLABLE = sa.select(LEVEL.c.id).where(
    sa.tuple_(LEVEL.c.item_id, LEVEL.c.location_id).in_(_PLACES), LEVEL.c.condition == Condition.SELLABLE.value
)
_LOCKED = (
    sa.select(LEVEL).where(LEVEL.c.id.in_(sa.bindparam("ids", expanding=True))).order_by(LEVEL.c.id).with_for_update()
)
_HELD_BACK = sa.select(SAFETY).where(sa.tuple_(SAFETY.c.item_id, SAFETY.c.location_id).in_(_PLACES))
_TAKE = {
    kind: LEVEL.update()
    .where(
        LEVEL.c.id == sa.bindparam("level"),
        LEVEL.c.on_hand - LEVEL.c.reserved - LEVEL.c.allocated >= sa.bindparam("wanted"),
    )
    .values({column: column + sa.bindparam("wanted")})
    for kind, column in ((ClaimKind.RESERVATION, LEVEL.c.reserved), (ClaimKind.ALLOCATION, LEVEL.c.allocated))
}
_WRITE_CLAIM = CLAIM.insert()
_NOTE_CHANGE = CHANGE.insert()
_WRITE_MOVEMENT = MOVEMENT.insert()
_MOVE_LEVEL = (
    LEVEL.update()
    .where(LEVEL.c.id == sa.bindparam("level"))
    .values(on_hand=LEVEL.c.on_hand + sa.bindparam("units"), sequence=LEVEL.c.sequence + sa.bindparam("steps"))
)
_KNOWN = sa.select(MOVEMENT.c.cause_key, MOVEMENT.c.id).where(
    MOVEMENT.c.cause_key.in_(sa.bindparam("causes", expanding=True))
)


def as_arrays(types: Mapping[str, sa.types.TypeEngine[Any]]) -> sa.TableValuedAlias:
    """Rows as PostgreSQL takes them many at once: one array for each column, bound by its name."""
    arrays = (sa.bindparam(name, type_=postgresql.ARRAY(kind)) for name, kind in types.items())
    return sa.func.unnest(*arrays).table_valued(*types, name="given").render_derived()


def as_columns(rows: Sequence[Mapping[str, object]]) -> dict[str, list[object]]:
    """Rows turned by a quarter, as the arrays want them."""
    return {name: [row[name] for row in rows] for name in rows[0]}


_MOVEMENTS = as_arrays({column.name: column.type for column in MOVEMENT.c if column.name != "id"})
_POUR_MOVEMENTS = MOVEMENT.insert().from_select([column.name for column in _MOVEMENTS.c], sa.select(*_MOVEMENTS.c))
_MOVES = as_arrays({"level": LEVEL.c.id.type, "units": LEVEL.c.on_hand.type, "steps": LEVEL.c.sequence.type})
_MOVE_LEVELS = (
    LEVEL.update()
    .where(LEVEL.c.id == _MOVES.c.level)
    .values(on_hand=LEVEL.c.on_hand + _MOVES.c.units, sequence=LEVEL.c.sequence + _MOVES.c.steps)
)
_KNOWN_IN_ARRAY = sa.select(MOVEMENT.c.cause_key, MOVEMENT.c.id).where(
    MOVEMENT.c.cause_key == sa.any_(sa.bindparam("causes", type_=postgresql.ARRAY(MOVEMENT.c.cause_key.type)))
)


def chunks(rows: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Cuts rows so that no statement has more parameters than a database takes."""
    batch: list[T] = []
    for row in rows:
        batch.append(row)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def insert_new(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, object]]) -> int:
    """Inserts rows; those that a unique constraint already holds are left alone. Answers how many were new."""
    if not rows:
        return 0
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    # Without the option the count of an INSERT is only known while its cursor is open: on PostgreSQL it would be -1.
    statement = dialect.insert(table).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    # The rows are parameters, not a VALUES list: a list of each length would be compiled anew.
    return sum(connection.execute(statement, part).rowcount for part in chunks([dict(row) for row in rows], 5_000))


LevelIdentity = tuple[int, int, str, str, str]


def _key(entry: Entry) -> LevelIdentity:
    return (entry.place.item_id, entry.place.location_id, entry.owner, entry.condition.value, entry.lot)


class StockStore:
    """The stock of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._is_postgresql = connection.dialect.name == "postgresql"

    # -- reading -----------------------------------------------------------------------------------------------

    def parts_of(self, item_ids: Collection[int]) -> dict[int, Parts]:
        """What each item is made of; a simple item is one of itself."""
        parts: dict[int, dict[int, int]] = defaultdict(dict)
        for batch in chunks(sorted(item_ids)):
            query = sa.select(KIT.c.kit_id, KIT.c.part_id, KIT.c.units).where(KIT.c.kit_id.in_(batch))
            for kit, part, units in self._connection.execute(query):
                parts[kit][part] = units
        return {item: parts.get(item) or {item: 1} for item in item_ids}

    def at_items(self, item_ids: Collection[int]) -> dict[Place, PlaceStock]:
        """What stands at every place of these items, without a lock."""
        found: dict[Place, PlaceStock] = {}
        for batch in chunks(sorted(item_ids)):
            held_back = {
                Place(item, location): units
                for item, location, units in self._connection.execute(
                    sa.select(SAFETY.c.item_id, SAFETY.c.location_id, SAFETY.c.units).where(SAFETY.c.item_id.in_(batch))
                )
            }
            query = (
                sa.select(
                    LEVEL.c.item_id,
                    LEVEL.c.location_id,
                    sa.func.sum(LEVEL.c.on_hand - LEVEL.c.reserved - LEVEL.c.allocated),
                )
                .where(LEVEL.c.item_id.in_(batch), LEVEL.c.condition == Condition.SELLABLE.value)
                .group_by(LEVEL.c.item_id, LEVEL.c.location_id)
            )
            for item, location, claimable in self._connection.execute(query):
                place = Place(item, location)
                found[place] = PlaceStock(int(claimable), held_back.get(place, 0))
        return found

    def safety_stock(self, places: Collection[Place]) -> dict[Place, int]:
        found: dict[Place, int] = {}
        for batch in chunks(sorted(places), 1_000):
            rows = self._connection.execute(_HELD_BACK, {"places": batch})
            found.update({Place(row.item_id, row.location_id): row.units for row in rows})
        return found

    def last_counts(self, places: Collection[Place]) -> dict[Place, datetime]:
        found: dict[Place, datetime] = {}
        for batch in chunks(sorted(places), 1_000):
            query = (
                sa.select(OBSERVATION.c.item_id, OBSERVATION.c.location_id, sa.func.max(OBSERVATION.c.observed_at))
                .where(
                    sa.tuple_(OBSERVATION.c.item_id, OBSERVATION.c.location_id).in_(batch),
                    OBSERVATION.c.is_booked.is_(True),
                )
                .group_by(OBSERVATION.c.item_id, OBSERVATION.c.location_id)
            )
            found.update({Place(item, location): at for item, location, at in self._connection.execute(query)})
        return found

    # -- ledger ------------------------------------------------------------------------------------------------

    def book(self, entries: Sequence[Entry]) -> list[Entry]:
        if not entries:
            return []
        level_ids = self._level_ids(entries)
        sequences = self._lock_sequences(level_ids.values())
        known = set(self._ids_by_cause([entry.cause_key for entry in entries]))
        rows: list[tuple[Entry, int, int]] = []
        moved: dict[int, list[int]] = {}
        for entry in entries:
            if entry.cause_key in known:
                continue
            known.add(entry.cause_key)
            level = level_ids[_key(entry)]
            sequences[level] += 1
            moved.setdefault(level, []).append(entry.units)
            rows.append((entry, level, sequences[level]))
        # An adjustment that takes a movement back needs that movement's id, so it is written second.
        self._insert_movements([row for row in rows if row[0].compensates is None])
        self._insert_movements([row for row in rows if row[0].compensates is not None])
        self._move_levels(moved)
        booked = [entry for entry, _, _ in rows]
        self.touch(entry.place for entry in booked)
        return booked

    def _insert_movements(self, rows: Sequence[tuple[Entry, int, int]]) -> None:
        compensated = self._ids_by_cause([entry.compensates for entry, _, _ in rows if entry.compensates])
        values = [
            {
                "stock_level_id": level,
                "sequence": sequence,
                "kind": entry.kind.value,
                "units": entry.units,
                "reason": entry.reason.value if entry.reason else None,
                "cause_key": entry.cause_key,
                "occurred_at": entry.occurred_at,
                "recorded_at": self._now,
                "compensates_id": compensated.get(entry.compensates or ""),
            }
            for entry, level, sequence in rows
        ]
        for part in chunks(values, 5_000):
            if self._is_postgresql:
                self._connection.execute(_POUR_MOVEMENTS, as_columns(part))
            else:
                self._connection.execute(_WRITE_MOVEMENT, part)

    def _move_levels(self, moved: Mapping[int, list[int]]) -> None:
        if not moved:
            return
        rows = [{"level": level, "units": sum(units), "steps": len(units)} for level, units in sorted(moved.items())]
        if self._is_postgresql:
            self._connection.execute(_MOVE_LEVELS, as_columns(rows))
        else:
            self._connection.execute(_MOVE_LEVEL, rows)

    def _level_ids(self, entries: Sequence[Entry]) -> dict[LevelIdentity, int]:
        keys = {_key(entry) for entry in entries}
        found = self._find_levels(keys)
        missing = sorted(keys - found.keys())
        if missing:
            columns = ("item_id", "location_id", "owner", "condition", "lot")
            rows = [
                {**dict(zip(columns, key, strict=True)), "on_hand": 0, "reserved": 0, "allocated": 0, "sequence": 0}
                for key in missing
            ]
            insert_new(self._connection, LEVEL, rows)
            found |= self._find_levels(missing)
        return found

    def _find_levels(self, keys: Iterable[LevelIdentity]) -> dict[LevelIdentity, int]:
        wanted = set(keys)
        found: dict[LevelIdentity, int] = {}
        for batch in chunks(sorted({(key[0], key[1]) for key in wanted}), 1_000):
            query = sa.select(
                LEVEL.c.item_id, LEVEL.c.location_id, LEVEL.c.owner, LEVEL.c.condition, LEVEL.c.lot, LEVEL.c.id
            ).where(sa.tuple_(LEVEL.c.item_id, LEVEL.c.location_id).in_(batch))
            for item, location, owner, condition, lot, level in self._connection.execute(query):
                key = (item, location, owner, condition, lot)
                if key in wanted:
                    found[key] = level
        return found

    def _lock_sequences(self, level_ids: Iterable[int]) -> dict[int, int]:
        locked: dict[int, int] = {}
        for batch in chunks(sorted(set(level_ids))):
            query = (
                sa.select(LEVEL.c.id, LEVEL.c.sequence)
                .where(LEVEL.c.id.in_(batch))
                .order_by(LEVEL.c.id)
                .with_for_update()
            )
            locked.update((row.id, row.sequence) for row in self._connection.execute(query))
        return locked

    def _ids_by_cause(self, causes: Sequence[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for batch in chunks(causes):
            known = _KNOWN_IN_ARRAY if self._is_postgresql else _KNOWN
            found.update((row.cause_key, row.id) for row in self._connection.execute(known, {"causes": batch}))
        return found

    def record_observation(self, row: Mapping[str, object]) -> bool:
        """Keeps what another master said; False: said before."""
        return bool(insert_new(self._connection, OBSERVATION, [{**row, "recorded_at": self._now}]))

    def on_hand_at(self, place: Place, moment: datetime) -> int:
        """Sellable units of all owners there, by the movements that occurred until then."""
        query = (
            sa.select(sa.func.coalesce(sa.func.sum(MOVEMENT.c.units), 0))
            .join(LEVEL, LEVEL.c.id == MOVEMENT.c.stock_level_id)
            .where(
                LEVEL.c.item_id == place.item_id,
                LEVEL.c.location_id == place.location_id,
                LEVEL.c.condition == Condition.SELLABLE.value,
                MOVEMENT.c.occurred_at <= moment,
            )
        )
        return int(self._connection.execute(query).scalar_one())

    # -- claims ------------------------------------------------------------------------------------------------

    def lock_sellable(self, places: Collection[Place]) -> list[Level]:
        levels: list[Level] = []
        ids: list[int] = []
        for batch in chunks(sorted(places), 1_000):
            ids.extend(self._connection.execute(_SELLABLE, {"places": batch}).scalars())
        for id_batch in chunks(sorted(ids)):
            levels.extend(
                Level(
                    row.id,
                    Place(row.item_id, row.location_id),
                    row.owner,
                    row.on_hand - row.reserved - row.allocated,
                    row.reserved + row.allocated,
                )
                for row in self._connection.execute(_LOCKED, {"ids": id_batch})
            )
        return levels

    def take(self, takes: Sequence[Take], kind: ClaimKind) -> bool:
        ordered = sorted(takes, key=lambda take: take.level_id)
        for one in ordered:
            if self._connection.execute(_TAKE[kind], {"level": one.level_id, "wanted": one.units}).rowcount != 1:
                return False
        self.touch(one.place for one in ordered)
        return True

    def allocate(self, takes: Sequence[tuple[Take, int]]) -> None:
        """Records taken units as allocations of fulfillment lines: (take, fulfillment line id)."""
        rows = [
            {
                "stock_level_id": take.level_id,
                "kind": ClaimKind.ALLOCATION.value,
                "units": take.units,
                "state": "held",
                "reference": f"line:{line}",
                "fulfillment_line_id": line,
                "created_at": self._now,
            }
            for take, line in takes
        ]
        if rows:
            self._connection.execute(_WRITE_CLAIM, rows)

    def reserve(self, takes: Sequence[Take], *, reference: str, expires_at: datetime) -> None:
        """Records taken units as a reservation."""
        rows = [
            {
                "stock_level_id": take.level_id,
                "kind": ClaimKind.RESERVATION.value,
                "units": take.units,
                "state": "held",
                "reference": reference,
                "expires_at": expires_at,
                "created_at": self._now,
            }
            for take in takes
        ]
        self._connection.execute(_WRITE_CLAIM, rows)

    def held_for(self, fulfillment_line_ids: Collection[int]) -> list[HeldClaim]:
        """The allocations that these lines still hold, by id."""
        held: list[HeldClaim] = []
        for batch in chunks(sorted(fulfillment_line_ids)):
            query = (
                sa.select(CLAIM, LEVEL.c.item_id, LEVEL.c.location_id)
                .join(LEVEL, LEVEL.c.id == CLAIM.c.stock_level_id)
                .where(CLAIM.c.fulfillment_line_id.in_(batch), CLAIM.c.state == "held")
                .order_by(CLAIM.c.id)
            )
            held.extend(
                HeldClaim(
                    row.id, row.stock_level_id, Place(row.item_id, row.location_id), row.units, row.fulfillment_line_id
                )
                for row in self._connection.execute(query)
            )
        return held

    def end_claims(self, claim_ids: Collection[int], state: str) -> list[Take]:
        """Ends claims as `released` or `consumed`, each at most once, and gives their units back to the levels.

        Answers what really ended: a claim that had ended before is not among it.
        """
        ended: list[tuple[Take, str]] = []
        for claim_id in sorted(claim_ids):
            row = self._connection.execute(
                CLAIM.update()
                .where(CLAIM.c.id == claim_id, CLAIM.c.state == "held")
                .values(state=state, ended_at=self._now)
                .returning(CLAIM.c.stock_level_id, CLAIM.c.units, CLAIM.c.kind)
            ).one_or_none()
            if row is not None:
                ended.append((Take(row.stock_level_id, Place(0, 0), row.units), row.kind))
        return self._give_back(ended)

    def _give_back(self, ended: Sequence[tuple[Take, str]]) -> list[Take]:
        totals: dict[int, dict[str, int]] = defaultdict(lambda: {"reservation": 0, "allocation": 0})
        for take, kind in ended:
            totals[take.level_id][kind] += take.units
        places: dict[int, Place] = {}
        for level, units in sorted(totals.items()):
            row = self._connection.execute(
                LEVEL.update()
                .where(LEVEL.c.id == level)
                .values(
                    reserved=LEVEL.c.reserved - units["reservation"], allocated=LEVEL.c.allocated - units["allocation"]
                )
                .returning(LEVEL.c.item_id, LEVEL.c.location_id)
            ).one()
            places[level] = Place(row.item_id, row.location_id)
        self.touch(places.values())
        return [Take(take.level_id, places[take.level_id], take.units) for take, _ in ended]

    def release_units(self, fulfillment_line_id: int, wanted: Mapping[int, int]) -> None:
        """Releases some units of each item that a line holds, the newest claims first; a claim in part is split.

        Raises:
            ValueError: the line holds fewer units than that; nothing may be released twice.
        """
        for item_id, units in sorted(wanted.items()):
            missing = units
            for held in reversed(self.held_for([fulfillment_line_id])):
                if held.place.item_id != item_id or not missing:
                    continue
                ending = self._split(held, missing) if held.units > missing else held
                self.end_claims([ending.id], "released")
                missing -= ending.units
            if missing:
                raise ValueError(f"line {fulfillment_line_id} does not hold {missing} more units of item {item_id}")

    def _split(self, held: HeldClaim, units: int) -> HeldClaim:
        self._connection.execute(CLAIM.update().where(CLAIM.c.id == held.id).values(units=held.units - units))
        row = self._connection.execute(
            CLAIM.insert()
            .values(
                stock_level_id=held.level_id,
                kind=ClaimKind.ALLOCATION.value,
                units=units,
                state="held",
                reference=f"line:{held.fulfillment_line_id}",
                fulfillment_line_id=held.fulfillment_line_id,
                created_at=self._now,
            )
            .returning(CLAIM.c.id)
        )
        return replace(held, id=int(row.scalar_one()), units=units)

    def held_by_reference(self, reference: str) -> list[int]:
        """Claims of this reference that still hold units."""
        query = sa.select(CLAIM.c.id).where(CLAIM.c.reference == reference, CLAIM.c.state == "held")
        return list(self._connection.execute(query).scalars())

    def oversold_claims(self, place: Place) -> tuple[int, list[HeldClaim]]:
        """How many units more are owed at a place than are there, all owners together, and the allocations there,
        newest first; 0 and none where enough is there.
        """
        levels = self.lock_sellable([place])
        deficit = -sum(level.claimable for level in levels)
        if deficit <= 0:
            return 0, []
        query = (
            sa.select(CLAIM)
            .where(
                CLAIM.c.stock_level_id.in_([level.id for level in levels]),
                CLAIM.c.state == "held",
                CLAIM.c.kind == "allocation",
            )
            .order_by(CLAIM.c.id.desc())
        )
        return deficit, [
            HeldClaim(row.id, row.stock_level_id, place, row.units, row.fulfillment_line_id)
            for row in self._connection.execute(query)
        ]

    def owners_and_lots(self, level_ids: Collection[int]) -> dict[int, tuple[str, str]]:
        """Who owns the units of each level, and of which lot they are."""
        found: dict[int, tuple[str, str]] = {}
        for batch in chunks(sorted(level_ids)):
            query = sa.select(LEVEL.c.id, LEVEL.c.owner, LEVEL.c.lot).where(LEVEL.c.id.in_(batch))
            found.update((row.id, (row.owner, row.lot)) for row in self._connection.execute(query))
        return found

    # -- the outbox of numbers ---------------------------------------------------------------------------------

    def touch(self, places: Iterable[Place]) -> None:
        """Notes in this transaction that availability moved there."""
        rows = [
            {"item_id": place.item_id, "location_id": place.location_id, "changed_at": self._now}
            for place in sorted(set(places))
        ]
        if rows:
            self._connection.execute(_NOTE_CHANGE, rows)
