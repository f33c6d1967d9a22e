"""What is offered for units that cannot be served, in SQL: opened once, ended once, and what became of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.orders.options import Option, Paid
from nervure.orders.substituting import Chosen
from nervure.store import tables
from nervure.store.holds import RESERVATION, RESERVATION_LINE
from nervure.store.outbox import OutboxStore
from nervure.store.shortfalls import PROPOSAL, UNPLANNED, ShortfallStore, paid_for
from nervure.store.statements import insert_new
from nervure.store.tables.catalogue import ITEM, LOCATION
from nervure.store.tables.channels import CHANNEL
from nervure.store.tables.orders import FULFILLMENT, FULFILLMENT_LINE, LINE, ORDER, SHORTFALL
from nervure.store.tables.substitution import CUT
from schemas.orders import DeliveryMethod, OrderState
from schemas.substitution import OptionKind

OPTION = tables.of(tables.ProposalOptionRow)


@dataclass(frozen=True, slots=True)
class OptionSeen:
    """One option as people see it. `places`: (location, units) where it is held, or was."""

    key: str
    kind: OptionKind
    sku: str | None
    title: str | None
    reason: str
    on: date | None
    due: Decimal
    places: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ProposalSeen:
    """A proposal as people see it."""

    id: int
    order_id: int
    line_id: int
    channel: str
    order: str
    order_number: str
    line: str
    sku: str
    title: str
    units: int
    currency: str
    state: str
    token: str
    opened_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    ended_by: str
    chosen: str | None
    options: tuple[OptionSeen, ...]

    @property
    def sentence(self) -> str:
        """What was proposed for missing units, and what became of it."""
        head = f"{self.opened_at:%Y-%m-%d %H:%M} UTC, {self.units} of {self.sku} missing"
        chosen = next((one.reason for one in self.options if one.key == self.chosen), "")
        match self.state:
            case "chosen":
                return f"{head}: {self.ended_by} chose {self.chosen}: {chosen}"
            case "open":
                keys = ", ".join(one.key for one in self.options)
                return f"{head}: proposed {keys}, to be answered by {self.expires_at:%Y-%m-%d %H:%M} UTC"
            case "expired":
                return f"{head}: nobody answered by {self.expires_at:%Y-%m-%d %H:%M} UTC"
            case _:
                return f"{head}: withdrawn, the units came or the order changed"


@dataclass(frozen=True, slots=True)
class ProposalState:
    """A proposal under the lock of its order."""

    id: int
    order_id: int
    line_id: int
    units: int
    state: str
    expires_at: datetime
    ended_at: datetime | None
    chosen: str | None


class ProposalStore:
    """The proposals of one transaction at one time of the hub's clock."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now

    # -- proposals ------------------------------------------------------------------------------------------------

    def open(self, line_id: int, units: int, token: str, expires_at: datetime) -> int | None:
        """Opens a proposal; None: the line has an open one."""
        row = {"order_line_id": line_id, "units": units, "state": "open", "token": token, "ended_by": ""}
        if not insert_new(self._connection, PROPOSAL, [row | {"opened_at": self._now, "expires_at": expires_at}]):
            return None
        found = sa.select(PROPOSAL.c.id).where(PROPOSAL.c.token == token)
        return int(self._connection.execute(found).scalar_one())

    def add_options(self, proposal_id: int, options: Sequence[tuple[Option, int | None]]) -> None:
        """Writes the options of a proposal, in their order, each with the reservation that holds its units."""
        rows = [
            {
                "proposal_id": proposal_id,
                "position": position,
                "key": one.key,
                "kind": one.kind.value,
                "reason": one.reason,
                "item_id": one.item_id,
                "listing_id": one.listing_id,
                "location_id": one.location_id,
                "expected_on": one.on,
                "due": one.due,
                "reservation_id": reservation,
            }
            for position, (one, reservation) in enumerate(options, start=1)
        ]
        self._connection.execute(OPTION.insert(), rows)

    def forget(self, proposal_id: int) -> None:
        """Takes a proposal out that was opened in this transaction and got no option."""
        self._connection.execute(PROPOSAL.delete().where(PROPOSAL.c.id == proposal_id))

    def order_of(self, token: str) -> tuple[int, int] | None:
        """The proposal of this token, and its order; None: there is none."""
        query = sa.select(PROPOSAL.c.id, LINE.c.order_id).join(LINE, LINE.c.id == PROPOSAL.c.order_line_id)
        row = self._connection.execute(query.where(PROPOSAL.c.token == token)).one_or_none()
        return None if row is None else (row.id, row.order_id)

    def find(self, proposal_id: int) -> ProposalState:
        """Reads a proposal; whoever changes what it is about holds the lock of its order."""
        query = (
            sa.select(PROPOSAL, LINE.c.order_id)
            .join(LINE, LINE.c.id == PROPOSAL.c.order_line_id)
            .where(PROPOSAL.c.id == proposal_id)
        )
        row = self._connection.execute(query).one()
        return ProposalState(
            row.id,
            row.order_id,
            row.order_line_id,
            row.units,
            row.state,
            row.expires_at,
            row.ended_at,
            row.chosen_key,
        )

    def end(self, proposal_id: int, state: str, *, by: str = "", chosen: str | None = None) -> bool:
        """Ends an open proposal; False: it had ended."""
        ended = self._connection.execute(
            PROPOSAL.update()
            .where(PROPOSAL.c.id == proposal_id, PROPOSAL.c.state == "open")
            .values(state=state, ended_at=self._now, ended_by=by, chosen_key=chosen)
        )
        return ended.rowcount == 1

    def chosen(self, proposal: ProposalState, key: str | None) -> Chosen | None:
        """One option of a proposal by its key (None: the first one); None: it has no such option."""
        query = (
            sa.select(OPTION, RESERVATION.c.reference)
            .join(RESERVATION, RESERVATION.c.id == OPTION.c.reservation_id, isouter=True)
            .where(OPTION.c.proposal_id == proposal.id)
            .order_by(OPTION.c.position)
        )
        row = self._connection.execute(query if key is None else query.where(OPTION.c.key == key)).first()
        if row is None:
            return None
        return Chosen(
            proposal.id,
            proposal.order_id,
            proposal.line_id,
            proposal.units,
            row.key,
            OptionKind(row.kind),
            row.reservation_id,
            row.reference,
            row.item_id,
            row.listing_id,
            row.location_id,
            row.expected_on,
            row.due,
        )

    def over(self, limit: int = 100) -> list[int]:
        """Open proposals that something must be done about: nobody answered in time, or units came meanwhile."""
        came = sa.or_(
            SHORTFALL.c.units < PROPOSAL.c.units, PROPOSAL.c.units > UNPLANNED, ORDER.c.state != OrderState.OPEN.value
        )
        query = (
            sa.select(PROPOSAL.c.id)
            .join(LINE, LINE.c.id == PROPOSAL.c.order_line_id)
            .join(ORDER, ORDER.c.id == LINE.c.order_id)
            .join(SHORTFALL, SHORTFALL.c.order_line_id == LINE.c.id)
            .where(PROPOSAL.c.state == "open", sa.or_(PROPOSAL.c.expires_at <= self._now, came))
            .order_by(PROPOSAL.c.id)
            .limit(limit)
        )
        return list(self._connection.execute(query).scalars())

    def held_for(self, proposal_id: int) -> list[str]:
        """References of the reservations that still hold units for a proposal."""
        query = (
            sa.select(RESERVATION.c.reference)
            .join(OPTION, OPTION.c.reservation_id == RESERVATION.c.id)
            .where(OPTION.c.proposal_id == proposal_id, RESERVATION.c.state == "held")
            .order_by(RESERVATION.c.id)
        )
        return list(self._connection.execute(query).scalars())

    # -- what is chosen ----------------------------------------------------------------------------------------

    def add_substitute(self, chosen: Chosen) -> int:
        title = sa.select(ITEM.c.title).where(ITEM.c.id == chosen.item_id).scalar_subquery()
        # What was paid for the units whose place it takes was paid for it.
        total = self._paid(chosen.line_id).share(chosen.units) + chosen.due
        row = {
            "order_id": chosen.order_id,
            "external_id": f"nervure-{chosen.proposal_id}",
            "listing_id": chosen.listing_id,
            "item_id": chosen.item_id,
            "title": title,
            "units_ordered": chosen.units,
            "units_canceled": 0,
            "unit_price": total / chosen.units,
            "line_total": total,
            "tax_amount": Decimal(0),
            "units_charged": chosen.units,
            "discount_amount": Decimal(0),
            "substitutes_id": chosen.line_id,
            "is_stated": False,
        }
        return int(self._connection.execute(LINE.insert().values(**row).returning(LINE.c.id)).scalar_one())

    def _paid(self, line_id: int) -> Paid:
        query = (
            sa.select(LINE, ORDER.c.currency, ORDER.c.tax_included)
            .join(ORDER, ORDER.c.id == LINE.c.order_id)
            .where(LINE.c.id == line_id)
        )
        return paid_for(self._connection.execute(query).one())

    def cut(self, chosen: Chosen, reason: str, substitute_line_id: int | None) -> None:
        row = {
            "order_line_id": chosen.line_id,
            "proposal_id": chosen.proposal_id,
            "units": chosen.units,
            "reason": reason,
            "substitute_line_id": substitute_line_id,
            "cut_at": self._now,
        }
        self._connection.execute(CUT.insert().values(**row))

    def agree_on(self, chosen: Chosen, day: date) -> int:
        return ShortfallStore(self._connection, self._now).agree_on(chosen.line_id, chosen.units, day)

    def fetched_at(self, fulfillment_line_ids: list[int]) -> None:
        numbers = sa.select(FULFILLMENT_LINE.c.fulfillment_order_id).where(
            FULFILLMENT_LINE.c.id.in_(fulfillment_line_ids)
        )
        self._connection.execute(
            FULFILLMENT.update()
            .where(FULFILLMENT.c.id.in_(numbers))
            .values(delivery_method=DeliveryMethod.PICKUP.value)
        )

    def tell_cancellation(self, chosen: Chosen, seen: ProposalSeen) -> None:
        """Queues that the channel is told of all units of a line that are canceled, whoever canceled them.

        But not of those that others take the place of while the channel does not know these: they are paid for.
        """
        replaced = (
            sa.select(sa.func.coalesce(sa.func.sum(CUT.c.units), 0))
            .where(CUT.c.order_line_id == LINE.c.id, CUT.c.substitute_line_id.is_not(None), CUT.c.known_at.is_(None))
            .scalar_subquery()
        )
        canceled = sa.select(LINE.c.units_canceled - replaced).where(LINE.c.id == chosen.line_id)
        lines = {seen.line: int(self._connection.execute(canceled).scalar_one())}
        payload = {"order": seen.order, "lines": lines, "proposal": chosen.proposal_id}
        OutboxStore(self._connection, self._now).enqueue(
            "cancellation", seen.channel, f"proposal:{chosen.proposal_id}", payload
        )

    # -- what people see ---------------------------------------------------------------------------------------

    def seen(
        self,
        *,
        token: str | None = None,
        proposal_id: int | None = None,
        channel: str | None = None,
        order: str | None = None,
        state: str | None = None,
    ) -> list[ProposalSeen]:
        """Proposals with their options, the newest last: by token, by number, of an order, or in a state."""
        query = (
            sa.select(
                PROPOSAL,
                CHANNEL.c.name.label("channel"),
                LINE.c.order_id,
                ORDER.c.external_id.label("order_name"),
                ORDER.c.number,
                ORDER.c.currency,
                LINE.c.external_id.label("line"),
                ITEM.c.sku,
                ITEM.c.title,
            )
            .join(LINE, LINE.c.id == PROPOSAL.c.order_line_id)
            .join(ITEM, ITEM.c.id == LINE.c.item_id)
            .join(ORDER, ORDER.c.id == LINE.c.order_id)
            .join(CHANNEL, CHANNEL.c.id == ORDER.c.channel_id)
            .order_by(PROPOSAL.c.id)
        )
        if token is not None:
            query = query.where(PROPOSAL.c.token == token)
        if proposal_id is not None:
            query = query.where(PROPOSAL.c.id == proposal_id)
        if channel is not None:
            query = query.where(CHANNEL.c.name == channel)
        if order is not None:
            query = query.where(sa.or_(ORDER.c.external_id == order, ORDER.c.number == order))
        if state is not None:
            query = query.where(PROPOSAL.c.state == state)
        rows = self._connection.execute(query).all()
        options = self._options([row.id for row in rows])
        return [
            ProposalSeen(
                row.id,
                row.order_id,
                row.order_line_id,
                row.channel,
                row.order_name,
                row.number,
                row.line,
                row.sku,
                row.title,
                row.units,
                row.currency,
                row.state,
                row.token,
                row.opened_at,
                row.expires_at,
                row.ended_at,
                row.ended_by,
                row.chosen_key,
                tuple(options.get(row.id, ())),
            )
            for row in rows
        ]

    def _options(self, proposal_ids: Sequence[int]) -> Mapping[int, list[OptionSeen]]:
        query = (
            sa.select(OPTION, ITEM.c.sku, ITEM.c.title)
            .join(ITEM, ITEM.c.id == OPTION.c.item_id, isouter=True)
            .where(OPTION.c.proposal_id.in_(proposal_ids))
            .order_by(OPTION.c.position)
        )
        rows = self._connection.execute(query).all()
        held: dict[int, list[tuple[str, int]]] = {}
        places = (
            sa.select(RESERVATION_LINE.c.reservation_id, LOCATION.c.code, RESERVATION_LINE.c.units)
            .join(LOCATION, LOCATION.c.id == RESERVATION_LINE.c.location_id)
            .where(RESERVATION_LINE.c.reservation_id.in_([row.reservation_id for row in rows if row.reservation_id]))
            .order_by(RESERVATION_LINE.c.id)
        )
        for place in self._connection.execute(places):
            held.setdefault(place.reservation_id, []).append((place.code, place.units))
        found: dict[int, list[OptionSeen]] = {}
        for row in rows:
            seen = OptionSeen(
                row.key,
                OptionKind(row.kind),
                row.sku,
                row.title,
                row.reason,
                row.expected_on,
                row.due,
                tuple(held.get(row.reservation_id, ())),
            )
            found.setdefault(row.proposal_id, []).append(seen)
        return found
