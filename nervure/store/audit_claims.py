"""Claims beside what they were made for: lines of fulfillment orders, and reservations."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from nervure.store.audit_rows import RowAudit, RowAuditStore, as_row, with_names_of_level
from nervure.store.holds import RESERVATION, RESERVATION_LINE
from nervure.store.statements import CLAIM, LEVEL, MOVEMENT
from nervure.store.tables.catalogue import ITEM, LOCATION
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.orders import FULFILLMENT, FULFILLMENT_LINE, LINE, ORDER

_LEFT = ("shipped", "handed_over")


@dataclass(slots=True)
class FulfillmentAudit:
    """One fulfillment line beside the claims that were made for it, by (sku, location).

    `gone_units`: what movements say left for it without a claim: at a till, or out of another system's stock.
    """

    number: int
    channel: str
    order: str
    sku: str
    location: str
    state: str
    is_kit: bool
    is_of_order: bool
    units: int
    units_given_back: int
    held: Counter[tuple[str, str]] = field(default_factory=Counter)
    consumed: Counter[tuple[str, str]] = field(default_factory=Counter)
    released: Counter[tuple[str, str]] = field(default_factory=Counter)
    gone: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class HoldAudit:
    """One reservation beside its claims. `asked` and `claimed`: units by sku; kits were asked for where `has_kits`."""

    reference: str
    state: str
    has_kits: bool
    names_its_order: bool
    asked: Counter[str] = field(default_factory=Counter)
    claimed: Counter[str] = field(default_factory=Counter)
    states: set[str] = field(default_factory=set)
    late_claims: int = 0


class ClaimAuditStore(RowAuditStore):
    """Reads related rows side by side."""

    def fulfillment(self) -> Iterator[FulfillmentAudit]:
        """Every fulfillment line with its claims, or its movements where it never had any."""
        by_number = groupby(self.stream(_fulfillment()), key=lambda row: row.number)
        gone = groupby(self.stream(_gone()), key=lambda row: row.number)
        number, rows = next(gone, (None, iter(())))
        for line, found in by_number:
            group = list(found)
            one = _as_fulfillment(group[0])
            for row in group:
                if row.claim_state is not None:
                    getattr(one, row.claim_state)[row.claimed_sku or "?", row.claimed_at or "?"] += int(row.claimed)
            if number == line:
                for row in rows:
                    one.gone[row.sku, row.code] -= row.units
                number, rows = next(gone, (None, iter(())))
            yield one

    def left_claims(self) -> Iterator[RowAudit]:
        """Allocations that ended because goods left, without the movement; and movements without the claim."""
        cause = sa.literal("claim|") + sa.cast(CLAIM.c.id, sa.String)
        is_it = sa.and_(
            MOVEMENT.c.cause_key == cause,
            MOVEMENT.c.stock_level_id == CLAIM.c.stock_level_id,
            MOVEMENT.c.units == -CLAIM.c.units,
        )
        claims = with_names_of_level(
            sa.select(CLAIM.c.id, CLAIM.c.units).where(
                CLAIM.c.kind == "allocation",
                CLAIM.c.state == "consumed",
                ~sa.select(MOVEMENT.c.id).where(is_it).exists(),
            ),
            CLAIM,
        )
        movements = with_names_of_level(
            sa.select(MOVEMENT.c.id, MOVEMENT.c.units).where(
                MOVEMENT.c.kind == "shipped",
                MOVEMENT.c.cause_key.startswith("claim|"),
                ~sa.select(CLAIM.c.id).where(is_it, CLAIM.c.state == "consumed").exists(),
            ),
            MOVEMENT,
        )
        for row in self.stream(claims):
            yield as_row("claim", row, "consumed, and no movement took its units away", "a movement")
        for row in self.stream(movements):
            yield as_row("movement", row, "left for a claim that is not there, or of other units", "a consumed claim")

    def holds(self) -> Iterator[HoldAudit]:
        """Every reservation with what was asked for and what it claimed."""
        asked = self._by_hold(_asked())
        claimed = self._by_hold(_claimed())
        names_its_order = sa.case(
            (
                RESERVATION.c.state == "consumed",
                sa.and_(
                    ORDER.c.external_id == RESERVATION.c.order_external_id,
                    ORDER.c.channel_id == RESERVATION.c.channel_id,
                ),
            ),
            else_=True,
        )
        query = (
            sa.select(RESERVATION.c.id, RESERVATION.c.reference, RESERVATION.c.state, names_its_order.label("named"))
            .join(ORDER, ORDER.c.id == RESERVATION.c.order_id, isouter=True)
            .order_by(RESERVATION.c.id)
        )
        wanted, taken = next(asked, (None, [])), next(claimed, (None, []))
        for row in self.stream(query):
            one = HoldAudit(row.reference, row.state, has_kits=False, names_its_order=bool(row.named))
            if wanted[0] == row.id:
                for ask in wanted[1]:
                    one.asked[ask.sku] += ask.units
                    one.has_kits |= ask.kind == "kit"
                wanted = next(asked, (None, []))
            if taken[0] == row.id:
                for claim in taken[1]:
                    one.claimed[claim.sku or "?"] += claim.units
                    one.states.add(claim.state)
                    one.late_claims += claim.is_late
                taken = next(claimed, (None, []))
            yield one

    def unheld_claims(self) -> Iterator[RowAudit]:
        """Claims of a reservation that is not there."""
        known = sa.literal("reservation:") + RESERVATION.c.reference == CLAIM.c.reference
        query = with_names_of_level(
            sa.select(CLAIM.c.id, CLAIM.c.units).where(
                CLAIM.c.reference.startswith("reservation:"), ~sa.select(RESERVATION.c.id).where(known).exists()
            ),
            CLAIM,
        )
        for row in self.stream(query):
            yield as_row("claim", row, "held for a reservation that is not there", "a reservation")

    def _by_hold(self, query: sa.Select[Any]) -> Iterator[tuple[int | None, list[Any]]]:
        for number, rows in groupby(self.stream(query), key=lambda row: row.reservation_id):
            yield number, list(rows)


def _fulfillment() -> sa.Select[Any]:
    claims = (
        sa.select(
            CLAIM.c.fulfillment_line_id,
            CLAIM.c.stock_level_id,
            CLAIM.c.state,
            sa.func.sum(CLAIM.c.units).label("units"),
        )
        .where(CLAIM.c.fulfillment_line_id.is_not(None))
        .group_by(CLAIM.c.fulfillment_line_id, CLAIM.c.stock_level_id, CLAIM.c.state)
        .subquery()
    )
    part, there = ITEM.alias("part"), LOCATION.alias("there")
    return (
        sa.select(
            FULFILLMENT_LINE.c.id.label("number"),
            CHANNEL.c.name,
            ORDER.c.external_id,
            ITEM.c.sku,
            ITEM.c.kind,
            LOCATION.c.code,
            FULFILLMENT.c.state,
            (FULFILLMENT.c.order_id == LINE.c.order_id).label("is_of_order"),
            FULFILLMENT_LINE.c.units,
            FULFILLMENT_LINE.c.units_given_back,
            claims.c.state.label("claim_state"),
            claims.c.units.label("claimed"),
            part.c.sku.label("claimed_sku"),
            there.c.code.label("claimed_at"),
        )
        .join(FULFILLMENT, FULFILLMENT.c.id == FULFILLMENT_LINE.c.fulfillment_order_id)
        .join(LINE, LINE.c.id == FULFILLMENT_LINE.c.order_line_id)
        .join(ORDER, ORDER.c.id == FULFILLMENT.c.order_id)
        .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
        .join(ITEM, ITEM.c.id == LINE.c.item_id)
        .join(LOCATION, LOCATION.c.id == FULFILLMENT.c.location_id)
        .join(claims, claims.c.fulfillment_line_id == FULFILLMENT_LINE.c.id, isouter=True)
        .join(LEVEL, LEVEL.c.id == claims.c.stock_level_id, isouter=True)
        .join(part, part.c.id == LEVEL.c.item_id, isouter=True)
        .join(there, there.c.id == LEVEL.c.location_id, isouter=True)
        .order_by(FULFILLMENT_LINE.c.id)
    )


def _gone() -> sa.Select[Any]:
    """What movements say left for a line without a claim: their cause names the line."""
    cause = sa.literal("fulfillment|") + sa.cast(FULFILLMENT_LINE.c.id, sa.String) + "|"
    document = sa.literal("order:") + CHANNEL.c.name + ":" + ORDER.c.external_id
    return (
        sa.select(FULFILLMENT_LINE.c.id.label("number"), ITEM.c.sku, LOCATION.c.code, MOVEMENT.c.units)
        .join(FULFILLMENT, FULFILLMENT.c.id == FULFILLMENT_LINE.c.fulfillment_order_id)
        .join(ORDER, ORDER.c.id == FULFILLMENT.c.order_id)
        .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
        .join(
            MOVEMENT,
            sa.and_(
                MOVEMENT.c.document == document,
                sa.func.substr(MOVEMENT.c.cause_key, 1, sa.func.length(cause)) == cause,
                MOVEMENT.c.kind.in_(["sold", "shipped"]),
            ),
        )
        .join(LEVEL, LEVEL.c.id == MOVEMENT.c.stock_level_id)
        .join(ITEM, ITEM.c.id == LEVEL.c.item_id)
        .join(LOCATION, LOCATION.c.id == LEVEL.c.location_id)
        .where(FULFILLMENT.c.state.in_(_LEFT))
        .order_by(FULFILLMENT_LINE.c.id)
    )


def _as_fulfillment(row: Any) -> FulfillmentAudit:
    return FulfillmentAudit(
        row.number,
        row.name,
        row.external_id,
        row.sku,
        row.code,
        row.state,
        row.kind == "kit",
        bool(row.is_of_order),
        row.units,
        row.units_given_back,
    )


def _asked() -> sa.Select[Any]:
    return (
        sa.select(RESERVATION_LINE.c.reservation_id, RESERVATION_LINE.c.units, ITEM.c.sku, ITEM.c.kind)
        .join(ITEM, ITEM.c.id == RESERVATION_LINE.c.item_id)
        .order_by(RESERVATION_LINE.c.reservation_id)
    )


def _claimed() -> sa.Select[Any]:
    return (
        sa.select(
            RESERVATION.c.id.label("reservation_id"),
            CLAIM.c.units,
            CLAIM.c.state,
            ITEM.c.sku,
            sa.cast(CLAIM.c.expires_at > RESERVATION.c.expires_at, sa.Integer).label("is_late"),
        )
        .join(CLAIM, CLAIM.c.reference == sa.literal("reservation:") + RESERVATION.c.reference)
        .join(LEVEL, LEVEL.c.id == CLAIM.c.stock_level_id, isouter=True)
        .join(ITEM, ITEM.c.id == LEVEL.c.item_id, isouter=True)
        .order_by(RESERVATION.c.id)
    )
