"""Coverage in SQL: every listing at every stock point of its channel, and every item that a channel does not list."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.publication.coverage import GROUPS, HELD_ZERO, MISSING, NOT_LISTED, UNBOUND, Coverage, Group, Reason
from nervure.store.bindings import IS_AMBIGUOUS
from nervure.store.falls import HELD
from nervure.store.publications import PUBLICATION
from nervure.store.restores import RestoreStore
from nervure.store.tables.catalogue import ITEM, LISTING
from nervure.store.tables.channels import CHANNEL, POINT
from schemas.publications import PublicationState

AMBIGUOUS_TEXT = "its GTIN belongs to several items"
HELD_TEXT = "too many fell to 0 at once: a person must accept it or has refused it"
HEARING_TEXT = "it, or who sells the same stock, must be heard first"
MISSING_TEXT = "it has no number: run `nervure check`"
NOT_LISTED_TEXT = "the channel has no listing of this item"


@dataclass(frozen=True, slots=True)
class CoveredNumber:
    """One listing at one stock point, or an item without listing (`listing` and `stock_point` empty).

    `shown_units`: what the channel was last known to show, `age_seconds` ago; None: nobody knows.
    """

    channel: str
    listing: str
    stock_point: str
    sku: str
    state: str
    group: Group
    reason: str
    shown_units: int | None
    wanted_units: int | None
    revision: int | None
    age_seconds: float | None


class CoverageStore:
    """The coverage of one look at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._hearing = RestoreStore(connection, now).held_back()

    def channels(self, names: Sequence[str] | None = None) -> list[Coverage]:
        """Every channel (of these) with its counts and reasons, in the order in which channels were made."""
        counts: dict[str, Counter[tuple[Group, str]]] = {name: Counter() for name in self._names(names)}
        numbers = _numbers(self._hearing).subquery()
        query = sa.select(
            numbers.c.channel, numbers.c.state, numbers.c.is_ambiguous, numbers.c.reason, sa.func.count()
        ).group_by(numbers.c.channel, numbers.c.state, numbers.c.is_ambiguous, numbers.c.reason)
        for channel, state, is_ambiguous, reason, count in self._connection.execute(query):
            if channel in counts:
                text = AMBIGUOUS_TEXT if is_ambiguous else reason or ""
                counts[channel][GROUPS[state], text] += int(count)
        for channel, count in self._not_listed().items():
            if channel in counts and count:
                counts[channel][GROUPS[NOT_LISTED], NOT_LISTED_TEXT] += count
        return [_coverage(channel, found) for channel, found in counts.items()]

    def _not_listed(self) -> dict[str, int]:
        """How many items each channel does not list: counted by what it lists, which is far less work."""
        items = self._connection.execute(sa.select(sa.func.count()).select_from(ITEM)).scalar_one()
        listed = (
            sa.select(CHANNEL.c.name, sa.func.count(LISTING.c.item_id.distinct()))
            .join(LISTING, LISTING.c.channel_id == CHANNEL.c.id, isouter=True)
            .group_by(CHANNEL.c.name)
        )
        return {channel: int(items) - int(count) for channel, count in self._connection.execute(listed)}

    def numbers(self, names: Sequence[str] | None = None) -> Iterator[CoveredNumber]:
        """Every number (of these channels), channel by channel."""
        for channel in self._names(names):
            numbers = (
                _numbers(self._hearing, *_OF_EACH)
                .join(ITEM, ITEM.c.id == LISTING.c.item_id, isouter=True)
                .where(CHANNEL.c.name == channel)
                .order_by(LISTING.c.id, POINT.c.id)
            )
            for row in self._connection.execute(numbers):
                yield self._number(row)
            listed = sa.select(LISTING.c.id).where(LISTING.c.channel_id == CHANNEL.c.id, LISTING.c.item_id == ITEM.c.id)
            others = sa.select(ITEM.c.sku).select_from(CHANNEL).join(ITEM, sa.true())
            skus = others.where(CHANNEL.c.name == channel, ~listed.exists()).order_by(ITEM.c.sku)
            for sku in self._connection.execute(skus).scalars():
                yield CoveredNumber(
                    channel, "", "", sku, NOT_LISTED, GROUPS[NOT_LISTED], NOT_LISTED_TEXT, None, None, None, None
                )

    def _number(self, row: sa.Row[*tuple[Any, ...]]) -> CoveredNumber:
        age = (self._now - row.channel_units_at).total_seconds() if row.channel_units_at is not None else None
        return CoveredNumber(
            row.channel,
            row.external_id,
            row.stock_point or "",
            row.sku or "",
            row.state,
            GROUPS[row.state],
            row.reason or "",
            row.channel_units,
            row.salable_quantity,
            row.revision,
            age,
        )

    def _names(self, names: Sequence[str] | None) -> list[str]:
        query = sa.select(CHANNEL.c.name).order_by(CHANNEL.c.id)
        if names is not None:
            query = query.where(CHANNEL.c.name.in_(names))
        return list(self._connection.execute(query).scalars())


_OF_EACH = (
    LISTING.c.external_id,
    POINT.c.external_id.label("stock_point"),
    sa.func.coalesce(ITEM.c.sku, LISTING.c.sku).label("sku"),
    PUBLICATION.c.channel_units,
    PUBLICATION.c.channel_units_at,
    PUBLICATION.c.salable_quantity,
    PUBLICATION.c.revision,
)


def _numbers(hearing: Collection[str], *more: sa.ColumnElement[Any]) -> sa.Select[*tuple[Any, ...]]:
    """Every listing at every stock point of its channel, whether it has a publication or not."""
    state = sa.case(
        (HELD, HELD_ZERO),
        (PUBLICATION.c.id.is_not(None), PUBLICATION.c.state),
        (LISTING.c.item_id.is_(None), UNBOUND),
        else_=MISSING,
    )
    reason = sa.case(
        (HELD, HELD_TEXT),
        (PUBLICATION.c.id.is_not(None), _reason_of_publication(hearing)),
        (LISTING.c.item_id.is_(None), LISTING.c.unbound_reason),
        else_=MISSING_TEXT,
    )
    its_own = sa.and_(PUBLICATION.c.listing_id == LISTING.c.id, PUBLICATION.c.stock_point_id == POINT.c.id)
    return (
        sa.select(
            CHANNEL.c.name.label("channel"),
            state.label("state"),
            reason.label("reason"),
            sa.and_(LISTING.c.item_id.is_(None), PUBLICATION.c.id.is_(None), IS_AMBIGUOUS).label("is_ambiguous"),
            *more,
        )
        .select_from(LISTING)
        .join(CHANNEL, CHANNEL.c.id == LISTING.c.channel_id)
        .join(POINT, POINT.c.channel_id == CHANNEL.c.id, isouter=True)
        .join(PUBLICATION, its_own, isouter=True)
    )


def _reason_of_publication(hearing: Collection[str]) -> sa.ColumnElement[str | None]:
    """Why a number is not confirmed: its own reason, or what holds it back."""
    state = PUBLICATION.c.state
    is_pending = state == PublicationState.PENDING.value
    return sa.case(
        (state == PublicationState.CONFIRMED.value, sa.null()),
        (state == PublicationState.SENT.value, "sent, not answered yet"),
        (sa.and_(is_pending, CHANNEL.c.is_gated.is_(True)), "the channel is not live yet"),
        (sa.and_(is_pending, CHANNEL.c.is_shadow.is_(True)), "the channel is in the shadow"),
        (sa.and_(is_pending, CHANNEL.c.is_paused.is_(True)), "the channel is paused"),
        (
            sa.and_(is_pending, CHANNEL.c.name.in_(sorted(hearing))),
            "it, or who sells the same stock, must be heard first",
        ),
        (PUBLICATION.c.reason.is_not(None), PUBLICATION.c.reason),
        (state == PublicationState.UNKNOWN.value, "sent without an answer: it is read back"),
        (PUBLICATION.c.waits_for_orders_since.is_not(None), "it waits until the channel's orders are heard"),
        else_="it waits to be sent",
    )


def _coverage(channel: str, counts: Counter[tuple[Group, str]]) -> Coverage:
    order = list(Group)
    reasons = [Reason(group, text, count) for (group, text), count in counts.items()]
    return Coverage(channel, tuple(sorted(reasons, key=lambda one: (order.index(one.group), -one.count, one.text))))
