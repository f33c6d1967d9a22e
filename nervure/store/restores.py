"""Signs of life and restores in SQL: what a database that was put back cannot know, and who must be heard first."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store import tables
from nervure.store.channels import IS_NAMED
from nervure.store.inbox import INBOX
from nervure.store.outbox import OUTBOX, TOLD_OF
from nervure.store.statements import CHANGE, insert_new
from nervure.store.tables.channels import CHANNEL, POINT, POINT_LOCATION
from nervure.store.tables.orders import FULFILLMENT, LINE, ORDER, SHORTFALL
from nervure.store.tables.reservations import ReservationRow
from nervure.store.tasks import TaskStore

LIFE = tables.of(tables.HubLifeRow)
RESTORE = tables.of(tables.RestoreRow)
RESERVATION = tables.of(ReservationRow)

SILENCE = timedelta(seconds=180)
"""A hub that published nothing for so long may have missed something, and hears before it speaks."""

RESTORED = "database_restored"
"""The task of a person who must look at what cannot be heard again."""


_BEAT = (
    LIFE.update()
    .values(beat=LIFE.c.beat + 1, beat_at=sa.bindparam("now", type_=LIFE.c.beat_at.type), noticed_at=None)
    .returning(LIFE.c.beat)
)

MAY_BE_WITH_SUPPLIER = (
    sa.select(RESTORE.c.id)
    .join(FULFILLMENT, FULFILLMENT.c.id == sa.case((OUTBOX.c.kind == "drop_ship", TOLD_OF)))
    .join(ORDER, ORDER.c.id == FULFILLMENT.c.order_id)
    .where(
        RESTORE.c.suppliers_told_at.is_(None),
        RESTORE.c.restored_at <= OUTBOX.c.created_at,
        RESTORE.c.restored_at > ORDER.c.placed_at,
    )
    .correlate(OUTBOX)
    .exists()
)
"""An order to a supplier was queued after a restore for what was bought before: it may have been sent already."""


@dataclass(frozen=True, slots=True)
class Restore:
    """One restore."""

    id: int
    noticed_by: str
    known_until: datetime
    restored_at: datetime
    is_settled_with_suppliers: bool


@dataclass(frozen=True, slots=True)
class Hearing:
    """A channel that must be heard before numbers are sent, and what is still missing."""

    channel: str
    orders_are_heard: bool
    levels_are_heard: bool


class RestoreStore:
    """Life and restores in one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    # -- life --------------------------------------------------------------------------------------------------

    def beat(self) -> int:
        """The hub lives and publishes; answers how often it has said so."""
        beaten = self._connection.execute(_BEAT, {"now": self._now}).scalar_one_or_none()
        if beaten is None:
            insert_new(self._connection, LIFE, [self._first(0)])
            beaten = self._connection.execute(_BEAT, {"now": self._now}).scalar_one()
        return int(beaten)

    def notice(self, marked_beat: int) -> str | None:
        """Looks, when the hub is opened, whether the database has fallen behind; answers what was noticed.

        `marked_beat`: the last beat as it is known outside the database, 0 where nothing is. A restore, or a silence,
        is noticed once, and every channel is heard before anything is sent.
        """
        # A database that begins where another one was: it goes on counting from what that one has left beside it.
        if insert_new(self._connection, LIFE, [self._first(marked_beat)]):
            return None
        life = self._connection.execute(sa.select(LIFE).with_for_update()).one()
        noticed = None
        if life.identity is not None and life.identity != self._identity():
            noticed = "it was loaded into another database"
        elif marked_beat > life.beat:
            noticed = "an older copy was put in place"
        if noticed is not None:
            self._connection.execute(
                LIFE.update().values(beat=max(life.beat, marked_beat) + 1, identity=self._identity())
            )
            self._restored(noticed, life.beat_at)
        elif self._now - max(life.beat_at, life.noticed_at or life.beat_at) > SILENCE:
            noticed = "it was silent"
            self.hear_first()
        if noticed is not None:
            self._connection.execute(LIFE.update().values(noticed_at=self._now))
        return noticed

    def last_beat(self) -> int:
        return int(self._connection.execute(sa.select(sa.func.coalesce(sa.func.max(LIFE.c.beat), 0))).scalar_one())

    def _first(self, beat: int) -> dict[str, object]:
        return {"id": 1, "beat": beat, "beat_at": self._now, "identity": self._identity()}

    def _identity(self) -> str | None:
        """PostgreSQL numbers its databases and tables: a dump that was loaded has other numbers."""
        if self._connection.dialect.name != "postgresql":
            return None
        query = "SELECT oid || '/' || 'hub_life'::regclass::oid FROM pg_database WHERE datname = current_database()"
        return str(self._connection.execute(sa.text(query)).scalar_one())

    # -- restores ----------------------------------------------------------------------------------------------

    def restored(self) -> Restore:
        """A person says that the database was restored. While channels are heard because of it, it is said once."""
        beat_at = self._connection.execute(sa.select(LIFE.c.beat_at).with_for_update()).scalar_one()
        known = self.newest()
        if known is not None:
            of_it = sa.select(CHANNEL.c.id).where(CHANNEL.c.hears_since == known.restored_at)
            if self._connection.execute(of_it.limit(1)).first() is not None:
                return known
        self._restored("somebody said so", beat_at)
        newest = self.newest()
        assert newest is not None
        return newest

    def _restored(self, noticed_by: str, known_until: datetime) -> None:
        last = self._connection.execute(sa.select(sa.func.coalesce(sa.func.max(FULFILLMENT.c.id), 0))).scalar_one()
        self._connection.execute(
            RESTORE.insert().values(
                noticed_by=noticed_by,
                known_until=min(known_until, self._now),
                restored_at=self._now,
                last_fulfillment_id=last,
            )
        )
        text = (
            f"the database knows nothing that happened between {known_until:%Y-%m-%d %H:%M:%S} and"
            f" {self._now:%Y-%m-%d %H:%M:%S} UTC ({noticed_by}): see `nervure db recovery`"
        )
        TaskStore(self._connection, self._now).open(RESTORED, f"{self._now:%Y-%m-%d %H:%M:%S}", text)
        self.hear_first()

    def newest(self) -> Restore | None:
        row = self._connection.execute(sa.select(RESTORE).order_by(RESTORE.c.id.desc()).limit(1)).one_or_none()
        if row is None:
            return None
        return Restore(row.id, row.noticed_by, row.known_until, row.restored_at, row.suppliers_told_at is not None)

    def restores_before(self, fulfillment_order_id: int) -> int:
        """How many restores a fulfillment order was made after: its number may have been another's before them."""
        query = sa.select(sa.func.count()).select_from(RESTORE)
        return int(
            self._connection.execute(query.where(RESTORE.c.last_fulfillment_id < fulfillment_order_id)).scalar_one()
        )

    # -- hearing first -----------------------------------------------------------------------------------------

    def hear_first(self, channel: str | None = None) -> None:
        """Nothing is sent (to any channel, or from the locations of one) before everything until now was heard."""
        named = sa.select(POINT.c.channel_id).where(IS_NAMED)
        mine = CHANNEL.c.id.in_(named) if channel is None else CHANNEL.c.name == channel
        self._connection.execute(
            CHANNEL.update()
            .where(mine)
            .values(hears_since=self._now, heard_again_at=None, orders_next_at=self._now, stock_next_at=self._now)
        )

    def settle(self, channel: str, *, reads_levels: bool) -> None:
        """Ends a channel's hearing once its orders and levels were read, understood, and are in the numbers."""
        open_documents = sa.select(INBOX.c.id).where(
            INBOX.c.channel == CHANNEL.c.name,
            INBOX.c.state.in_(["waiting", "leased"]),
            sa.or_(
                INBOX.c.received_at <= CHANNEL.c.orders_stored_at, INBOX.c.received_at <= CHANNEL.c.levels_stored_at
            ),
        )
        heard = [CHANNEL.c.orders_heard_until >= CHANNEL.c.hears_since, ~open_documents.correlate(CHANNEL).exists()]
        if reads_levels:
            heard.append(CHANNEL.c.levels_heard_until >= CHANNEL.c.hears_since)
        mine = sa.and_(CHANNEL.c.name == channel, CHANNEL.c.hears_since.is_not(None))
        self._connection.execute(
            CHANNEL.update().where(mine, CHANNEL.c.heard_again_at.is_(None), *heard).values(heard_again_at=self._now)
        )
        computing = sa.select(CHANGE.c.id).where(CHANGE.c.changed_at <= CHANNEL.c.heard_again_at)
        self._connection.execute(
            CHANNEL.update()
            .where(mine, CHANNEL.c.heard_again_at.is_not(None), ~computing.correlate(CHANNEL).exists())
            .values(hears_since=None, heard_again_at=None)
        )

    def is_hearing(self, channel: str) -> bool:
        """Whether the channel, or one that sells from the same locations, must still be heard."""
        place, other_place = POINT_LOCATION.alias(), POINT_LOCATION.alias()
        point, other_point = POINT.alias(), POINT.alias()
        other = CHANNEL.alias()
        query = (
            sa.select(other.c.id)
            .join(other_point, other_point.c.channel_id == other.c.id)
            .join(other_place, other_place.c.stock_point_id == other_point.c.id)
            .join(place, place.c.location_id == other_place.c.location_id)
            .join(point, point.c.id == place.c.stock_point_id)
            .join(CHANNEL, CHANNEL.c.id == point.c.channel_id)
            .where(CHANNEL.c.name == channel, other.c.hears_since.is_not(None))
        )
        return self._connection.execute(query.limit(1)).first() is not None

    def held_back(self) -> set[str]:
        """Channels to which no number is sent, because they or others at their locations must still be heard."""
        if not self.hearings():
            return set()
        names = self._connection.execute(sa.select(CHANNEL.c.name)).scalars().all()
        return {name for name in names if self.is_hearing(name)}

    def hearings(self) -> list[Hearing]:
        """Channels that must still be heard."""
        query = sa.select(CHANNEL).where(CHANNEL.c.hears_since.is_not(None)).order_by(CHANNEL.c.id)
        return [
            Hearing(
                row.name,
                row.orders_heard_until is not None and row.orders_heard_until >= row.hears_since,
                row.levels_heard_until is not None and row.levels_heard_until >= row.hears_since,
            )
            for row in self._connection.execute(query)
        ]

    def stop_hearing(self, channel: str) -> bool:
        """A person takes it upon themselves that numbers are sent without the channel; False: it was heard."""
        mine = sa.and_(CHANNEL.c.name == channel, CHANNEL.c.hears_since.is_not(None))
        stopped = self._connection.execute(CHANNEL.update().where(mine).values(hears_since=None, heard_again_at=None))
        return stopped.rowcount == 1

    # -- what was lost -----------------------------------------------------------------------------------------

    def heard_again(self, restore: Restore) -> list[tuple[str, str, int]]:
        """Orders that the backup did not know: channel, number, and units of them that nobody can serve now."""
        short = (
            sa.select(sa.func.coalesce(sa.func.sum(SHORTFALL.c.units), 0))
            .join(LINE, LINE.c.id == SHORTFALL.c.order_line_id)
            .where(LINE.c.order_id == ORDER.c.id)
            .correlate(ORDER)
            .scalar_subquery()
        )
        query = (
            sa.select(CHANNEL.c.name, ORDER.c.number, short)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .where(ORDER.c.recorded_at >= restore.restored_at, ORDER.c.placed_at < restore.restored_at)
            .order_by(CHANNEL.c.name, ORDER.c.placed_at, ORDER.c.id)
        )
        return [(name, number, int(units)) for name, number, units in self._connection.execute(query)]

    def ended_reservations(self, restore: Restore) -> list[str]:
        """Reservations that the backup holds, and whose time was over when it was put back."""
        query = sa.select(RESERVATION.c.reference).where(
            RESERVATION.c.created_at < restore.restored_at,
            RESERVATION.c.expires_at >= restore.known_until,
            RESERVATION.c.expires_at < restore.restored_at,
        )
        return list(self._connection.execute(query.order_by(RESERVATION.c.reference)).scalars())

    def at_suppliers(self) -> list[tuple[int, str, str]]:
        """Orders to suppliers that wait because they may have been sent before: fulfillment order, supplier, order."""
        query = (
            sa.select(FULFILLMENT.c.id, OUTBOX.c.target, ORDER.c.number)
            .select_from(OUTBOX)
            .join(FULFILLMENT, FULFILLMENT.c.id == sa.case((OUTBOX.c.kind == "drop_ship", TOLD_OF)))
            .join(ORDER, ORDER.c.id == FULFILLMENT.c.order_id)
            .where(OUTBOX.c.state.in_(["waiting", "leased"]), MAY_BE_WITH_SUPPLIER)
            .order_by(FULFILLMENT.c.id)
        )
        return [(row.id, row.target, row.number) for row in self._connection.execute(query)]

    def settle_suppliers(self) -> None:
        """A person said what becomes of these orders: those that still wait are sent."""
        self._connection.execute(
            RESTORE.update().where(RESTORE.c.suppliers_told_at.is_(None)).values(suppliers_told_at=self._now)
        )

    def drop_messages(self, fulfillment_order_ids: list[int]) -> None:
        """These suppliers have their orders: nothing is sent to them again."""
        references = [f"fulfillment:{number}" for number in fulfillment_order_ids]
        told: dict[str, Any] = {"state": "done", "done_at": self._now, "reason": None, "lease_until": None}
        self._connection.execute(
            OUTBOX.update().where(OUTBOX.c.kind == "drop_ship", OUTBOX.c.reference.in_(references)).values(**told)
        )
