"""The words of order work in internal ids, and what it needs from storage."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple, Protocol

from nervure.inventory.availability import Parts
from nervure.inventory.ledger import LedgerRepository
from nervure.inventory.policies import Allowance
from nervure.inventory.stock import Entry, HeldClaim, Place, Take
from nervure.orders.costs import Costs
from nervure.orders.routing import Candidate
from nervure.orders.rules import Goods
from schemas.fulfillment import FulfillmentState, StepKind
from schemas.orders import Order, OrderLine, OrderState, Return, ReturnLine
from schemas.stock import Condition


class UnboundListingError(Exception):
    """An order or a count names a listing that is not bound to an item (yet)."""


@dataclass(frozen=True, slots=True)
class BoundListing:
    """A listing with the item behind it."""

    listing_id: int
    item_id: int


class KnownOrder(NamedTuple):
    """An order under its lock. `is_tie`: another statement of the same instant was heard before."""

    id: int
    is_new: bool
    was_counted: bool
    is_tie: bool


@dataclass(frozen=True, slots=True)
class LineState:
    """Where one order line stands. `units_served` are in fulfillment orders, whatever their state.

    `units_backordered` of those that are short were sold beyond what is there on purpose; `is_overdue`: the day on
    which they were promised has passed. `is_stated` False: the hub made the line, in the place of another one's units,
    and the channel does not know it.
    """

    id: int
    external_id: str
    listing_id: int
    item_id: int
    units_ordered: int
    units_canceled: int
    units_served: int
    units_short: int
    units_backordered: int = 0
    is_overdue: bool = False
    is_stated: bool = True

    @property
    def units_open(self) -> int:
        """Units that must be served or be a shortfall."""
        return self.units_ordered - self.units_canceled

    @property
    def is_acceptable(self) -> bool:
        """Whether a channel that asks is told yes: each of its units has a source, or was sold beyond on purpose."""
        return self.units_short == self.units_backordered


@dataclass(frozen=True, slots=True)
class FulfillmentLineState:
    """One line of one fulfillment order."""

    id: int
    fulfillment_order_id: int
    location_id: int
    state: FulfillmentState
    order_id: int
    order_line_id: int
    item_id: int
    units: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Units of one level that a reservation holds by one claim."""

    claim_id: int
    reservation_id: int
    level_id: int
    place: Place
    units: int


@dataclass(frozen=True, slots=True)
class ReturnState:
    """Where one line of a return stands: `units_back` of `units` are booked at a location, in a condition.

    `stated_at`: when the statement was made that decided on both; `steps`: how often it was booked anew.
    """

    id: int
    units: int
    units_back: int
    condition: Condition
    location_id: int | None
    stated_at: datetime
    steps: int


def is_older(order: Order, known_at: datetime, known_state: OrderState) -> bool:
    """Whether a statement says less than what is known; of two made in one instant the later stage is the newer."""
    stages = list(OrderState)
    return (order.updated_at, stages.index(order.state)) < (known_at, stages.index(known_state))


def is_tie(order: Order, known_at: datetime, known_state: OrderState) -> bool:
    """Whether two statements were made in one instant and stage: neither can be told to be the newer."""
    return (order.updated_at, order.state) == (known_at, known_state)


def is_behind(order: Order, known: Sequence[LineState]) -> bool:
    """Whether a statement of the same instant was made before a cancellation that is known: it says nothing new."""
    open_units = {line.external_id: line.units_open for line in known}
    stated = {line.external_id: line.units - line.units_canceled for line in order.lines}
    news = [stated[name] - units for name, units in open_units.items() if name in stated]
    return not stated.keys() - open_units.keys() and min(news, default=0) >= 0 and max(news, default=0) > 0


def order_document(channel: str, external_id: str) -> str:
    """What the ledger calls an order."""
    return f"order:{channel}:{external_id}"


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


class OrderRepository(Protocol):
    """Orders in storage, within one transaction."""

    def upsert(self, order: Order) -> KnownOrder | None:
        """Locks the order and writes its newest form; None: a newer one is known already."""

    def lock(self, order_id: int) -> None:
        """Whoever changes what serves an order holds its lock first, and reads under it."""

    def mark_counted(self, order_id: int) -> None: ...

    def bind(self, channel: str, listing_external_ids: Collection[str]) -> Mapping[str, BoundListing]:
        """Bound listings by external id; those that are known to be no goods are left out.

        Raises UnboundListingError, naming them, when another is not bound.
        """

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

    def candidates(self, order_id: int, goods: Mapping[int, Goods], *, anew: bool = False) -> list[Candidate]:
        """The locations that may serve these goods of an order, by item; dropped ones too.

        For a pickup the one where the customer comes. `anew`: what it has of a location's day is its own.
        """

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

    def location_of(self, channel: str, stock_point: str | None) -> int:
        """Where goods sold or given back at a stock point lie; None: the channel's first location."""

    def add_fulfillment(
        self, order_id: int, location_id: int, state: FulfillmentState, units: Mapping[int, int]
    ) -> dict[int, int]:
        """Writes a fulfillment order with units by order line; answers the fulfillment line ids by order line."""

    def fulfillment_lines(
        self, *, order_id: int | None = None, fulfillment_order_id: int | None = None, line_ids: Collection[int] = ()
    ) -> list[FulfillmentLineState]:
        """Fulfillment lines of an order, of a fulfillment order, or by their ids; those with units only."""

    def shrink(self, fulfillment_line_id: int, units: int) -> None:
        """Takes units off a fulfillment line; an order left without units is canceled."""

    def allowance(self, line_id: int) -> Allowance | None:
        """How many units of a line may be sold beyond what is there, locked until the end; None: none."""

    def set_shortfall(self, line_id: int, units: int, reason: str, backorder: tuple[int, date | None]) -> None:
        """Writes the missing units of a line; `backorder`: units of them that are one, and when they are promised."""

    def short_lines(self, item_ids: Collection[int]) -> Mapping[int, set[int]]:
        """Order lines with a shortfall that these items (or kits made of them) could serve, by order, oldest first."""

    def explain(self, order_id: int, reasons: Mapping[str, str], bill: Mapping[str, Any] | None = None) -> None:
        """Keeps why each location was chosen or not, and what the plan costs in euros."""

    def end_fulfillment(
        self, fulfillment_order_id: int, state: FulfillmentState, at: datetime, *, by: str = ""
    ) -> bool:
        """Locks its order and marks it shipped or handed over; False: that had been done."""

    def note_step(self, fulfillment_order_id: int, kind: StepKind, *, by: str = "", reason: str = "") -> None:
        """Writes what happened to a fulfillment order, and who did it; empty: the hub itself."""

    def name_of(self, fulfillment_order_id: int) -> tuple[str, str]:
        """The channel of its order, and how that calls it."""

    def moved(self, fulfillment_order_id: int, to_fulfillment_order_id: int) -> None:
        """Notes that a canceled fulfillment order is done by another one instead."""


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

    orders: OrderRepository
    returns: ReturnRepository
    outbox: OutboxRepository
    tasks: TaskRepository
    channel_notes: ChannelNoteRepository
    stock: ClaimRepository
    now: datetime
