"""What carts hold, and what an order takes over of it.

Taking over is done on the same levels, in one step, so that the units are free at no moment.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from nervure.inventory.stock import ClaimKind, Place, Take
from nervure.orders.work import Hold
from nervure.store import tables
from nervure.store.claims import ClaimStore
from nervure.store.columns import Utc
from nervure.store.digests import claim_digest, digest_when_ended
from nervure.store.statements import CLAIM, LEVEL, chunks
from nervure.store.tables.orders import ORDER

RESERVATION = tables.of(tables.ReservationRow)
RESERVATION_LINE = tables.of(tables.ReservationLineRow)

# Each statement costs PostgreSQL's caller a round trip: the units, their claims and the note go in one. The levels are
# locked by an earlier statement of the transaction, so this one's snapshot is what the locks hold still.
_HOLD = sa.text("""
WITH given AS (
  SELECT * FROM unnest(:levels, :units, :names, :ends, :digests) AS given (level, units, name, ends_at, digest)
), taken AS (
  UPDATE stock_level SET reserved = reserved + wanted.units
  FROM (SELECT level, sum(units) AS units FROM given GROUP BY level) AS wanted
  WHERE id = wanted.level AND wanted.units <= on_hand - reserved - allocated
  RETURNING id
), claimed AS (
  INSERT INTO claim (stock_level_id, kind, units, state, reference, expires_at, created_at, digest)
  SELECT level, 'reservation', units, 'held', name, ends_at, :now, digest FROM given
), noted AS (
  INSERT INTO availability_change (item_id, location_id, changed_at)
  SELECT item, location, :now FROM unnest(:items, :locations) AS place (item, location)
)
SELECT count(*) FROM taken
""").bindparams(
    *(sa.bindparam(name, type_=ARRAY(sa.BigInteger)) for name in ("levels", "digests", "items", "locations")),
    sa.bindparam("units", type_=ARRAY(sa.Integer)),
    sa.bindparam("names", type_=ARRAY(sa.Text)),
    sa.bindparam("ends", type_=ARRAY(Utc)),
    sa.bindparam("now", type_=Utc()),
)


def claim_reference(reference: str) -> str:
    """How the claims of a reservation are marked."""
    return f"reservation:{reference}"


class HoldStore(ClaimStore):
    """The holds of one transaction."""

    def hold(self, takes: Sequence[tuple[Take, str, datetime]]) -> bool:
        """Takes units and records them as reservations: (take, reference, when it ends).

        False: less was there than the locks had shown; nothing may be kept.
        """
        if not takes:
            return True
        if not self._is_postgresql:
            is_there = self.take([take for take, _, _ in takes], ClaimKind.RESERVATION)
            self.reserve_all(takes)
            return is_there
        keys = self.stock_keys(take.level_id for take, _, _ in takes)
        places = sorted({take.place for take, _, _ in takes})
        given = {
            "levels": [take.level_id for take, _, _ in takes],
            "units": [take.units for take, _, _ in takes],
            "names": [reference for _, reference, _ in takes],
            "ends": [expires_at for _, _, expires_at in takes],
            "digests": [
                claim_digest(keys[take.level_id], ("reservation", take.units, reference, None, expires_at, self._now))
                for take, reference, expires_at in takes
            ],
            "items": [place.item_id for place in places],
            "locations": [place.location_id for place in places],
            "now": self._now,
        }
        taken = int(self._connection.execute(_HOLD, given).scalar_one())
        return taken == len({take.level_id for take, _, _ in takes})

    def lock_holds(self, order_id: int, reference: str | None) -> list[Hold]:
        is_named = RESERVATION.c.order_external_id == ORDER.c.external_id
        if reference is not None:
            # A hold that names another order is not this one's, whatever this one says.
            is_unnamed = sa.and_(RESERVATION.c.reference == reference, RESERVATION.c.order_external_id.is_(None))
            is_named = sa.or_(is_named, is_unnamed)
        is_ours = sa.or_(RESERVATION.c.channel_id == ORDER.c.channel_id, RESERVATION.c.channel_id.is_(None))
        query = (
            sa.select(RESERVATION.c.id, RESERVATION.c.reference)
            .join(ORDER, is_ours)
            .where(ORDER.c.id == order_id, RESERVATION.c.state == "held", is_named)
            .order_by(RESERVATION.c.id)
            .with_for_update(of=RESERVATION)
        )
        return [
            hold
            for row in self._connection.execute(query).all()
            for hold in self.holds_of(row.id, claim_reference(row.reference))
        ]

    def holds_of(self, reservation_id: int, reference: str) -> list[Hold]:
        """The units that one reservation holds, by claim."""
        query = (
            sa.select(CLAIM, LEVEL.c.item_id, LEVEL.c.location_id)
            .join(LEVEL, LEVEL.c.id == CLAIM.c.stock_level_id)
            .where(CLAIM.c.reference == reference, CLAIM.c.state == "held", CLAIM.c.kind == "reservation")
            .order_by(CLAIM.c.id)
        )
        return [
            Hold(row.id, reservation_id, row.stock_level_id, Place(row.item_id, row.location_id), row.units)
            for row in self._connection.execute(query)
        ]

    def take_over(self, order_id: int, holds: Sequence[Hold], shares: Sequence[tuple[Hold, int, int]]) -> None:
        given: Counter[int] = Counter()
        taken: Counter[int] = Counter()
        for hold in sorted(holds, key=lambda hold: hold.claim_id):
            ended = self._connection.execute(
                CLAIM.update()
                .where(CLAIM.c.id == hold.claim_id, CLAIM.c.state == "held")
                .values(
                    state="consumed",
                    ended_at=self._now,
                    end_recorded_at=self._now,
                    digest=digest_when_ended(CLAIM.c.digest, "consumed", self._now, self._now),
                )
            )
            if ended.rowcount != 1:
                raise ValueError(f"claim {hold.claim_id} had ended already")
            given[hold.level_id] += hold.units
        for hold, _, units in shares:
            taken[hold.level_id] += units
        for level, units in sorted(given.items()):
            self._connection.execute(
                LEVEL.update()
                .where(LEVEL.c.id == level)
                .values(reserved=LEVEL.c.reserved - units, allocated=LEVEL.c.allocated + taken[level])
            )
        self.allocate([(Take(hold.level_id, hold.place, units), line) for hold, line, units in shares])
        self.touch(hold.place for hold in holds if given[hold.level_id] != taken[hold.level_id])
        self._consumed(order_id, {hold.reservation_id for hold in holds})

    def _consumed(self, order_id: int, reservation_ids: Collection[int]) -> None:
        name = sa.select(ORDER.c.external_id).where(ORDER.c.id == order_id).scalar_subquery()
        channel = sa.select(ORDER.c.channel_id).where(ORDER.c.id == order_id).scalar_subquery()
        for batch in chunks(sorted(reservation_ids)):
            self._connection.execute(
                RESERVATION.update()
                .where(RESERVATION.c.id.in_(batch), RESERVATION.c.state == "held")
                .values(
                    state="consumed",
                    ended_at=self._now,
                    order_id=order_id,
                    order_external_id=name,
                    channel_id=channel,
                )
            )
