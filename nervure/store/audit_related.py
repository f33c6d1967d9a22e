"""Rows of other tables beside each other: corrections, counts, serials, orders, choices, recipes and transfers."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from nervure.store import tables
from nervure.store.audit_rows import KEY, RowAudit, RowAuditStore, as_row, with_names_of_level
from nervure.store.holds import RESERVATION
from nervure.store.proposals import OPTION
from nervure.store.serial_claims import SERIAL, SERIAL_CLAIM
from nervure.store.shortfalls import PROPOSAL
from nervure.store.statements import KIT, LEVEL, MOVEMENT, OBSERVATION
from nervure.store.tables.catalogue import ITEM, LISTING, LOCATION
from nervure.store.tables.orders import FULFILLMENT, FULFILLMENT_LINE, LINE, ORDER, SHORTFALL
from nervure.store.tables.substitution import CUT
from nervure.store.tasks import TASK
from nervure.store.transfers import TRANSFER, TRANSFER_LINE
from schemas.substitution import OptionKind

CYCLE_COUNT = tables.of(tables.CycleCountRow)
CYCLE_COUNT_LINE = tables.of(tables.CycleCountLineRow)

_LEFT = ("shipped", "handed_over")


class RelatedAuditStore(RowAuditStore):
    """Reads related rows side by side."""

    def corrections(self) -> Iterator[RowAudit]:
        """Corrections that take back something else than they say."""
        first, first_level = MOVEMENT.alias("first"), LEVEL.alias("first_level")
        by_count = MOVEMENT.c.cause_key.contains("|counted", autoescape=True)
        opposite = sa.and_(
            first.c.stock_level_id == MOVEMENT.c.stock_level_id,
            sa.case((first.c.units > 0, MOVEMENT.c.units.between(-first.c.units, -1)), else_=True),
            sa.case((first.c.units < 0, MOVEMENT.c.units.between(1, -first.c.units)), else_=True),
        )
        same_place = sa.and_(first_level.c.item_id == LEVEL.c.item_id, first_level.c.location_id == LEVEL.c.location_id)
        query = (
            with_names_of_level(sa.select(MOVEMENT.c.id, MOVEMENT.c.units), MOVEMENT)
            .join(first, first.c.id == MOVEMENT.c.compensates_id, isouter=True)
            .join(first_level, first_level.c.id == first.c.stock_level_id, isouter=True)
            .where(
                MOVEMENT.c.compensates_id.is_not(None),
                sa.or_(
                    first.c.id.is_(None),
                    first.c.id == MOVEMENT.c.id,
                    sa.not_(sa.func.coalesce(sa.case((by_count, same_place), else_=opposite), sa.false())),
                ),
            )
        )
        for row in self.stream(query):
            yield as_row("movement", row, "takes back another movement than its own", "the opposite units on one level")

    def lost_words(self) -> Iterator[RowAudit]:
        """Differences that were booked for a count that is not there, and counts of a document that nobody heard."""
        same = sa.and_(OBSERVATION.c.item_id == LEVEL.c.item_id, OBSERVATION.c.location_id == LEVEL.c.location_id)
        heard = sa.or_(OBSERVATION.c.observed_at == MOVEMENT.c.occurred_at, OBSERVATION.c.basis == "running")
        movements = with_names_of_level(sa.select(MOVEMENT.c.id, MOVEMENT.c.units), MOVEMENT).where(
            MOVEMENT.c.cause_key.startswith("count|"),
            MOVEMENT.c.compensates_id.is_(None),
            ~sa.select(OBSERVATION.c.id).where(same, heard).exists(),
        )
        for row in self.stream(movements):
            yield as_row("movement", row, "books the difference of a count that is not there", "a count")
        line = CYCLE_COUNT_LINE.c
        said = sa.and_(
            *(OBSERVATION.c[name] == line[name] for name in KEY if name != "location_id"),
            OBSERVATION.c.source == sa.literal("count:") + CYCLE_COUNT.c.name,
            OBSERVATION.c.location_id == CYCLE_COUNT.c.location_id,
            OBSERVATION.c.units == line.units,
            OBSERVATION.c.observed_at == line.counted_at,
        )
        lines = (
            sa.select(line.id, line.units, ITEM.c.sku.label("at_sku"), LOCATION.c.code.label("at_code"))
            .join(CYCLE_COUNT, CYCLE_COUNT.c.id == line.cycle_count_id)
            .join(ITEM, ITEM.c.id == line.item_id)
            .join(LOCATION, LOCATION.c.id == CYCLE_COUNT.c.location_id)
            .where(line.booked_at.is_not(None), ~sa.select(OBSERVATION.c.id).where(said).exists())
        )
        for row in self.stream(lines):
            yield as_row("cycle_count_line", row, "booked, and nothing was heard of it", "a count of the same units")

    def serials(self) -> Iterator[RowAudit]:
        """Single units that are not where their claims say."""
        fits = sa.case(
            (SERIAL_CLAIM.c.state == "left", SERIAL.c.state == "left"),
            (
                SERIAL_CLAIM.c.state == "held",
                sa.and_(SERIAL.c.state == "here", SERIAL.c.location_id == FULFILLMENT.c.location_id),
            ),
            else_=True,
        )
        line_is = sa.case(
            (SERIAL_CLAIM.c.state == "held", FULFILLMENT.c.state.not_in([*_LEFT, "canceled"])),
            (SERIAL_CLAIM.c.state == "left", FULFILLMENT.c.state.in_(_LEFT)),
            else_=True,
        )
        kit = ITEM.alias("kit")
        of_line = sa.or_(
            LINE.c.item_id == SERIAL.c.item_id,
            sa.select(kit.c.id).where(kit.c.id == LINE.c.item_id, kit.c.kind == "kit").exists(),
        )
        query = (
            sa.select(
                SERIAL_CLAIM.c.id,
                sa.literal(1).label("units"),
                ITEM.c.sku.label("at_sku"),
                LOCATION.c.code.label("at_code"),
            )
            .join(SERIAL, SERIAL.c.id == SERIAL_CLAIM.c.serial_id)
            .join(ITEM, ITEM.c.id == SERIAL.c.item_id)
            .join(FULFILLMENT_LINE, FULFILLMENT_LINE.c.id == SERIAL_CLAIM.c.fulfillment_line_id)
            .join(FULFILLMENT, FULFILLMENT.c.id == FULFILLMENT_LINE.c.fulfillment_order_id)
            .join(LINE, LINE.c.id == FULFILLMENT_LINE.c.order_line_id)
            .join(LOCATION, LOCATION.c.id == FULFILLMENT.c.location_id)
            .where(sa.not_(sa.and_(fits, line_is, of_line)))
        )
        for row in self.stream(query):
            yield as_row("serial_claim", row, "a unit that is not where its claim says", "one place and one line")
        gone = sa.select(SERIAL_CLAIM.c.id).where(
            SERIAL_CLAIM.c.serial_id == SERIAL.c.id, SERIAL_CLAIM.c.state == "left"
        )
        by_order = (
            sa.select(
                SERIAL.c.id, sa.literal(1).label("units"), ITEM.c.sku.label("at_sku"), sa.literal("").label("at_code")
            )
            .join(ITEM, ITEM.c.id == SERIAL.c.item_id)
            .where(SERIAL.c.state == "left", SERIAL.c.document.startswith("order:"), ~gone.exists())
        )
        for row in self.stream(by_order):
            yield as_row("serial", row, "left with an order, and no line has it", "a serial claim")

    def orders(self) -> Iterator[RowAudit]:
        """Orders without a line, lines of another channel's listing, and told shortfalls that are not there."""
        no_line = ~sa.select(LINE.c.id).where(LINE.c.order_id == ORDER.c.id).exists()
        # An order of money lines only is written without lines of goods.
        empty = sa.select(ORDER.c.id, ORDER.c.number).where(
            no_line, sa.or_(ORDER.c.is_counted, sa.cast(ORDER.c.money_lines, sa.String) == "[]")
        )
        for row in self.stream(empty):
            yield RowAudit("sales_order", str(row.id), "", "", 0, f"order {row.number} has no lines", "at least one")
        foreign = (
            sa.select(
                LINE.c.id,
                LINE.c.units_ordered.label("units"),
                ITEM.c.sku.label("at_sku"),
                sa.literal("").label("at_code"),
            )
            .join(ORDER, ORDER.c.id == LINE.c.order_id)
            .join(LISTING, LISTING.c.id == LINE.c.listing_id)
            .join(ITEM, ITEM.c.id == LINE.c.item_id)
            .where(LISTING.c.channel_id != ORDER.c.channel_id)
        )
        for row in self.stream(foreign):
            yield as_row("order_line", row, "its listing is of another channel", "a listing of the order's channel")
        subject = sa.literal("order_line:") + sa.cast(LINE.c.id, sa.String)
        told = (
            sa.select(
                LINE.c.id,
                LINE.c.units_ordered.label("units"),
                ITEM.c.sku.label("at_sku"),
                sa.literal("").label("at_code"),
            )
            .join(TASK, sa.and_(TASK.c.kind == "shortfall", TASK.c.subject == subject))
            .join(ITEM, ITEM.c.id == LINE.c.item_id)
            .where(~sa.select(SHORTFALL.c.id).where(SHORTFALL.c.order_line_id == LINE.c.id).exists())
            .distinct()
        )
        for row in self.stream(told):
            yield as_row("order_line", row, "somebody was told of a shortfall that is not there", "a shortfall")

    def choices(self) -> Iterator[RowAudit]:
        """What was given up, put in its place or held for a choice, and does not fit together."""
        instead = LINE.alias("instead")
        names = (ITEM.c.sku.label("at_sku"), sa.literal("").label("at_code"))
        cuts = (
            sa.select(CUT.c.id, CUT.c.units, *names)
            .join(PROPOSAL, PROPOSAL.c.id == CUT.c.proposal_id)
            .join(LINE, LINE.c.id == CUT.c.order_line_id)
            .join(ITEM, ITEM.c.id == LINE.c.item_id)
            .join(instead, instead.c.id == CUT.c.substitute_line_id, isouter=True)
            .where(
                sa.or_(
                    PROPOSAL.c.order_line_id != CUT.c.order_line_id,
                    PROPOSAL.c.state != "chosen",
                    PROPOSAL.c.units != CUT.c.units,
                    sa.and_(CUT.c.known_at.is_(None), LINE.c.units_canceled < CUT.c.units),
                    sa.and_(
                        CUT.c.substitute_line_id.is_not(None),
                        instead.c.substitutes_id.is_distinct_from(CUT.c.order_line_id),
                    ),
                )
            )
        )
        for row in self.stream(cuts):
            yield as_row("line_cut", row, "is not what was chosen", "the units of a choice, canceled on its line")
        is_cut = sa.select(CUT.c.id).where(
            CUT.c.substitute_line_id == LINE.c.id, CUT.c.order_line_id == LINE.c.substitutes_id
        )
        lines = (
            sa.select(LINE.c.id, LINE.c.units_ordered.label("units"), *names)
            .join(ITEM, ITEM.c.id == LINE.c.item_id)
            .where(LINE.c.substitutes_id.is_not(None), ~is_cut.exists())
        )
        for row in self.stream(lines):
            yield as_row("order_line", row, "takes the place of units that were not given up", "units given up for it")
        gives_up = ~sa.or_(OPTION.c.kind == OptionKind.PICKUP.value, OPTION.c.kind == OptionKind.LATER.value)
        uncut = (
            sa.select(PROPOSAL.c.id, PROPOSAL.c.units, *names)
            .join(OPTION, sa.and_(OPTION.c.proposal_id == PROPOSAL.c.id, OPTION.c.key == PROPOSAL.c.chosen_key))
            .join(LINE, LINE.c.id == PROPOSAL.c.order_line_id)
            .join(ITEM, ITEM.c.id == LINE.c.item_id)
            .where(gives_up, ~sa.select(CUT.c.id).where(CUT.c.proposal_id == PROPOSAL.c.id).exists())
        )
        for row in self.stream(uncut):
            yield as_row("proposal", row, "was chosen, and no units were given up", "the units that it is about")
        is_chosen = sa.and_(PROPOSAL.c.state == "chosen", PROPOSAL.c.chosen_key == OPTION.c.key)
        holds = (
            sa.select(OPTION.c.id, PROPOSAL.c.units, *names)
            .join(PROPOSAL, PROPOSAL.c.id == OPTION.c.proposal_id)
            .join(LINE, LINE.c.id == PROPOSAL.c.order_line_id)
            .join(ITEM, ITEM.c.id == LINE.c.item_id)
            .join(RESERVATION, RESERVATION.c.id == OPTION.c.reservation_id)
            .where(
                sa.or_(
                    sa.and_(PROPOSAL.c.state != "open", RESERVATION.c.state == "held"),
                    is_chosen != (RESERVATION.c.state == "consumed"),
                )
            )
        )
        for row in self.stream(holds):
            yield as_row("proposal_option", row, "holds units, or gave them, otherwise than was chosen", "as chosen")

    def recipes(self) -> Iterator[RowAudit]:
        """Kits without parts."""
        parts = sa.select(KIT.c.kit_id).where(KIT.c.kit_id == ITEM.c.id).exists()
        for row in self.stream(sa.select(ITEM.c.id, ITEM.c.sku).where(ITEM.c.kind == "kit", ~parts)):
            yield RowAudit("item", str(row.id), row.sku, "", 0, "a kit without parts", "parts")

    def lost_transfers(self) -> Iterator[RowAudit]:
        """Movements of a line of a transfer that is not there."""
        sent = sa.literal("transfer_line|") + sa.cast(TRANSFER_LINE.c.id, sa.String) + "|sent|out"
        query = with_names_of_level(sa.select(MOVEMENT.c.id, MOVEMENT.c.units), MOVEMENT).where(
            MOVEMENT.c.cause_key.like("transfer_line|%|sent|out"),
            ~sa.select(TRANSFER_LINE.c.id).where(sent == MOVEMENT.c.cause_key).exists(),
        )
        for row in self.stream(query):
            yield as_row("movement", row, "left with a transfer whose line is not there", "a line of a transfer")

    def transfer_lines(self) -> Iterator[tuple[str, str, str, int, int]]:
        """Every line of a transfer and every step of it: what, sku, location, units it says, units of the ledger."""
        query = (
            sa.select(TRANSFER_LINE, TRANSFER.c.name, ITEM.c.sku, LOCATION.c.code)
            .join(TRANSFER, TRANSFER.c.id == TRANSFER_LINE.c.transfer_id)
            .join(ITEM, ITEM.c.id == TRANSFER_LINE.c.item_id)
            .join(LOCATION, LOCATION.c.id == TRANSFER.c.origin_id)
            .order_by(TRANSFER_LINE.c.id)
        )
        step = sa.literal("transfer_line|") + sa.cast(TRANSFER_LINE.c.id, sa.String)
        own = sa.and_(
            MOVEMENT.c.document == sa.literal("transfer:") + TRANSFER.c.name,
            LEVEL.c.item_id == TRANSFER_LINE.c.item_id,
            LEVEL.c.owner == TRANSFER_LINE.c.owner,
            LEVEL.c.condition == TRANSFER_LINE.c.condition,
            LEVEL.c.lot == TRANSFER_LINE.c.lot,
            MOVEMENT.c.compensates_id.is_(None),
        )

        def booked(sign: int, *patterns: str) -> sa.ScalarSelect[Any]:
            like = sa.or_(*(MOVEMENT.c.cause_key.like(step + pattern) for pattern in patterns))
            units = sa.func.coalesce(sa.func.sum(sign * MOVEMENT.c.units), 0)
            return (
                sa.select(units)
                .join_from(MOVEMENT, LEVEL, LEVEL.c.id == MOVEMENT.c.stock_level_id)
                .where(own, like)
                .correlate(TRANSFER_LINE, TRANSFER)
                .scalar_subquery()
            )

        query = query.add_columns(
            booked(-1, "|sent|out").label("sent"),
            booked(-1, "|arrived|%|out").label("arrived"),
            booked(-1, "|returned|out").label("returned"),
            booked(-1, "|lost").label("lost"),
        )
        for row in self.stream(query):
            steps = {
                "sent": (row.units_sent, row.sent),
                "arrived": (row.units_arrived, row.arrived),
                "returned": (row.units_returned, row.returned),
                "lost": (row.units_lost, row.lost),
            }
            for name, (said, booked_units) in steps.items():
                yield f"transfer {row.name}, units {name}", row.sku, row.code, said, int(booked_units)
