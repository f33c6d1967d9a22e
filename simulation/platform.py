"""What every emulated platform offers: its real API for the hub, and a shop floor for the world around it.

An emulator is state plus a plain function `handle(request, now)`. It takes no clock, no sleep, no randomness and no
thread from the air: whoever drives it passes the time. It is not thread-safe; its server holds one lock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from email.utils import format_datetime
from enum import StrEnum
from typing import Protocol

from connectors.transport import HttpRequest, HttpResponse


class ShelfCause(StrEnum):
    """Why a number on the shelf moved."""

    LOADED = "loaded"
    WRITTEN = "written"
    SOLD = "sold"
    CANCELED = "canceled"
    RETURNED = "returned"
    EDITED = "edited"


@dataclass(frozen=True, slots=True)
class ShelfChange:
    """A number that shoppers see has changed to `units`; `cause` WRITTEN is the hub's doing."""

    at: datetime
    sku: str
    stock_point: str
    units: int
    cause: ShelfCause


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One sellable thing as the world loads it into a platform. `parent` groups variants under one product."""

    sku: str
    title: str
    price: Decimal
    gtin: str | None = None
    parent: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shopper:
    """Who buys: invented personal data, so that its way through the hub can be followed."""

    name: str
    email: str
    country: str
    postal_code: str
    city: str
    street: str


@dataclass(frozen=True, slots=True)
class BasketLine:
    sku: str
    units: int


class NeverLeftError(ValueError):
    """Goods were to come back that this order never sent; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """What the platform sold: `lines` may hold fewer units than asked; `refused` is what the shelf did not have.

    `order_id` is the id that the hub will hear as the order's external id; None: nothing was sold.
    """

    order_id: str | None
    at: datetime
    stock_point: str
    lines: tuple[BasketLine, ...]
    refused: tuple[BasketLine, ...]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A webhook that the platform wants to send: `request.path` is the path of the callback address."""

    delivery_id: str
    due_at: datetime
    request: HttpRequest


def dated(answer: HttpResponse, now: datetime) -> HttpResponse:
    """An answer as it leaves a real server: with the time that its clock shows, in whole seconds."""
    return replace(answer, headers={"date": format_datetime(now, usegmt=True), **answer.headers})


class EmulatedPlatform(Protocol):
    """One emulated account."""

    platform: str

    @property
    def shelf_log(self) -> Sequence[ShelfChange]:
        """Every change of a number that shoppers see, in order."""

    def handle(self, request: HttpRequest, now: datetime) -> HttpResponse:
        """Answers the hub as the real platform would."""

    def load(
        self,
        catalogue: Sequence[CatalogueEntry],
        stock_points: Sequence[str],
        now: datetime,
    ) -> None:
        """Fills the account. Stock points are ids of the platform's form; every number starts at 0."""

    def set_shelf(self, sku: str, stock_point: str, units: int, now: datetime) -> None:
        """Somebody edits the number by hand on the platform."""

    def shelf(self) -> Mapping[tuple[str, str], int]:
        """What shoppers see now: units by (sku, stock point)."""

    def buy(self, basket: Sequence[BasketLine], shopper: Shopper, stock_point: str, now: datetime) -> Purchase:
        """A shopper buys what the shelf has; the platform takes it off its own number when it does so by itself."""

    def cancel(self, order_id: str, lines: Sequence[BasketLine], now: datetime) -> bool:
        """Takes units off an order that has not left (empty: the whole order); False: too late, nothing changed."""

    def give_back(
        self,
        order_id: str | None,
        lines: Sequence[BasketLine],
        stock_point: str,
        now: datetime,
    ) -> str:
        """Goods come back after they left; `order_id` None: a blind return. Answers the return's external id.

        Raises:
            NeverLeftError: the order never sent so many.
        """

    def due_webhooks(self, now: datetime) -> list[Delivery]:
        """The deliveries that are due; each is offered again, later and later, until `delivered` takes it."""

    def delivered(self, delivery_id: str, status: int, now: datetime) -> None:
        """Tells what the callback answered: 2xx ends the delivery."""

    def advance(self, now: datetime) -> None:
        """Does what the platform does by itself until `now`: finishes imports, debits payments."""

    def shipped(self) -> Mapping[str, int]:
        """Units that the platform knows to have left, by order id."""

    def requests_by_operation(self) -> Mapping[str, int]:
        """How many calls the hub made, by operation."""
