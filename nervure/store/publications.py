"""Publications in SQL: computed and fenced under their row lock, sent one at a time for each key."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from nervure.inventory.availability import salable_quantity, shown_of
from nervure.publication.answers import Landing
from nervure.publication.risk import risk_rank
from nervure.store import tables
from nervure.store.availability import pooled
from nervure.store.falls import HELD, HELD_BACK, Computed, note_zeros
from nervure.store.history import HistoryStore
from nervure.store.orders import CHANNEL, IS_NAMED, LISTING, LOCATION, POINT, POINT_LOCATION
from nervure.store.pace import PaceStore
from nervure.store.policies import PolicyStore
from nervure.store.routing import is_fresh
from nervure.store.statements import CHANGE, KIT, LEVEL, are_among, as_rows, chunks
from nervure.store.stock import StockStore
from schemas.levels import LevelKey
from schemas.publications import PublicationState

PUBLICATION = tables.of(tables.PublicationRow)
INBOX = tables.of(tables.InboxRow)
DECISION = tables.of(tables.BindingDecisionRow)

NOT_NAMED = "the settings do not name its stock point"
"""Why a number is excluded until they do (again)."""

_AGING = sa.select(LOCATION.c.id, LOCATION.c.as_of, LOCATION.c.ttl_seconds).where(LOCATION.c.ttl_seconds.is_not(None))
_CHANNELS = sa.select(POINT.c.id, POINT.c.channel_id).where(POINT.c.id.in_(sa.bindparam("points", expanding=True)))
# What the pull stored must be understood too; what came after it need not be waited for.
_IS_ALL_UNDERSTOOD = (
    ~sa.select(INBOX.c.id)
    .where(
        INBOX.c.channel == CHANNEL.c.name,
        INBOX.c.state.in_(["waiting", "leased"]),
        INBOX.c.received_at <= CHANNEL.c.orders_stored_at,
    )
    .correlate(CHANNEL)
    .exists()
)
HAS_HEARD_ORDERS = sa.or_(
    PUBLICATION.c.waits_for_orders_since.is_(None),
    sa.and_(PUBLICATION.c.waits_for_orders_since < CHANNEL.c.orders_heard_until, _IS_ALL_UNDERSTOOD),
)
"""A number need not wait (any more) for the orders of its channel."""

_HAS_OVERDUE = (
    sa.select(PUBLICATION.c.id)
    .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
    .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
    .where(
        CHANNEL.c.name == sa.bindparam("channel"),
        PUBLICATION.c.flight.is_not(None),
        PUBLICATION.c.flight_until <= sa.bindparam("now", type_=PUBLICATION.c.flight_until.type),
    )
    .limit(1)
)

FLIGHT_SECONDS = 120
"""After this a write without a recorded answer is unknown and is read back."""


@dataclass(frozen=True, slots=True)
class Flight:
    """A number on its way: what the connector needs, and the fence under which its answer is recorded."""

    publication_id: int
    revision: int
    key: LevelKey
    units: int
    expected_units: int | None
    sku: str
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Move:
    """The channel changed its own number at `moved_at` by `units`; None: by an unknown amount."""

    units: int | None
    moved_at: datetime | None


def believed(units: int | None, known_at: datetime | None, moves: Sequence[Move]) -> int | None:
    """What a channel shows, given what it showed at `known_at` and what it did by itself since; None: unknown."""
    for move in moves:
        if units is None or move.units is None:
            return None
        if known_at is None or move.moved_at is None or move.moved_at > known_at:
            units += move.units
    return units


@dataclass(frozen=True, slots=True)
class Number:
    """What one publication must show, and what we believe it shows."""

    publication_id: int
    key: LevelKey
    sku: str
    salable_quantity: int
    channel_units: int | None
    channel_units_at: datetime | None
    state: PublicationState
    is_to_be_checked: bool = False


class PublicationStore:
    """The publications of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._stock = StockStore(connection, now)
        self._history = HistoryStore(connection, now)

    # -- computing ---------------------------------------------------------------------------------------------

    def create_missing(self, channel: str) -> int:
        """Makes a publication for each bound listing and stock point of a channel; answers how many were new."""
        excluded = sa.and_(DECISION.c.listing_id == LISTING.c.id, DECISION.c.decision == "exclude")
        reason = sa.func.coalesce(DECISION.c.reason, sa.case((IS_NAMED, None), else_=NOT_NAMED))
        state = sa.case((reason.is_(None), PublicationState.PENDING.value), else_=PublicationState.EXCLUDED.value)
        missing = (
            sa.select(LISTING.c.id, POINT.c.id)
            .join(CHANNEL, CHANNEL.c.id == LISTING.c.channel_id)
            .join(POINT, POINT.c.channel_id == CHANNEL.c.id)
            .join(DECISION, excluded, isouter=True)
            .where(CHANNEL.c.name == channel, LISTING.c.item_id.is_not(None))
            .where(
                ~sa.select(PUBLICATION.c.id)
                .where(PUBLICATION.c.listing_id == LISTING.c.id, PUBLICATION.c.stock_point_id == POINT.c.id)
                .exists()
            )
            .order_by(LISTING.c.id, POINT.c.id)
        )
        now = sa.literal(self._now, CHANGE.c.changed_at.type)
        self._connection.execute(
            CHANGE.insert().from_select(["listing_id", "stock_point_id", "changed_at"], missing.add_columns(now))
        )
        new = dict.fromkeys(("revision", "salable_quantity", "sent_revision", "confirmed_revision", "attempts"), 0)
        columns = ["listing_id", "stock_point_id", *new, "state", "reason"]
        rows = missing.add_columns(*(sa.literal(value) for value in new.values()), state, reason)
        dialect = postgresql if self._connection.dialect.name == "postgresql" else sqlite
        made = self._connection.execute(
            dialect.insert(PUBLICATION)
            .from_select(columns, rows)
            .on_conflict_do_nothing()
            .execution_options(preserve_rowcount=True)
        )
        return made.rowcount

    def refresh(self, limit: int = 2_000) -> int:
        """Computes the publications that noted changes concern, and raises their revisions under their locks.

        Answers how many changes were worked off. Work is proportional to what changed.
        """
        return self._work_off(sa.select(CHANGE).order_by(CHANGE.c.id).limit(limit).with_for_update(skip_locked=True))

    def catch_up(self, channel: str, stock_ids: Collection[str]) -> None:
        """Works off what a channel is known to have done to its own numbers of these listings.

        It waits for whoever works on them now: afterwards what we believe of each is as new as what was heard.
        """
        for batch in chunks(sorted(stock_ids)):
            listings = (
                sa.select(LISTING.c.id)
                .join(CHANNEL, CHANNEL.c.id == LISTING.c.channel_id)
                .where(CHANNEL.c.name == channel, LISTING.c.stock_id.in_(batch))
            )
            self._work_off(
                sa.select(CHANGE).where(CHANGE.c.listing_id.in_(listings)).order_by(CHANGE.c.id).with_for_update()
            )

    def _work_off(self, query: sa.Select[*tuple[Any, ...]]) -> int:
        changes = self._connection.execute(query).all()
        if not changes:
            return 0
        moved: dict[tuple[int, int], list[Move]] = {}
        for change in changes:
            if change.listing_id is not None:
                moves = moved.setdefault((change.listing_id, change.stock_point_id), [])
                moves.append(Move(change.channel_delta, change.moved_at))
        items = {change.item_id for change in changes if change.item_id is not None and change.stock_point_id is None}
        numbers = {
            (change.item_id, change.stock_point_id)
            for change in changes
            if change.item_id is not None and change.stock_point_id is not None
        }
        self._recompute(self._concerned(items, numbers, {key[0] for key in moved}), moved)
        for batch in chunks([change.id for change in changes]):
            self._connection.execute(CHANGE.delete().where(CHANGE.c.id.in_(batch)))
        return len(changes)

    def _concerned(
        self, items: Collection[int], numbers: Collection[tuple[int, int]], listings: Collection[int]
    ) -> list[int]:
        """Publications of items that moved (and kits of them), of single numbers (item, stock point), of listings."""
        found: set[int] = set()
        for pairs in chunks(sorted(numbers), 1_000):
            query = (
                sa.select(PUBLICATION.c.id)
                .join(LISTING, LISTING.c.id == PUBLICATION.c.listing_id)
                .where(are_among((LISTING.c.item_id, PUBLICATION.c.stock_point_id), self._connection.dialect.name))
            )
            found.update(self._connection.execute(query, as_rows(pairs)).scalars())
        # Kits are looked up first: with a subquery in it PostgreSQL would read every listing.
        with_kits = set(items)
        for batch in chunks(sorted(items)):
            kits = sa.select(KIT.c.kit_id).where(KIT.c.part_id.in_(batch))
            with_kits.update(self._connection.execute(kits).scalars())
        for batch in chunks(sorted(with_kits)):
            query = (
                sa.select(PUBLICATION.c.id)
                .join(LISTING, LISTING.c.id == PUBLICATION.c.listing_id)
                .where(LISTING.c.item_id.in_(batch))
            )
            found.update(self._connection.execute(query).scalars())
        for batch in chunks(sorted(listings)):
            query = sa.select(PUBLICATION.c.id).where(PUBLICATION.c.listing_id.in_(batch))
            found.update(self._connection.execute(query).scalars())
        return sorted(found)

    def _recompute(self, publication_ids: Sequence[int], moved: Mapping[tuple[int, int], Sequence["Move"]]) -> None:
        rows: list[sa.Row[*tuple[Any, ...]]] = []
        for batch in chunks(publication_ids):
            query = (
                sa.select(PUBLICATION, LISTING.c.item_id)
                .join(LISTING, LISTING.c.id == PUBLICATION.c.listing_id)
                .where(PUBLICATION.c.id.in_(batch), PUBLICATION.c.state != PublicationState.EXCLUDED.value)
                .order_by(PUBLICATION.c.id)
                .with_for_update(of=PUBLICATION)
            )
            rows.extend(self._connection.execute(query).all())
        numbers = self.salable({(row.item_id, row.stock_point_id) for row in rows})
        paces = PaceStore(self._connection, self._now).of({row.item_id for row in rows})
        values = []
        computed = []
        for row in rows:
            key = (row.listing_id, row.stock_point_id)
            units = numbers[row.item_id, row.stock_point_id]
            has_moved = key in moved
            known = believed(row.channel_units, row.channel_units_at, moved.get(key, ()))
            is_same = bool(units == row.salable_quantity and row.revision and not has_moved)
            before = known if known is not None else row.salable_quantity if row.revision else 0
            computed.append(Computed(row.id, units, before, row.channel_units_at, not is_same))
            if is_same:
                continue
            in_flight = row.flight is not None
            values.append(
                {
                    "publication": row.id,
                    "new_revision": row.revision + 1,
                    "units": units,
                    "rank": risk_rank(units, paces.get(row.item_id, 0.0), row.drops),
                    "known": known,
                    "waits": None if has_moved else row.waits_for_orders_since,
                    "new_state": row.state if in_flight else PublicationState.PENDING.value,
                    # What was let stand is overwritten by a change of our own; what a person is asked about is not.
                    "shown": None if row.state == PublicationState.CONFIRMED.value else row.drift_units,
                }
            )
        note_zeros(self._connection, self._now, computed)
        if values:
            self._connection.execute(
                PUBLICATION.update()
                .where(PUBLICATION.c.id == sa.bindparam("publication"))
                .values(
                    revision=sa.bindparam("new_revision"),
                    salable_quantity=sa.bindparam("units"),
                    risk_rank=sa.bindparam("rank"),
                    channel_units=sa.bindparam("known"),
                    state=sa.bindparam("new_state"),
                    drift_units=sa.bindparam("shown"),
                    waits_for_orders_since=sa.bindparam("waits", type_=PUBLICATION.c.waits_for_orders_since.type),
                    next_at=None,
                    check_at=None,
                    attempts=0,
                ),
                values,
            )

    def salable(self, wanted: Collection[tuple[int, int]]) -> dict[tuple[int, int], int]:
        """Salable quantity by (item, stock point): every reader's one way to it."""
        if not wanted:
            return {}
        units = pooled(self._connection, self._now, wanted, self._stale())
        channels = self._channels({point for _, point in wanted})
        terms = PolicyStore(self._connection, self._now).terms({(item, channels[point]) for item, point in wanted})
        return {one: shown_of(units.get(one, 0), terms[one[0], channels[one[1]]]) for one in wanted}

    def _stale(self) -> list[int]:
        """Locations whose units may not be promised now."""
        return [
            row.id for row in self._connection.execute(_AGING) if not is_fresh(row.as_of, row.ttl_seconds, self._now)
        ]

    def hidden(self, publication_id: int) -> int:
        """Units that could be promised at a stock point, and that share, buffer and cap do not show there."""
        query = (
            sa.select(LISTING.c.item_id, PUBLICATION.c.stock_point_id, LISTING.c.channel_id)
            .join(LISTING, LISTING.c.id == PUBLICATION.c.listing_id)
            .where(PUBLICATION.c.id == publication_id)
        )
        item, point, channel = self._connection.execute(query).one()
        parts = self._stock.parts_of({item})[item]
        stock, pool = self._stock.at_items(parts.keys()), self._pools({point}).get(point, [])
        terms = PolicyStore(self._connection, self._now).terms({(item, channel)})[item, channel]
        shown = salable_quantity(parts, pool, stock, replace(terms, beyond_units=0))
        return max(salable_quantity(parts, pool, stock) - shown, terms.buffer_units)

    def _channels(self, points: Collection[int]) -> dict[int, int]:
        return {row.id: row.channel_id for row in self._connection.execute(_CHANNELS, {"points": sorted(points)})}

    def _pools(self, points: Collection[int]) -> dict[int, list[int]]:
        pools: dict[int, list[int]] = {}
        query = (
            sa.select(POINT_LOCATION.c.stock_point_id, LOCATION.c.id, LOCATION.c.as_of, LOCATION.c.ttl_seconds)
            .join(LOCATION, LOCATION.c.id == POINT_LOCATION.c.location_id)
            .where(POINT_LOCATION.c.stock_point_id.in_(sorted(points)))
        )
        for point, location, as_of, ttl_seconds in self._connection.execute(query):
            if is_fresh(as_of, ttl_seconds, self._now):
                pools.setdefault(point, []).append(location)
        return pools

    def note_aging(self) -> int:
        """Notes the locations whose time to live has ended, or begun again; answers how many."""
        turned = [
            (row.id, fresh)
            for row in self._connection.execute(sa.select(LOCATION).where(LOCATION.c.ttl_seconds.is_not(None)))
            if (fresh := is_fresh(row.as_of, row.ttl_seconds, self._now)) != row.was_fresh
        ]
        for location, fresh in turned:
            self._connection.execute(LOCATION.update().where(LOCATION.c.id == location).values(was_fresh=fresh))
            self._connection.execute(
                CHANGE.insert().from_select(
                    ["item_id", "location_id", "changed_at"],
                    sa.select(LEVEL.c.item_id, LEVEL.c.location_id, sa.literal(self._now, CHANGE.c.changed_at.type))
                    .where(LEVEL.c.location_id == location)
                    .distinct(),
                )
            )
        return len(turned)

    # -- sending -----------------------------------------------------------------------------------------------

    def launch(self, channel: str, limit: int, flight: str) -> list[Flight]:
        """Takes the riskiest pending numbers of a channel (few units, fast sellers) for one write.

        The index gives each stock point's riskiest in their order, so that the work is that of the numbers taken.
        """
        query = (
            sa.select(PUBLICATION, LISTING.c.stock_id, LISTING.c.sku, POINT.c.external_id)
            .join(LISTING, LISTING.c.id == PUBLICATION.c.listing_id)
            .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .where(
                PUBLICATION.c.stock_point_id == sa.bindparam("point"),
                PUBLICATION.c.state == PublicationState.PENDING.value,
                PUBLICATION.c.revision > 0,
                PUBLICATION.c.drift_units.is_(None),
                ~HELD_BACK,
                sa.or_(PUBLICATION.c.next_at.is_(None), PUBLICATION.c.next_at <= self._now),
                HAS_HEARD_ORDERS,
            )
            .order_by(PUBLICATION.c.risk_rank, PUBLICATION.c.id)
            .limit(limit)
            .with_for_update(of=PUBLICATION, skip_locked=True)
        )
        found = [
            row for point in self._open_points(channel) for row in self._connection.execute(query, {"point": point})
        ]
        rows = sorted(found, key=lambda row: (row.risk_rank, row.id))[:limit]
        if rows:
            self._connection.execute(
                PUBLICATION.update()
                .where(PUBLICATION.c.id.in_([row.id for row in rows]))
                .values(
                    state=PublicationState.SENT.value,
                    flight=flight,
                    flight_until=self._now + timedelta(seconds=FLIGHT_SECONDS),
                    sent_revision=PUBLICATION.c.revision,
                    sent_units=PUBLICATION.c.salable_quantity,
                    sent_at=self._now,
                    receipt=None,
                    waits_for_orders_since=None,
                    check_at=None,
                    attempts=PUBLICATION.c.attempts + 1,
                )
            )
        return [
            Flight(
                row.id,
                row.revision,
                LevelKey(row.stock_id, row.external_id),
                row.salable_quantity,
                row.channel_units,
                row.sku or "",
                self._now,
            )
            for row in rows
        ]

    def _open_points(self, channel: str) -> list[int]:
        """The stock points of a channel to which numbers may be sent now."""
        query = (
            sa.select(POINT.c.id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .where(CHANNEL.c.name == channel, CHANNEL.c.is_paused.is_(False), CHANNEL.c.is_gated.is_(False), IS_NAMED)
            .where(CHANNEL.c.is_shadow.is_(False))
            .order_by(POINT.c.id)
        )
        return list(self._connection.execute(query).scalars())

    def land(self, flights: Sequence[tuple[Flight, Landing]], flight: str) -> None:
        """Records answers: each under its fence, so that a late answer to an older number changes nothing newer."""
        # Answers of one form are written together: the rows are locked first, so that their order stays the keys'.
        known: dict[int, sa.Row[*tuple[Any, ...]]] = {}
        for batch in chunks(sorted(number.publication_id for number, _ in flights)):
            query = sa.select(PUBLICATION).where(PUBLICATION.c.id.in_(batch))
            locked = self._connection.execute(query.order_by(PUBLICATION.c.id).with_for_update()).all()
            known.update((row.id, row) for row in locked)
        self._history.landed(known, flights, flight)
        forms: dict[_Form, list[dict[str, Any]]] = {}
        for number, landing in sorted(flights, key=lambda pair: pair[0].publication_id):
            form = _Form(landing.state, landing.channel_units is not None, landing.waits_for_orders_since is not None)
            forms.setdefault(form, []).append(
                {
                    "publication": number.publication_id,
                    "answered_revision": number.revision,
                    "answered_units": number.units,
                    "answered_flight": flight,
                    "why": landing.reason,
                    "later": landing.next_at,
                    "said_receipt": landing.receipt,
                    "seen_units": landing.channel_units,
                    "waits": landing.waits_for_orders_since,
                    "check": landing.check_at,
                    "now": self._now,
                }
            )
        for form, answers in forms.items():
            self._connection.execute(_landing(form), answers)

    def has_overdue(self, channel: str) -> bool:
        """Whether a number is on its way whose answer may be asked for, or must be read back. It takes no lock."""
        return self._connection.execute(_HAS_OVERDUE, {"channel": channel, "now": self._now}).first() is not None

    def adopt_lost(self, channel: str, limit: int, flight: str) -> list[Flight]:
        """Takes over numbers whose answer never came, to read them back."""
        return self._take_over(
            channel,
            limit,
            flight,
            sa.and_(
                PUBLICATION.c.flight.is_not(None),
                PUBLICATION.c.flight_until <= self._now,
                PUBLICATION.c.receipt.is_(None),
            ),
        )

    def adopt_imports(self, channel: str, limit: int, flight: str) -> dict[str, list[Flight]]:
        """Takes over numbers whose import may have finished, by receipt."""
        due = sa.and_(
            PUBLICATION.c.flight.is_not(None),
            PUBLICATION.c.receipt.is_not(None),
            PUBLICATION.c.flight_until <= self._now,
        )
        query = (
            sa.select(PUBLICATION.c.receipt)
            .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .where(CHANNEL.c.name == channel, due)
            .distinct()
        )
        return {
            receipt: self._take_over(channel, limit, flight, sa.and_(due, PUBLICATION.c.receipt == receipt))
            for receipt in self._connection.execute(query).scalars().all()
        }

    def _take_over(self, channel: str, limit: int, flight: str, condition: sa.ColumnElement[bool]) -> list[Flight]:
        query = (
            sa.select(PUBLICATION, LISTING.c.stock_id, LISTING.c.sku, POINT.c.external_id)
            .join(LISTING, LISTING.c.id == PUBLICATION.c.listing_id)
            .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .where(CHANNEL.c.name == channel, condition)
            .order_by(PUBLICATION.c.id)
            .limit(limit)
            .with_for_update(of=PUBLICATION, skip_locked=True)
        )
        rows = self._connection.execute(query).all()
        if rows:
            self._connection.execute(
                PUBLICATION.update()
                .where(PUBLICATION.c.id.in_([row.id for row in rows]))
                .values(flight=flight, flight_until=self._now + timedelta(seconds=FLIGHT_SECONDS))
            )
        return [
            Flight(
                row.id,
                row.sent_revision,
                LevelKey(row.stock_id, row.external_id),
                row.sent_units or 0,
                row.channel_units,
                row.sku or "",
                row.sent_at,
            )
            for row in rows
        ]

    # -- hearing what the channel shows ------------------------------------------------------------------------

    def numbers(self, channel: str, keys: Collection[LevelKey] | None = None, *, locked: bool = False) -> list[Number]:
        """What the publications of a channel must show and are believed to show; `locked`: until the end."""
        query = (
            sa.select(PUBLICATION, LISTING.c.stock_id, LISTING.c.sku, POINT.c.external_id)
            .join(LISTING, LISTING.c.id == PUBLICATION.c.listing_id)
            .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
            .join(CHANNEL, CHANNEL.c.id == POINT.c.channel_id)
            .where(CHANNEL.c.name == channel)
            .order_by(PUBLICATION.c.id)
        )
        if keys is not None:
            query = query.where(LISTING.c.stock_id.in_({key.stock_id for key in keys}))
        if locked:
            query = query.with_for_update(of=PUBLICATION)
        found = [
            Number(
                row.id,
                LevelKey(row.stock_id, row.external_id),
                row.sku or "",
                row.salable_quantity,
                row.channel_units,
                row.channel_units_at,
                PublicationState(row.state),
                row.check_at is not None,
            )
            for row in self._connection.execute(query)
        ]
        return found if keys is None else [number for number in found if number.key in keys]

    def counted(self, publication_id: int, units: int, counted_at: datetime) -> None:
        """Somebody counted there: the channel shows the count, which may not be the number it must show."""
        is_drift = sa.and_(
            PUBLICATION.c.state == PublicationState.CONFIRMED.value, PUBLICATION.c.salable_quantity != units
        )
        self._connection.execute(
            PUBLICATION.update()
            .where(
                PUBLICATION.c.id == publication_id,
                sa.or_(PUBLICATION.c.channel_units_at.is_(None), PUBLICATION.c.channel_units_at < counted_at),
            )
            .values(
                channel_units=units,
                channel_units_at=counted_at,
                check_at=None,
                state=sa.case((is_drift, PublicationState.PENDING.value), else_=PUBLICATION.c.state),
                revision=sa.case((is_drift, PUBLICATION.c.revision + 1), else_=PUBLICATION.c.revision),
            )
        )

    def coverage(self) -> dict[str, dict[str, int]]:
        """Publications by channel and state."""
        query = (
            sa.select(CHANNEL.c.name, PUBLICATION.c.state, sa.func.count())
            .join(POINT, POINT.c.channel_id == CHANNEL.c.id)
            .join(PUBLICATION, PUBLICATION.c.stock_point_id == POINT.c.id)
            .group_by(CHANNEL.c.name, PUBLICATION.c.state)
        )
        found: dict[str, dict[str, int]] = {}
        for name, state, count in self._connection.execute(query):
            found.setdefault(name, {})[state] = int(count)
        return found

    def is_quiet(self) -> bool:
        """Nothing noted, nothing pending but what a person must decide, nothing in flight."""
        if self._connection.execute(sa.select(CHANGE.c.id).limit(1)).first() is not None:
            return False
        restless = [PublicationState.PENDING.value, PublicationState.SENT.value, PublicationState.UNKNOWN.value]
        query = sa.select(PUBLICATION.c.id).where(PUBLICATION.c.state.in_(restless), ~HELD).limit(1)
        return self._connection.execute(query).first() is None


class _Form(NamedTuple):
    """Answers of one form change the same columns."""

    state: PublicationState
    has_units: bool
    waits: bool


@cache
def _landing(form: _Form) -> sa.Update:
    """The statement that records one answer of this form."""
    answered: sa.BindParameter[int] = sa.bindparam("answered_revision", type_=PUBLICATION.c.revision.type)
    is_newest = PUBLICATION.c.revision == answered
    later, now = (sa.bindparam(name, type_=PUBLICATION.c.next_at.type) for name in ("later", "now"))
    values: dict[str, Any] = {
        "flight": None,
        "flight_until": None,
        "receipt": None,
        "reason": sa.bindparam("why"),
        "next_at": later,
        # What was computed since the write has heard what made it stale.
        "waits_for_orders_since": sa.case(
            (is_newest, sa.bindparam("waits", type_=PUBLICATION.c.waits_for_orders_since.type)), else_=None
        )
        if form.waits
        else None,
    }
    match form.state:
        case PublicationState.CONFIRMED:
            values |= {
                "state": sa.case((is_newest, PublicationState.CONFIRMED.value), else_=PublicationState.PENDING.value),
                "confirmed_revision": answered,
                "confirmed_at": now,
                "channel_units": sa.bindparam("answered_units"),
                "channel_units_at": now,
                "attempts": 0,
                "next_at": None,
                "check_at": sa.case((is_newest, sa.bindparam("check", type_=PUBLICATION.c.check_at.type)), else_=None),
                "prior_units": PUBLICATION.c.channel_units,
                "drift_units": None,
            }
        case PublicationState.SENT:
            values = {"receipt": sa.bindparam("said_receipt"), "flight_until": later}
        case PublicationState.UNKNOWN:
            values = {
                "state": PublicationState.UNKNOWN.value,
                "flight_until": later,
                "receipt": None,
                "reason": sa.bindparam("why"),
            }
        case PublicationState.FAILED:
            values |= {
                "state": sa.case((is_newest, PublicationState.FAILED.value), else_=PublicationState.PENDING.value)
            }
        case _:
            values |= {"state": PublicationState.PENDING.value}
    if form.has_units:
        values |= {"channel_units": sa.bindparam("seen_units"), "channel_units_at": now}
    return (
        PUBLICATION.update()
        .where(
            PUBLICATION.c.id == sa.bindparam("publication"),
            PUBLICATION.c.flight == sa.bindparam("answered_flight"),
            PUBLICATION.c.sent_revision == answered,
        )
        .values(**values)
    )
