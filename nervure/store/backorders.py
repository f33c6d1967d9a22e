"""Units sold beyond what is there, on purpose: how many are open, how many may follow, and the log of them."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.availability import Parts
from nervure.inventory.policies import Allowance, Policy, beyond, left_of
from nervure.inventory.undo import UNDO
from nervure.store import tables
from nervure.store.statements import KIT, LEVEL, MOVEMENT, chunks, note_items
from nervure.store.tables.orders import LINE, ORDER, SHORTFALL
from schemas.policies import BEYOND, PolicyKind
from schemas.stock import MovementKind

POLICY = tables.of(tables.PolicyRow)
BACKORDER_CHANGE = tables.of(tables.BackorderChangeRow)

_BEYOND = [kind.value for kind in BEYOND]


def policy_of(row: sa.Row[*tuple[object, ...]]) -> Policy:
    """A row of the table as the rules take it."""
    return Policy(PolicyKind(row.kind), row.units, row.channel_id, row.item_id, row.promised_on)


class BackorderStore:
    """What was sold beyond, in one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def sold(self, item_ids: Collection[int]) -> dict[int, dict[int, int]]:
        """Open units sold beyond what is there, by item and channel."""
        found: dict[int, dict[int, int]] = defaultdict(dict)
        for batch in chunks(sorted(item_ids)):
            query = (
                sa.select(LINE.c.item_id, ORDER.c.channel_id, sa.func.sum(SHORTFALL.c.backorder_units))
                .join(LINE, LINE.c.id == SHORTFALL.c.order_line_id)
                .join(ORDER, ORDER.c.id == LINE.c.order_id)
                .where(LINE.c.item_id.in_(batch), SHORTFALL.c.backorder_units > 0)
                .group_by(LINE.c.item_id, ORDER.c.channel_id)
            )
            for item, channel, units in self._connection.execute(query):
                found[item][channel] = int(units)
        return found

    def received(self, parts_of: Mapping[int, Parts]) -> set[int]:
        """Which of these items have come in at least once until now; a kit has when each of its parts has.

        A receipt that was undone never came in.
        """
        if not parts_of:
            return set()
        later = MOVEMENT.alias("later")
        is_undone = (
            sa.select(later.c.id)
            .where(later.c.cause_key == UNDO + "|" + MOVEMENT.c.cause_key, later.c.recorded_at <= self._now)
            .exists()
        )
        came: set[int] = set()
        for batch in chunks(sorted({part for parts in parts_of.values() for part in parts})):
            query = (
                sa.select(LEVEL.c.item_id)
                .join(MOVEMENT, MOVEMENT.c.stock_level_id == LEVEL.c.id)
                .where(
                    LEVEL.c.item_id.in_(batch),
                    MOVEMENT.c.kind == MovementKind.RECEIVED.value,
                    MOVEMENT.c.recorded_at <= self._now,
                    ~is_undone,
                )
                .distinct()
            )
            came.update(self._connection.execute(query).scalars())
        return {item for item, parts in parts_of.items() if parts.keys() <= came}

    def allowance(self, order_line_id: int, *, locked: bool = True) -> Allowance | None:
        """How far a line may be sold beyond what is there; nobody else uses it up before this transaction ends, unless
        it is only looked at (`locked` False).
        """
        line = self._connection.execute(
            sa.select(LINE.c.item_id, ORDER.c.channel_id)
            .join(ORDER, ORDER.c.id == LINE.c.order_id)
            .where(LINE.c.id == order_line_id)
        ).one()
        query = (
            sa.select(POLICY)
            .where(
                POLICY.c.kind.in_(_BEYOND),
                POLICY.c.item_id == line.item_id,
                sa.or_(POLICY.c.channel_id.is_(None), POLICY.c.channel_id == line.channel_id),
            )
            .order_by(POLICY.c.id)
        )
        rows = self._connection.execute(query.with_for_update() if locked else query)
        policies = [policy_of(row) for row in rows]
        if not policies:
            return None
        recipe = sa.select(KIT.c.part_id, KIT.c.units).where(KIT.c.kit_id == line.item_id)
        parts = {row.part_id: row.units for row in self._connection.execute(recipe)} or {line.item_id: 1}
        is_received = bool(self.received({line.item_id: parts}))
        found = beyond(policies, is_received=is_received, today=self._now.date())
        if found is None or found.promised_on is None:
            return None
        sold = self.sold([line.item_id]).get(line.item_id, {})
        return Allowance(left_of(found, sold), found.promised_on)

    def log(self, order_line_id: int, units: int, promised_on: date | None) -> None:
        """So many more units of a line, or fewer, are sold beyond from now on."""
        line = self._connection.execute(
            sa.select(LINE.c.item_id, ORDER.c.channel_id)
            .join(ORDER, ORDER.c.id == LINE.c.order_id)
            .where(LINE.c.id == order_line_id)
        ).one()
        self._connection.execute(
            BACKORDER_CHANGE.insert().values(
                order_line_id=order_line_id,
                item_id=line.item_id,
                channel_id=line.channel_id,
                units=units,
                promised_on=promised_on,
                recorded_at=self._now,
            )
        )
        note_items(self._connection, self._now, [line.item_id])
