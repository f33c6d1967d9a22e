"""Documents as they came, and what a mapping can make of them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from schemas.orders import Order, Return
from schemas.publications import ChannelListing, ChannelPlace
from schemas.stock import ChannelMovement, StockObservation, SupplierOffer

Fact = Order | Return | ChannelMovement | StockObservation | ChannelListing | ChannelPlace | SupplierOffer
"""What a mapping can make of a document."""


class Heard(StrEnum):
    """How a document reached us."""

    WEBHOOK = "webhook"
    POLL = "poll"


@dataclass(frozen=True, slots=True)
class RawDocument:
    """A document as it came, before anybody understood it.

    `topic` tells the platform's mapping which kind it is. `document_id` is the platform's id of the thing that the
    document is about (all documents of one thing are handled in the order they came). `event_id` is unique per
    channel for one event: a second document with the same one is the same event. A poll makes it from the thing's
    id and version; a webhook takes the platform's.
    """

    topic: str
    document_id: str
    event_id: str
    body: bytes
    heard: Heard
    happened_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Translation:
    """What a mapping may know beside the document. `channel` is the account; times without zone are in `time_zone`."""

    channel: str
    time_zone: str = "UTC"
