"""Claims in SQL. Levels are locked in primary-key order, and units are taken in conditional statements."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from nervure.inventory.stock import ClaimKind, HeldClaim, Level, Place, Take
from nervure.store.digests import SEALED_CLAIM, claim_digest, digest_when_ended
from nervure.store.statements import (
    CLAIM,
    LEVEL,
    SAFETY,
    Row,
    StockTransaction,
    are_among,
    as_arrays,
    as_columns,
    as_rows,
    chunks,
    insert_rows,
)
from schemas.stock import Condition

_LOCKED = {
    dialect: sa.select(LEVEL)
    .where(are_among((LEVEL.c.item_id, LEVEL.c.location_id), dialect), LEVEL.c.condition == Condition.SELLABLE.value)
    .order_by(LEVEL.c.id)
    .with_for_update(of=LEVEL)
    for dialect in ("sqlite", "postgresql")
}
_LOCKED_WITH_SAFETY = {
    dialect: query.add_columns(SAFETY.c.units.label("held_back")).join(
        SAFETY, sa.and_(SAFETY.c.item_id == LEVEL.c.item_id, SAFETY.c.location_id == LEVEL.c.location_id), isouter=True
    )
    for dialect, query in _LOCKED.items()
}
_HELD_BACK = {
    dialect: sa.select(SAFETY).where(are_among((SAFETY.c.item_id, SAFETY.c.location_id), dialect))
    for dialect in ("sqlite", "postgresql")
}
_CLAIM = ("stock_level_id", "state", *SEALED_CLAIM, "digest")
_CLAIMED = {ClaimKind.RESERVATION: LEVEL.c.reserved, ClaimKind.ALLOCATION: LEVEL.c.allocated}
_FREE = LEVEL.c.on_hand - LEVEL.c.reserved - LEVEL.c.allocated
_TAKE = {
    kind: LEVEL.update()
    .where(LEVEL.c.id == sa.bindparam("level"), sa.bindparam("wanted") <= _FREE)
    .values({column: column + sa.bindparam("wanted")})
    .execution_options(preserve_rowcount=True)
    for kind, column in _CLAIMED.items()
}
_TAKES = as_arrays({"level": LEVEL.c.id.type, "wanted": LEVEL.c.on_hand.type})
_TAKE_MANY = {
    kind: LEVEL.update()
    .where(LEVEL.c.id == _TAKES.c.level, _TAKES.c.wanted <= _FREE)
    .values({column: column + _TAKES.c.wanted})
    for kind, column in _CLAIMED.items()
}


class ClaimStore(StockTransaction):
    """The claims of one transaction."""

    def lock_sellable(self, places: Collection[Place]) -> list[Level]:
        # One statement for all of them: the order of several would not be the keys'.
        rows = self._connection.execute(_LOCKED[self._connection.dialect.name], as_rows(sorted(places)))
        return self._levels(rows.all())

    def lock_promisable(self, places: Collection[Place]) -> tuple[list[Level], dict[Place, int]]:
        query = _LOCKED_WITH_SAFETY[self._connection.dialect.name]
        rows = self._connection.execute(query, as_rows(sorted(places))).all()
        held_back = {Place(row.item_id, row.location_id): row.held_back for row in rows if row.held_back}
        return self._levels(rows), held_back

    def _levels(self, rows: Sequence[sa.Row[Any]]) -> list[Level]:
        levels: list[Level] = []
        for row in rows:
            self._stock_keys[row.id] = (row.item_id, row.location_id, row.owner, row.condition, row.lot)
            if _is_promised(row, self._now):
                free = row.on_hand - row.reserved - row.allocated
                place, claimed = Place(row.item_id, row.location_id), row.reserved + row.allocated
                levels.append(Level(row.id, place, row.owner, free, claimed, row.lot, row.expires_at))
        return levels

    def take(self, takes: Sequence[Take], kind: ClaimKind) -> bool:
        wanted: Counter[int] = Counter()
        for one in takes:
            wanted[one.level_id] += one.units
        rows = [{"level": level, "wanted": units} for level, units in sorted(wanted.items())]
        if self._is_postgresql:
            taken = self._connection.execute(_TAKE_MANY[kind], as_columns(rows))
        else:
            taken = self._connection.execute(_TAKE[kind], rows)
        if taken.rowcount != len(rows):
            return False
        self.touch(one.place for one in takes)
        return True

    def allocate(self, takes: Sequence[tuple[Take, int]]) -> None:
        """Records taken units as allocations of fulfillment lines: (take, fulfillment line id)."""
        rows = [(take, f"line:{line}", line, None) for take, line in takes]
        self._write_claims(ClaimKind.ALLOCATION, rows)

    def reserve(self, takes: Sequence[Take], *, reference: str, expires_at: datetime) -> None:
        """Records taken units as a reservation."""
        self.reserve_all([(take, reference, expires_at) for take in takes])

    def reserve_all(self, takes: Sequence[tuple[Take, str, datetime]]) -> None:
        """Records taken units as reservations: (take, reference, when it ends)."""
        self._write_claims(
            ClaimKind.RESERVATION, [(take, reference, None, expires_at) for take, reference, expires_at in takes]
        )

    def _write_claims(self, kind: ClaimKind, claims: Sequence[tuple[Take, str, int | None, datetime | None]]) -> None:
        keys = self.stock_keys(take.level_id for take, *_ in claims)
        rows: list[Row] = []
        for take, reference, line, expires_at in claims:
            columns = (str(kind), take.units, reference, line, expires_at, self._now)
            rows.append((take.level_id, "held", *columns, claim_digest(keys[take.level_id], columns)))
        insert_rows(self._connection, CLAIM, _CLAIM, rows)

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

    def end_claims(self, claim_ids: Collection[int], state: str, *, at: datetime | None = None) -> list[Take]:
        """Ends claims as `released` or `consumed`, each at most once, and gives their units back to the levels.

        Answers what really ended: a claim that had ended before is not among it. `at`: when the units left, if that
        was not now.
        """
        ended: list[tuple[Take, str]] = []
        for claim_id in sorted(claim_ids):
            row = self._connection.execute(
                CLAIM.update()
                .where(CLAIM.c.id == claim_id, CLAIM.c.state == "held")
                .values(
                    state=state,
                    ended_at=at or self._now,
                    end_recorded_at=self._now,
                    digest=digest_when_ended(CLAIM.c.digest, state, at or self._now, self._now),
                )
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
        # Both halves were taken when the whole was: a count of a moment between must know of them.
        whole = self._connection.execute(sa.select(CLAIM).where(CLAIM.c.id == held.id)).mappings().one()
        key = self.stock_keys([held.level_id])[held.level_id]
        stays, goes = (
            dict(whole)
            | {"units": part, "digest": claim_digest(key, [(dict(whole) | {"units": part})[n] for n in SEALED_CLAIM])}
            for part in (held.units - units, units)
        )
        self._connection.execute(
            CLAIM.update().where(CLAIM.c.id == held.id).values(units=stays["units"], digest=stays["digest"])
        )
        del goes["id"]
        row = self._connection.execute(CLAIM.insert().values(**goes).returning(CLAIM.c.id))
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

    def strained_lines(self, places: Collection[Place]) -> dict[int, tuple[int, list[tuple[int, int]]]]:
        """Sellable levels there that owe more than they have: by how many units, and who claims them, newest first.

        Who: (fulfillment line, units). What one level owes another one of the same place may have.
        """
        found: dict[int, tuple[int, list[tuple[int, int]]]] = {}
        for batch in chunks(sorted(places), 1_000):
            query = (
                sa.select(
                    LEVEL.c.id,
                    (LEVEL.c.reserved + LEVEL.c.allocated - LEVEL.c.on_hand).label("missing"),
                    CLAIM.c.fulfillment_line_id,
                    CLAIM.c.units,
                )
                .join(CLAIM, CLAIM.c.stock_level_id == LEVEL.c.id)
                .where(
                    are_among((LEVEL.c.item_id, LEVEL.c.location_id), self._connection.dialect.name),
                    LEVEL.c.on_hand < LEVEL.c.reserved + LEVEL.c.allocated,
                    CLAIM.c.state == "held",
                    CLAIM.c.kind == ClaimKind.ALLOCATION.value,
                )
                .order_by(LEVEL.c.id, CLAIM.c.id.desc())
            )
            for level, missing, line, units in self._connection.execute(query, as_rows(batch)):
                found.setdefault(level, (missing, []))[1].append((line, units))
        return found

    def owners_and_lots(self, level_ids: Collection[int]) -> dict[int, tuple[str, str]]:
        """Who owns the units of each level, and of which lot they are."""
        found: dict[int, tuple[str, str]] = {}
        for batch in chunks(sorted(level_ids)):
            query = sa.select(LEVEL.c.id, LEVEL.c.owner, LEVEL.c.lot).where(LEVEL.c.id.in_(batch))
            found.update((row.id, (row.owner, row.lot)) for row in self._connection.execute(query))
        return found

    def safety_stock(self, places: Collection[Place]) -> dict[Place, int]:
        rows = self._connection.execute(_HELD_BACK[self._connection.dialect.name], as_rows(places))
        return {Place(row.item_id, row.location_id): row.units for row in rows}


def _is_promised(row: sa.Row[Any], now: datetime) -> bool:
    """The same as `is_promised`, of a row under lock."""
    return row.expires_at is None or row.expires_at > now or row.on_hand < row.reserved + row.allocated
