"""What people and other programs ask of the hub: figures read in one consistent look."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.inventory.availability import available_at
from nervure.publication.coverage import Coverage, Group
from nervure.store.channels import IS_NAMED, IS_SERVED
from nervure.store.coverage import CoverageStore
from nervure.store.handling import IS_TO_BE_DONE
from nervure.store.inbox import INBOX
from nervure.store.orders import RELEASED_STATES
from nervure.store.outbox import OUTBOX
from nervure.store.publications import PUBLICATION, PublicationStore
from nervure.store.purchases import PURCHASE, PURCHASE_LINE
from nervure.store.restores import RestoreStore
from nervure.store.salable import SalableStore
from nervure.store.stock import StockStore
from nervure.store.tables.catalogue import ITEM, LISTING, LOCATION
from nervure.store.tables.channels import CHANNEL, POINT
from nervure.store.tables.orders import FULFILLMENT, FULFILLMENT_LINE, LINE, ORDER
from nervure.store.tasks import TASK
from nervure.store.zeros import ZeroStore
from schemas.fulfillment import AT_LOCATION, FulfillmentState
from schemas.locations import LocationKind


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """One channel at a glance, its numbers in the groups of coverage.

    `brakes`: what holds numbers back on purpose, a few words each.
    """

    name: str
    platform: str
    paused: bool
    gated: bool
    problem: str | None
    orders: int
    last_publication: datetime | None
    in_flight: int
    confirmed: int
    error: int
    excluded: int
    brakes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpenTask:
    """Something a person must look at. `about` is the subject with the merchant's names instead of internal ids."""

    id: int
    kind: str
    subject: str
    about: str
    text: str
    created_at: datetime


class ReportStore:
    """Figures of one look at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    def channels(self) -> list[ChannelReport]:
        """Every channel with its orders and publications."""
        coverage = {one.channel: one for one in CoverageStore(self._connection, self._now).channels()}
        orders: dict[int, int] = dict(
            self._connection.execute(sa.select(ORDER.c.channel_id, sa.func.count()).group_by(ORDER.c.channel_id)).all()
        )
        newest: dict[int, datetime] = dict(
            self._connection.execute(
                sa.select(POINT.c.channel_id, sa.func.max(PUBLICATION.c.confirmed_at))
                .join(PUBLICATION, PUBLICATION.c.stock_point_id == POINT.c.id)
                .group_by(POINT.c.channel_id)
            ).all()
        )
        held = ZeroStore(self._connection, self._now).held_counts()
        hearing = RestoreStore(self._connection, self._now).held_back()
        return [
            replace(
                _channel_report(row, coverage[row.name], int(orders.get(row.id, 0)), newest.get(row.id)),
                brakes=_brakes(row, held.get(row.name, 0), hears_first=row.name in hearing),
            )
            for row in self._connection.execute(sa.select(CHANNEL).order_by(CHANNEL.c.id))
        ]

    def status(self) -> dict[str, Any]:
        """The hub at a glance, as JSON knows it."""
        inbox: dict[str, int] = dict(
            self._connection.execute(sa.select(INBOX.c.state, sa.func.count()).group_by(INBOX.c.state)).all()
        )
        channels = [asdict(report) for report in self.channels()]
        for channel in channels:
            at = channel["last_publication"]
            channel["last_publication"] = at.isoformat() if at else None
        return {
            "channels": channels,
            "inbox": {
                "waiting": int(inbox.get("waiting", 0)) + int(inbox.get("leased", 0)),
                "dead": int(inbox.get("dead", 0)),
            },
            "outbox": self._count(OUTBOX, OUTBOX.c.state.in_(["waiting", "leased"])),
            "tasks": self._count(TASK, TASK.c.closed_at.is_(None)),
            "quiet": self.is_quiet(),
        }

    def is_quiet(self) -> bool:
        """Whether nothing is waiting: no document, no message, no number to compute, send or confirm."""
        waiting = self._count(INBOX, INBOX.c.state.in_(["waiting", "leased"]))
        messages = self._count(OUTBOX, OUTBOX.c.state.in_(["waiting", "leased"]))
        return not waiting and not messages and PublicationStore(self._connection, self._now).is_quiet()

    def tasks(self, limit: int = 100) -> list[OpenTask]:
        """Open tasks, newest first."""
        query = sa.select(TASK).where(TASK.c.closed_at.is_(None)).order_by(TASK.c.id.desc()).limit(limit)
        return [
            OpenTask(row.id, row.kind, row.subject, self._about(row.subject), row.text, row.created_at)
            for row in self._connection.execute(query).all()
        ]

    def _about(self, subject: str) -> str:
        """A task's subject, with names instead of internal ids."""
        match subject.split(":"):
            case ["order_line", line, *_]:
                query = (
                    sa.select(CHANNEL.c.name, ORDER.c.number, ORDER.c.external_id, ITEM.c.sku)
                    .join(ORDER, ORDER.c.channel_id == CHANNEL.c.id)
                    .join(LINE, LINE.c.order_id == ORDER.c.id)
                    .join(ITEM, ITEM.c.id == LINE.c.item_id)
                    .where(LINE.c.id == int(line))
                )
                row = self._connection.execute(query).one_or_none()
                return f"{row.name}, order {row.number or row.external_id}, {row.sku}" if row else subject
            case ["item", item, "location", location]:
                sku = self._connection.execute(sa.select(ITEM.c.sku).where(ITEM.c.id == int(item))).scalar()
                code = sa.select(LOCATION.c.code).where(LOCATION.c.id == int(location))
                return f"{sku} at {self._connection.execute(code).scalar()}"
            case ["purchase_line", line]:
                named = (
                    sa.select(PURCHASE.c.name, ITEM.c.sku, LOCATION.c.code)
                    .join(PURCHASE_LINE, PURCHASE_LINE.c.purchase_id == PURCHASE.c.id)
                    .join(ITEM, ITEM.c.id == PURCHASE_LINE.c.item_id)
                    .join(LOCATION, LOCATION.c.id == PURCHASE_LINE.c.location_id)
                    .where(PURCHASE_LINE.c.id == int(line))
                )
                bought = self._connection.execute(named).one_or_none()
                return f"purchase {bought.name}, {bought.sku} at {bought.code}" if bought else subject
            case [_, "fulfillment", number]:
                query = (
                    sa.select(CHANNEL.c.name, ORDER.c.number, ORDER.c.external_id)
                    .join(ORDER, ORDER.c.channel_id == CHANNEL.c.id)
                    .join(FULFILLMENT, FULFILLMENT.c.order_id == ORDER.c.id)
                    .where(FULFILLMENT.c.id == int(number))
                )
                order = self._connection.execute(query).one_or_none()
                return f"{order.name}, order {order.number or order.external_id}" if order else subject
            case ["publication", number]:
                named = (
                    sa.select(CHANNEL.c.name, LISTING.c.sku, POINT.c.external_id)
                    .join(LISTING, LISTING.c.id == PUBLICATION.c.listing_id)
                    .join(CHANNEL, CHANNEL.c.id == LISTING.c.channel_id)
                    .join(POINT, POINT.c.id == PUBLICATION.c.stock_point_id)
                    .where(PUBLICATION.c.id == int(number))
                )
                shown = self._connection.execute(named).one_or_none()
                return f"{shown.name}, {shown.sku} at {shown.external_id}" if shown else subject
            case _:
                return subject

    def availability(self, channel: str, sku: str) -> dict[str, int] | None:
        """What each stock point of a channel may show of a sku now; None: not listed there."""
        query = (
            sa.select(LISTING.c.item_id, POINT.c.id, POINT.c.external_id)
            .join(CHANNEL, CHANNEL.c.id == LISTING.c.channel_id)
            .join(POINT, POINT.c.channel_id == CHANNEL.c.id)
            .join(ITEM, ITEM.c.id == LISTING.c.item_id)
            .where(CHANNEL.c.name == channel, ITEM.c.sku == sku, IS_NAMED)
        )
        rows = self._connection.execute(query).all()
        if not rows:
            return None
        numbers = SalableStore(self._connection, self._now).of({(row.item_id, row.id) for row in rows})
        return {row.external_id: numbers[row.item_id, row.id] for row in rows}

    def pickup(self, sku: str) -> dict[str, int] | None:
        """What each place where customers collect has of a sku for itself, by its code; None: unknown sku."""
        item = self._connection.execute(sa.select(ITEM.c.id).where(ITEM.c.sku == sku)).scalar_one_or_none()
        if item is None:
            return None
        places = self._connection.execute(
            sa.select(LOCATION.c.id, LOCATION.c.code).where(LOCATION.c.can_pickup.is_(True)).order_by(LOCATION.c.id)
        ).all()
        stock = StockStore(self._connection, self._now)
        parts = stock.parts_of([item])[item]
        there = stock.at_items(parts.keys())
        return {place.code: available_at(parts, place.id, there) for place in places}

    def open_fulfillments(self, limit: int = 200) -> list[dict[str, Any]]:
        """Fulfillment orders that a location has to do, oldest first; without personal data."""
        query = (
            sa.select(
                FULFILLMENT.c.id,
                FULFILLMENT.c.state,
                LOCATION.c.code,
                CHANNEL.c.name,
                ORDER.c.external_id,
                ORDER.c.number,
                ITEM.c.sku,
                FULFILLMENT_LINE.c.units,
            )
            .join(ORDER, ORDER.c.id == FULFILLMENT.c.order_id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .join(LOCATION, LOCATION.c.id == FULFILLMENT.c.location_id)
            .join(FULFILLMENT_LINE, FULFILLMENT_LINE.c.fulfillment_order_id == FULFILLMENT.c.id)
            .join(LINE, LINE.c.id == FULFILLMENT_LINE.c.order_line_id)
            .join(ITEM, ITEM.c.id == LINE.c.item_id)
            .where(IS_TO_BE_DONE, FULFILLMENT_LINE.c.units > 0)
            .where(LOCATION.c.kind != LocationKind.SUPPLIER.value)
            .order_by(FULFILLMENT.c.id)
            .limit(limit)
        )
        found: dict[int, dict[str, Any]] = {}
        for row in self._connection.execute(query):
            entry = found.setdefault(
                row.id,
                {
                    "number": row.id,
                    "state": row.state,
                    "location": row.code,
                    "channel": row.name,
                    "order": row.external_id,
                    "order_number": row.number,
                    "lines": [],
                },
            )
            entry["lines"].append({"sku": row.sku, "units": row.units})
        return list(found.values())

    def fulfillments_before(self, created_before: datetime, *, with_suppliers: bool = False) -> list[int]:
        """Numbers of fulfillment orders that may be sent and were made before a time, oldest first."""
        query = (
            sa.select(FULFILLMENT.c.id)
            .join(LOCATION, LOCATION.c.id == FULFILLMENT.c.location_id)
            .join(ORDER, ORDER.c.id == FULFILLMENT.c.order_id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .where(
                FULFILLMENT.c.state.in_([*AT_LOCATION, FulfillmentState.SENT_TO_SUPPLIER]),
                FULFILLMENT.c.created_at < created_before,
                ORDER.c.state.in_(RELEASED_STATES),
                IS_SERVED,
            )
            .order_by(FULFILLMENT.c.id)
        )
        if not with_suppliers:
            query = query.where(LOCATION.c.kind != LocationKind.SUPPLIER.value)
        return list(self._connection.execute(query).scalars())

    def _count(self, table: sa.Table, condition: sa.ColumnElement[bool]) -> int:
        return int(
            self._connection.execute(sa.select(sa.func.count()).select_from(table).where(condition)).scalar_one()
        )


def _channel_report(
    row: sa.Row[*tuple[Any, ...]], coverage: Coverage, orders: int, newest: datetime | None
) -> ChannelReport:
    return ChannelReport(
        name=row.name,
        platform=row.platform,
        paused=row.is_paused,
        gated=row.is_gated,
        problem=row.problem,
        orders=orders,
        last_publication=newest,
        in_flight=coverage.count(Group.IN_FLIGHT),
        confirmed=coverage.count(Group.CONFIRMED),
        error=coverage.count(Group.ERROR),
        excluded=coverage.count(Group.EXCLUDED),
        brakes=(),
    )


def _brakes(row: sa.Row[*tuple[Any, ...]], held_zeros: int, *, hears_first: bool) -> tuple[str, ...]:
    brakes = {
        "not live": row.is_gated,
        "shadow": row.is_shadow,
        "paused": row.is_paused,
        "hears first": hears_first,
        f"{held_zeros} zeros held": held_zeros > 0,
    }
    return tuple(name for name, is_on in brakes.items() if is_on)
