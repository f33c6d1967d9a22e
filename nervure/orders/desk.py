"""What order work needs from storage, each part with its own promise, and the desk that holds them all."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from nervure.inventory.availability import Parts
from nervure.inventory.ledger import LedgerRepository
from nervure.inventory.policies import Allowance
from nervure.inventory.stock import Entry, HeldClaim, Place, Take
from nervure.orders.costs import Costs
from nervure.orders.routing import Candidate
from nervure.orders.rules import Goods
from nervure.orders.work import BoundListing, FulfillmentLineState, Hold, KnownOrder, LineState, ReturnState
from schemas.fulfillment import FulfillmentState, StepKind
from schemas.orders import Order, OrderLine, Return, ReturnLine


class ClaimRepository(LedgerRepository, Protocol):
    """What order work does with stock beside taking it."""

    def parts_of(self, item_ids: Collection[int]) -> Mapping[int, Parts]: ...

    def allocate(self, takes: Sequence[tuple[Take, int]]) -> None: ...

    def held_for(self, fulfillment_line_ids: Collection[int]) -> list[HeldClaim]: ...

    def end_claims(self, claim_ids: Collection[int], state: str, *, at: datetime | None = None) -> list[Take]: ...

    def release_units(self, fulfillment_line_id: int, wanted: Mapping[int, int]) -> None: ...

    def owners_and_lots(self, level_ids: Collection[int]) -> Mapping[int, tuple[str, str]]: ...

    def oversold_claims(self, place: Place) -> tuple[int, list[HeldClaim]]: ...

    def lock_holds(self, order_id: int, reference: str | None) -> list[Hold]:
        """Locks the reservations made for an order (or named by it) that still hold units; answers their claims."""

    def take_over(self, order_id: int, holds: Sequence[Hold], shares: Sequence[tuple[Hold, int, int]]) -> None:
        """Ends the holds, and turns these shares of them into allocations: (hold, fulfillment line id, units)."""

    def serials_leave(self, fulfillment_line_ids: Collection[int], left_at: datetime) -> None:
        """The single units that were named for these lines have left with them."""

    def release_serials(self, fulfillment_line_id: int) -> None:
        """Lets go the single units that were named for a line beyond what it still holds, the newest first."""

    def serials_return(self, serials: Collection[str], entry: Entry, *, may_register: bool) -> None:
        """These single units came back with a movement; `may_register`: also those that were never heard of."""

    def strained_lines(self, places: Collection[Place]) -> Mapping[int, tuple[int, list[tuple[int, int]]]]:
        """Levels that owe more than they have: by how many units, and (fulfillment line, units), newest first."""


class BindingRepository(Protocol):
    """What a channel's own names stand for with us, within one transaction."""

    def listings_of(self, channel: str, listing_external_ids: Collection[str]) -> Mapping[str, BoundListing]:
        """Bound listings by external id; those that are known to be no goods are left out.

        Raises UnboundListingError, naming them, when another is not bound.
        """

    def location_of(self, channel: str, stock_point: str | None) -> int:
        """Where goods sold or given back at a stock point lie; None: the channel's first location."""


class OrderRepository(Protocol):
    """Orders and their lines in storage, as channels state them, within one transaction."""

    def upsert(self, order: Order) -> KnownOrder | None:
        """Locks the order and writes its newest form; None: a newer one is known already."""

    def lock(self, order_id: int) -> None:
        """Whoever changes what serves an order holds its lock first, and reads under it."""

    def mark_counted(self, order_id: int) -> None: ...

    def lines(self, order_id: int) -> list[LineState]: ...

    def lines_of(self, channel: str, order_external_id: str) -> list[LineState]:
        """The lines of an order by its channel's id; none where it is not known."""

    def put_lines(self, order_id: int, lines: Sequence[tuple[OrderLine, BoundListing, int, int]]) -> None:
        """Inserts or rewrites lines: (as stated, its binding, units ordered, units canceled)."""

    def put_money_lines(self, order_id: int, lines: Sequence[OrderLine]) -> None:
        """Notes the lines of an order that move money only."""

    def cancel_units(self, line_id: int, units_canceled: int) -> None: ...

    def untold_cuts(self, order_id: int) -> Mapping[int, int]:
        """Units by line that the hub gave up and the channel still states as open."""

    def told_cuts(self, line_ids: Collection[int]) -> None:
        """The channel states now what the hub gave up of these lines: nobody has to tell it any more."""

    def name_line(self, line_id: int, external_id: str) -> None:
        """The channel states a line that the hub had made, under a name of its own."""

    def explain(self, order_id: int, reasons: Mapping[str, str], bill: Mapping[str, Any] | None = None) -> None:
        """Keeps why each location was chosen or not, and what the plan costs in euros."""


class RoutingRepository(Protocol):
    """What routing weighs, within one transaction."""

    def lock_days(self, location_ids: Collection[int]) -> bool:
        """Locks those of these locations that have a limit of a day, after the levels; whether there are any.

        What they were given is counted after that, in the transaction that gives them more.
        """

    def costs(self) -> Costs:
        """What routing costs, as the settings say."""

    def goods_of(self, item_ids: Collection[int]) -> Mapping[int, Goods]:
        """What routing must know of each item."""

    def prices(self, item_ids: Collection[int]) -> Mapping[Place, int]:
        """What units of these items are worth to later orders, in micros, as far as the settings want it."""


class CandidateRepository(Protocol):
    """Who may serve an order, within one transaction."""

    def of_order(self, order_id: int, goods: Mapping[int, Goods], *, anew: bool = False) -> list[Candidate]:
        """The locations that may serve these goods of an order, by item; dropped ones too.

        For a pickup the one where the customer comes. `anew`: what it has of a location's day is its own.
        """


class FulfillmentRepository(Protocol):
    """Fulfillment orders in storage, within one transaction."""

    def add(self, order_id: int, location_id: int, state: FulfillmentState, units: Mapping[int, int]) -> dict[int, int]:
        """Writes a fulfillment order with units by order line; answers the fulfillment line ids by order line."""

    def lines(
        self, *, order_id: int | None = None, fulfillment_order_id: int | None = None, line_ids: Collection[int] = ()
    ) -> list[FulfillmentLineState]:
        """Fulfillment lines of an order, of a fulfillment order, or by their ids; those with units only."""

    def shrink(self, fulfillment_line_id: int, units: int) -> None:
        """Takes units off a fulfillment line; an order left without units is canceled."""

    def end(self, fulfillment_order_id: int, state: FulfillmentState, at: datetime, *, by: str = "") -> bool:
        """Locks its order and marks it shipped or handed over; False: that had been done."""

    def note_step(self, fulfillment_order_id: int, kind: StepKind, *, by: str = "", reason: str = "") -> None:
        """Writes what happened to a fulfillment order, and who did it; empty: the hub itself."""

    def name_of(self, fulfillment_order_id: int) -> tuple[str, str]:
        """The channel of its order, and how that calls it."""

    def moved(self, fulfillment_order_id: int, to_fulfillment_order_id: int) -> None:
        """Notes that a canceled fulfillment order is done by another one instead."""


class ShortfallRepository(Protocol):
    """What is missing of order lines, within one transaction."""

    def allowance(self, line_id: int) -> Allowance | None:
        """How many units of a line may be sold beyond what is there, locked until the end; None: none."""

    def put(self, line_id: int, units: int, reason: str, backorder: tuple[int, date | None]) -> None:
        """Writes the missing units of a line; `backorder`: units of them that are one, and when they are promised."""

    def lines_waiting_for(self, item_ids: Collection[int]) -> Mapping[int, set[int]]:
        """Order lines with a shortfall that these items (or kits made of them) could serve, by order, oldest first."""


class ReturnRepository(Protocol):
    """Returns in storage, within one transaction."""

    def put(self, goods: Return) -> int:
        """Writes the return's header if it is new; answers its id."""

    def line(self, return_id: int, line: ReturnLine, item_id: int) -> tuple[bool, ReturnState]:
        """Writes a return's line if it is new, with nothing booked yet; answers whether it was, and where it stands."""

    def put_line(self, state: ReturnState) -> None:
        """Writes where a return's line stands now."""

    def over_returned(self, channel: str, order: str) -> list[tuple[int, str, int]]:
        """Lines of an order by (id, external id, units that came back beyond what was sold; 0 and less: none)."""


class OutboxRepository(Protocol):
    """What must be told to others, queued within one transaction."""

    def order_drop_ships(self, order_id: int) -> None:
        """Queues drop-ship orders for what suppliers must do of it, once the channel says that it may be sent."""

    def tell_acceptance(self, order_id: int, lines: Mapping[str, bool]) -> None:
        """Queues the acceptance of every line of an order that waits for it."""

    def tell_shipment(self, fulfillment_order_id: int) -> None:
        """Queues the shipment's notice to the channel."""

    def tell_completion(self, order_id: int) -> None:
        """Queues that an order is complete, once, if some of it has left and nothing more is to come."""


class TaskRepository(Protocol):
    """What a person must look at, within one transaction."""

    def open(self, kind: str, subject: str, text: str) -> None: ...

    def close(self, kind: str, subject: str) -> None: ...


class ChannelNoteRepository(Protocol):
    """What a channel did to its own numbers, noted within one transaction."""

    def moved(self, order_id: int, units_by_listing: Mapping[int, int], moved_at: datetime) -> None:
        """Notes that the channel changed its own numbers by itself at `moved_at`, by these signed units."""

    def may_have_restocked(self, channel: str, listing_ids: Collection[int]) -> None:
        """Notes that what the channel shows of these listings is no longer known."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything order work holds in one transaction."""

    bindings: BindingRepository
    orders: OrderRepository
    routing: RoutingRepository
    candidates: CandidateRepository
    fulfillment: FulfillmentRepository
    shortfalls: ShortfallRepository
    returns: ReturnRepository
    outbox: OutboxRepository
    tasks: TaskRepository
    channel_notes: ChannelNoteRepository
    stock: ClaimRepository
    now: datetime
