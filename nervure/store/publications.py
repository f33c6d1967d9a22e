"""Publications in SQL: what each must show, computed and fenced under its row lock, and what it is believed to show."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from nervure.publication.risk import risk_rank
from nervure.store import tables
from nervure.store.channels import IS_NAMED
from nervure.store.falls import HELD, Computed, note_zeros
from nervure.store.pace import PaceStore
from nervure.store.routing import is_fresh
from nervure.store.salable import SalableStore
from nervure.store.statements import CHANGE, KIT, LEVEL, are_among, as_rows, chunks
from nervure.store.tables.catalogue import LISTING, LOCATION
from nervure.store.tables.channels import CHANNEL, POINT
from schemas.levels import LevelKey
from schemas.publications import PublicationState

PUBLICATION = tables.of(tables.PublicationRow)
DECISION = tables.of(tables.BindingDecisionRow)

NOT_NAMED = "the settings do not name its stock point"
"""Why a number is excluded until they do (again)."""


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
        self._recompute(self._concerned(items, numbers, {key[0] for key in moved}), moved, _noted(changes))
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

    def _recompute(
        self,
        publication_ids: Sequence[int],
        moved: Mapping[tuple[int, int], Sequence["Move"]],
        noted: "_Noted",
    ) -> None:
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
        numbers = SalableStore(self._connection, self._now).of({(row.item_id, row.stock_point_id) for row in rows})
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
                    "noted": min(noted.at(row.item_id), row.noted_at or self._now),
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
                    noted_at=sa.bindparam("noted", type_=PUBLICATION.c.noted_at.type),
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

    def try_failed_again(self) -> int:
        """Numbers that failed without a word about their rows may be sent again, when it is time; answers how many."""
        query = (
            sa.select(PUBLICATION.c.id)
            .where(
                # Few have failed: they are looked up by the index of states, which begins with the stock point.
                PUBLICATION.c.stock_point_id.in_(sa.select(POINT.c.id)),
                PUBLICATION.c.state == PublicationState.FAILED.value,
                PUBLICATION.c.next_at <= self._now,
                PUBLICATION.c.drift_units.is_(None),
            )
            .order_by(PUBLICATION.c.id)
            .with_for_update(skip_locked=True)
        )
        found = list(self._connection.execute(query).scalars())
        for batch in chunks(found):
            self._connection.execute(
                PUBLICATION.update()
                .where(PUBLICATION.c.id.in_(batch))
                .values(state=PublicationState.PENDING.value, next_at=None)
            )
        return len(found)

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

    def is_quiet(self) -> bool:
        """Nothing noted, nothing pending but what a person must decide, nothing in flight."""
        if self._connection.execute(sa.select(CHANGE.c.id).limit(1)).first() is not None:
            return False
        restless = [PublicationState.PENDING.value, PublicationState.SENT.value, PublicationState.UNKNOWN.value]
        query = sa.select(PUBLICATION.c.id).where(PUBLICATION.c.state.in_(restless), ~HELD).limit(1)
        return self._connection.execute(query).first() is None


@dataclass(frozen=True, slots=True)
class _Noted:
    """When changes that are worked off together happened: the oldest of each item, and of all of them."""

    oldest: datetime
    of_items: Mapping[int, datetime]

    def at(self, item_id: int) -> datetime:
        return self.of_items.get(item_id, self.oldest)


def _noted(changes: Sequence[sa.Row[*tuple[Any, ...]]]) -> _Noted:
    of_items: dict[int, datetime] = {}
    for change in changes:
        if change.item_id is not None:
            of_items[change.item_id] = min(change.changed_at, of_items.get(change.item_id, change.changed_at))
    return _Noted(min(change.changed_at for change in changes), of_items)
