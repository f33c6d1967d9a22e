"""The mass-zero guard in SQL: what falls to 0 is judged before it is sent; where it is too much a person decides.

A fall is sent only once it was judged together with every fall that had been committed by then. So whatever runs at
once, fewer zeroes than the guard allows leave before it holds the rest.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.publication.zero_guard import Fall, OnMassZero, ZeroGuard, is_sold
from nervure.store.falls import DECIDED, FALL, MINE, PUBLICATION, WAITS
from nervure.store.statements import CHANGE, CLAIM, KIT, LEVEL, MOVEMENT, chunks
from nervure.store.tables.catalogue import ITEM, LISTING
from nervure.store.tables.channels import CHANNEL, POINT
from nervure.store.tables.orders import LINE, ORDER, SHORTFALL
from nervure.store.tasks import TaskStore
from schemas.base import counted
from schemas.publications import PublicationState
from schemas.stock import MovementKind

MASS_ZERO = "mass_zero"
"""The task of a person who must say whether the zeroes of a channel are meant."""

_SALES = (MovementKind.SOLD.value, MovementKind.SHIPPED.value)


@dataclass(frozen=True, slots=True)
class HeldZero:
    """A number whose 0 is not sent. `is_refused`: a person said that it is not meant."""

    listing: str
    sku: str
    stock_point: str
    units_before: int
    fell_at: datetime
    is_refused: bool


class ZeroStore:
    """The falls of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    # -- judging -----------------------------------------------------------------------------------------------

    def judge(self, channel: str, guard: ZeroGuard) -> None:
        """Judges what fell to 0 on a channel since it was last asked, before anything of it is sent."""
        channel_id = self._id(channel)
        new = self._new(channel_id)
        if not new:
            return
        self._forget_passed(channel_id, guard)
        rest = self._without_sold(new, guard)
        undecided = [row.publication_id for row in rest if row.verdict is None]
        self._set([row.publication_id for row in rest if row.verdict is not None], {"is_new": False})
        if not undecided:
            return
        # What waited behind another brake longer than that counts too: it would leave now.
        is_recent = sa.or_(FALL.c.fell_at > self._now - guard.window, FALL.c.verdict.is_(None))
        recent = sa.and_(FALL.c.channel_id == channel_id, is_recent)
        fallen = self._count(sa.select(sa.func.count(sa.distinct(FALL.c.listing_id))).where(recent))
        if guard.action is OnMassZero.SEND or not guard.may_be_too_much(fallen):
            self._set(undecided, {"verdict": "passed", "is_new": False})
        elif guard.is_too_much(fallen, self._showing(channel_id, recent)):
            self._stop(channel, guard, recent, undecided)
        elif not self._is_computing(max(row.fell_at for row in rest)):
            # What is noted and not computed yet may fall too: so long a fall that may become too much waits.
            self._set(undecided, {"verdict": "passed", "is_new": False})

    def _new(self, channel_id: int) -> list[sa.Row[*tuple[Any, ...]]]:
        query = (
            sa.select(FALL, LISTING.c.item_id)
            .join(LISTING, LISTING.c.id == FALL.c.listing_id)
            .where(FALL.c.channel_id == channel_id, FALL.c.is_new.is_(True))
            .order_by(FALL.c.publication_id)
            .with_for_update(of=FALL, skip_locked=True)
        )
        return list(self._connection.execute(query).all())

    def _forget_passed(self, channel_id: int, guard: ZeroGuard) -> None:
        over = sa.and_(FALL.c.channel_id == channel_id, FALL.c.fell_at <= self._now - guard.window)
        self._connection.execute(FALL.delete().where(over, FALL.c.verdict == "passed"))

    def _without_sold(
        self, rows: Sequence[sa.Row[*tuple[Any, ...]]], guard: ZeroGuard
    ) -> list[sa.Row[*tuple[Any, ...]]]:
        """Lets go what sales explain; answers the rest."""
        falls = {row.publication_id: Fall(row.units_before, row.fell_at, row.known_at) for row in rows}
        sales = self._sales({row.item_id for row in rows}, min(fall.since(guard) for fall in falls.values()))
        sold = {row.publication_id for row in rows if is_sold(falls[row.publication_id], guard, sales[row.item_id])}
        for batch in chunks(sorted(sold)):
            self._connection.execute(FALL.delete().where(FALL.c.publication_id.in_(batch)))
        return [row for row in rows if row.publication_id not in sold]

    def _sales(self, items: Collection[int], since: datetime) -> dict[int, list[tuple[datetime, int]]]:
        """What was claimed, left or fell short since then: by item, of a kit by its parts."""
        bought: dict[int, set[int]] = defaultdict(set)
        for item in items:
            bought[item].add(item)
        for batch in chunks(sorted(items)):
            for kit, part in self._connection.execute(
                sa.select(KIT.c.kit_id, KIT.c.part_id).where(KIT.c.kit_id.in_(batch))
            ):
                bought[part].add(kit)
        found: dict[int, list[tuple[datetime, int]]] = defaultdict(list)
        for batch in chunks(sorted(bought)):
            claimed = (
                sa.select(LEVEL.c.item_id, CLAIM.c.created_at.label("at"), CLAIM.c.units)
                .join(LEVEL, LEVEL.c.id == CLAIM.c.stock_level_id)
                .where(LEVEL.c.item_id.in_(batch), CLAIM.c.state == "held", CLAIM.c.created_at >= since)
            )
            left = (
                sa.select(LEVEL.c.item_id, MOVEMENT.c.recorded_at, -MOVEMENT.c.units)
                .join(LEVEL, LEVEL.c.id == MOVEMENT.c.stock_level_id)
                .where(LEVEL.c.item_id.in_(batch), MOVEMENT.c.kind.in_(_SALES), MOVEMENT.c.recorded_at >= since)
            )
            # What was sold and could be served from nowhere was sold all the same.
            short = (
                sa.select(LINE.c.item_id, ORDER.c.recorded_at, SHORTFALL.c.units)
                .join(LINE, LINE.c.id == SHORTFALL.c.order_line_id)
                .join(ORDER, ORDER.c.id == LINE.c.order_id)
                .where(LINE.c.item_id.in_(batch), SHORTFALL.c.units > 0, ORDER.c.recorded_at >= since)
            )
            for part, at, units in self._connection.execute(claimed.union_all(left, short)):
                for item in bought[part]:
                    found[item].append((at, int(units)))
        return found

    def _showing(self, channel_id: int, recent: sa.ColumnElement[bool]) -> int:
        """Listings of a channel that show something, with those that did before they fell."""
        points = sa.select(POINT.c.id).where(POINT.c.channel_id == channel_id)
        showing = sa.select(PUBLICATION.c.listing_id).where(
            PUBLICATION.c.stock_point_id.in_(points),
            PUBLICATION.c.state != PublicationState.EXCLUDED.value,
            PUBLICATION.c.salable_quantity > 0,
        )
        both = showing.union(sa.select(FALL.c.listing_id).where(recent)).subquery()
        return self._count(sa.select(sa.func.count()).select_from(both))

    def _is_computing(self, fell_at: datetime) -> bool:
        query = sa.select(CHANGE.c.id).where(CHANGE.c.changed_at <= fell_at).limit(1)
        return self._connection.execute(query).first() is not None

    def _stop(self, channel: str, guard: ZeroGuard, recent: sa.ColumnElement[bool], undecided: Sequence[int]) -> None:
        verdict = "held" if guard.action is OnMassZero.HOLD else "passed"
        self._set(undecided, {"verdict": verdict, "is_new": False})
        if guard.action is OnMassZero.HOLD:
            # Those that were let go and have not left are of the same cause.
            waiting = sa.select(PUBLICATION.c.id).where(MINE, PUBLICATION.c.state == PublicationState.PENDING.value)
            passed = sa.and_(recent, FALL.c.verdict == "passed", waiting.correlate(FALL).exists())
            self._connection.execute(FALL.update().where(passed).values(verdict="held"))
            self.tell(channel)
        else:
            numbers, sent = counted(len(undecided), "number"), "was sent" if len(undecided) == 1 else "were sent"
            text = f"{numbers} of {channel} fell to 0 at once and {sent}: is that right?"
            TaskStore(self._connection, self._now).open(MASS_ZERO, channel, text)

    # -- deciding ----------------------------------------------------------------------------------------------

    def held_counts(self) -> dict[str, int]:
        """How many zeroes wait for a person to decide, by channel."""
        query = (
            sa.select(CHANNEL.c.name, sa.func.count())
            .join(FALL, FALL.c.channel_id == CHANNEL.c.id)
            .join(PUBLICATION, MINE)
            .where(FALL.c.verdict == "held", WAITS)
            .group_by(CHANNEL.c.name)
        )
        return {name: int(count) for name, count in self._connection.execute(query)}

    def look_again(self, channel: str) -> None:
        """Held zeroes are judged anew, for orders that took what the channel shows, and a person is still asked."""
        mine = sa.and_(FALL.c.channel_id == self._id(channel), FALL.c.verdict.in_(DECIDED))
        self._connection.execute(FALL.update().where(mine, FALL.c.is_new.is_(False)).values(is_new=True))
        self.tell(channel)

    def tell(self, channel: str) -> None:
        """Asks a person to decide, once."""
        text = (
            f"too many numbers fell to 0 at once and are held: look at `nervure channels zeros {channel}`, then say"
            f" `nervure channels accept-zeros {channel}` or `nervure channels refuse-zeros {channel}`"
        )
        TaskStore(self._connection, self._now).open(MASS_ZERO, channel, text)

    def held(self, channel: str) -> list[HeldZero]:
        """The zeroes of a channel that are not sent, those a person refused included."""
        query = (
            sa.select(FALL, LISTING.c.external_id, ITEM.c.sku, POINT.c.external_id.label("point"))
            .join(PUBLICATION, MINE)
            .join(LISTING, LISTING.c.id == FALL.c.listing_id)
            .join(ITEM, ITEM.c.id == LISTING.c.item_id)
            .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
            .where(FALL.c.channel_id == self._id(channel), FALL.c.verdict.in_(DECIDED), WAITS)
            .order_by(ITEM.c.sku, FALL.c.publication_id)
        )
        return [
            HeldZero(row.external_id, row.sku, row.point, row.units_before, row.fell_at, row.verdict == "refused")
            for row in self._connection.execute(query)
        ]

    def accept(self, channel: str) -> int:
        """A person says that the zeroes are meant: they are sent. Answers how many."""
        mine = sa.and_(FALL.c.channel_id == self._id(channel), FALL.c.verdict.in_(DECIDED))
        self._close_task(channel)
        return self._connection.execute(FALL.delete().where(mine)).rowcount

    def refuse(self, channel: str) -> int:
        """A person says that they are not: each is kept back until its number is another one. Answers how many."""
        mine = sa.and_(FALL.c.channel_id == self._id(channel), FALL.c.verdict == "held")
        self._close_task(channel)
        return self._connection.execute(FALL.update().where(mine).values(verdict="refused")).rowcount

    def _close_task(self, channel: str) -> None:
        TaskStore(self._connection, self._now).close(MASS_ZERO, channel)

    # ----------------------------------------------------------------------------------------------------------

    def _set(self, publications: Sequence[int], values: dict[str, object]) -> None:
        for batch in chunks(publications):
            self._connection.execute(FALL.update().where(FALL.c.publication_id.in_(batch)).values(**values))

    def _count(self, query: sa.Select[*tuple[Any, ...]]) -> int:
        return int(self._connection.execute(query).scalar_one())

    def _id(self, channel: str) -> int:
        return int(self._connection.execute(sa.select(CHANNEL.c.id).where(CHANNEL.c.name == channel)).scalar_one())
