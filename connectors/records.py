"""The seam between the hub and a platform: what a connection can do, and the one record that a platform is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator

from connectors.transport import HttpRequest, Runtime, checked_address, reads_by_method
from schemas.base import Code
from schemas.capabilities import Capabilities
from schemas.documents import Fact, RawDocument, Translation
from schemas.dropship import DropShipOrder, FeedVerdict, SupplierReply
from schemas.fulfillment import ReadyNotice, Shipment
from schemas.levels import LevelAnswer, LevelKey, LevelReading, LevelWrite
from schemas.locations import TimeZoneName

WRITE_SECONDS = 60.0
"""No number of a write is sent later than this: by then somebody else may be sending a newer one."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some documents of a pull.

    `watermark`: once this page is stored, the next pull may start here (the overlap is taken off by the caller).
    None: not yet, more pages must come first. It comes from the rows read or from before the read, never from after.
    """

    documents: tuple[RawDocument, ...]
    watermark: datetime | None = None


class ChannelConnection(Protocol):
    """One signed-in account. Every method raises the errors of `connectors.errors`."""

    def check(self) -> str:
        """Signs in and answers one line about the account, for people."""

    def pull_places(self) -> Iterator[Page]:
        """The account's stock points."""

    def pull_catalogue(self) -> Iterator[Page]:
        """Every listing of the account."""

    def pull_orders(self, since: datetime) -> Iterator[Page]:
        """Orders and returns changed at or after `since`, oldest change first where the platform can."""

    def pull_stock(self, stock_points: Sequence[str]) -> Iterator[Page]:
        """What the account shows of every listing at these stock points, as observations."""

    def write_levels(self, writes: Sequence[LevelWrite], *, idempotency_key: str) -> list[LevelAnswer]:
        """Writes at most `capabilities.write_batch` numbers: one answer for each write, in their order.

        The same key with the same writes has one effect where the platform knows such keys. A time-out is answered
        as UNKNOWN, not raised; throttling and refused sign-in are raised and nothing was written. What was not sent
        within `WRITE_SECONDS` is answered as NOT_APPLIED.
        """

    def read_levels(self, keys: Sequence[LevelKey]) -> list[LevelReading]:
        """Reads back what the account shows now, one reading for each key, in their order."""

    def read_receipt(self, receipt: str, writes: Sequence[LevelWrite]) -> list[LevelAnswer]:
        """What became of an asynchronous import: SENT while it still runs, else CONFIRMED or REFUSED per row.

        UNACCOUNTED: it has ended without a word about this row. UNKNOWN: the platform does not know the import.
        Only where `capabilities.confirmation` is `import_report`; elsewhere RefusedError.
        """

    def accept_order(self, order_external_id: str, accepted_lines: Mapping[str, bool]) -> None:
        """Accepts or refuses every line of an order that waits for it; done before: nothing happens."""

    def push_shipment(self, shipment: Shipment) -> None:
        """Tells the channel what left; told before: nothing happens."""

    def push_ready(self, notice: ReadyNotice) -> bool:
        """Tells the channel what waits for its customer; told before, or fetched since: nothing happens.

        False: it has no word for that, or none for a part of what it would be said of.
        Only where `capabilities.can_push_ready`; elsewhere RefusedError.
        """

    def push_cancellation(self, order_external_id: str, lines: Mapping[str, int]) -> None:
        """Tells the channel that these units of these lines will not be delivered; told before: nothing happens."""

    def ensure_webhooks(self, callback_url: str) -> list[str]:
        """Makes missing subscriptions; answers the topics that had been missing. No webhooks: empty."""


class ChannelSettings(BaseModel):
    """What every account needs; each platform adds its own. Secrets are read from the environment or files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Code
    url: str
    time_zone: TimeZoneName = "UTC"
    webhook_secrets: tuple[SecretStr, ...] = ()

    @field_validator("url")
    @classmethod
    def _url_is_an_address(cls, url: str) -> str:
        return checked_address(url)


@dataclass(frozen=True, slots=True)
class IncomingWebhook:
    """A webhook as it arrived: raw body, lower-case header names, and the address it was sent to."""

    url: str
    headers: Mapping[str, str]
    body: bytes


S = TypeVar("S", bound=ChannelSettings)
T = TypeVar("T", bound="SupplierSettings")


@dataclass(frozen=True, slots=True)
class Channel(Generic[S]):
    """A platform that sells.

    `receive` verifies the signature over the raw bytes and answers the documents inside; it raises RefusedError for a
    wrong or missing signature and for what is not a document. None: the platform has no webhooks.
    `is_reading` says whether a request certainly changes nothing there; it decides what passes to a channel in shadow.
    `translate` is the mapping: pure; it raises `mappings.errors.UnreadableDocumentError`.
    """

    platform: str
    capabilities: Capabilities
    settings: type[S]
    connect: Callable[[S, Runtime], ChannelConnection]
    translate: Callable[[RawDocument, Translation], Sequence[Fact]]
    receive: Callable[[S, IncomingWebhook], Sequence[RawDocument]] | None = None
    is_reading: Callable[[HttpRequest], bool] = reads_by_method


class SupplierSettings(BaseModel):
    """What every supplier needs; each kind of exchange adds its own.

    `feed_counts_our_orders`: the feed's number is already without the units of orders we sent that the supplier has
    not shipped yet. `ttl_seconds`: for how long after `as_of` its units are promised.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Code
    ttl_seconds: float
    feed_counts_our_orders: bool = False
    time_zone: TimeZoneName = "UTC"


class SupplierConnection(Protocol):
    """One supplier's exchange."""

    def check(self) -> str:
        """Reaches the feed and answers one line about it, for people."""

    def pull_offers(self) -> Iterator[Page]:
        """The newest complete feed as documents.

        Raises:
            FeedHeldError: the feed looks wrong (mangled codes, wrong encoding, unfinished): nothing of it is used.
        """

    def send_order(self, order: DropShipOrder) -> None:
        """Hands the order over; the same reference again has no second effect."""

    def pull_replies(self) -> Iterator[SupplierReply]:
        """Confirmations, refusals and ship notices that the supplier has left for us."""


@dataclass(frozen=True, slots=True)
class Supplier(Generic[T]):
    """A supplier that ships to the customer from its own stock.

    `read` reads one feed document and judges it as a whole, given how many offers, and how many units in all, the
    last feed had that was applied (None: there was none). It raises `mappings.errors.UnreadableDocumentError`.
    """

    platform: str
    settings: type[T]
    connect: Callable[[T, Runtime], AbstractContextManager[SupplierConnection]]
    read: Callable[[RawDocument, int | None, int | None], FeedVerdict]
