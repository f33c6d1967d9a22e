"""Listings, bindings, and the numbers that channels must show."""

from enum import StrEnum

from schemas.base import Canonical, Code, ExternalId, Gtin, NonNegativeUnits, Sku


class ChannelListing(Canonical):
    """A sellable thing as a channel's catalogue shows it, before it is bound to an item.

    `external_id` is the id that order lines carry; `stock_id` is the id that stock is written under, where the
    platform has another one for it (Shopify's inventory item, PrestaShop's stock row). `is_goods` False: a service or
    the like: selling it moves money only.
    """

    channel: Code
    external_id: ExternalId
    stock_id: ExternalId
    sku: Sku | None = None
    gtin: Gtin | None = None
    title: str = ""
    options: dict[str, str] = {}
    is_goods: bool = True


class ChannelPlace(Canonical):
    """A stock point as the channel names it."""

    channel: Code
    stock_point: ExternalId
    name: str = ""
    is_active: bool = True


class PublicationState(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    UNKNOWN = "unknown"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    EXCLUDED = "excluded"


class DriftPolicy(StrEnum):
    """What is done about a number that somebody else changed on the channel, once all orders are heard.

    REPAIR: ours is sent again. ASK: theirs stays until a person decides. ACCEPT: theirs stays until ours changes.
    """

    REPAIR = "repair"
    ASK = "ask"
    ACCEPT = "accept"


class Publication(Canonical):
    """One number for one (listing, stock point), with the fence that keeps older numbers out."""

    sku: Sku
    channel: Code
    stock_point: ExternalId
    revision: NonNegativeUnits
    salable_quantity: NonNegativeUnits
    state: PublicationState
    reason: str | None = None
