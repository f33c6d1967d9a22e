"""Shopify's variants, inventory levels and locations in the hub's words."""

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mappings import shopify_nodes as nodes
from mappings import shopify_rest as rest
from mappings.shopify_plain import gid
from schemas.base import Gtin
from schemas.documents import Fact
from schemas.publications import ChannelListing, ChannelPlace
from schemas.stock import StockObservation

LONGEST_SKU = 128

_GTIN: TypeAdapter[str] = TypeAdapter(Gtin)


def webhook_product(body: Any, channel: str) -> Sequence[Fact]:
    product = rest.RestProduct.model_validate(body)
    names = {option.position: option.name for option in product.options}
    return [
        _listing(
            channel,
            ids=(str(variant.id), gid("InventoryItem", variant.inventory_item_id)),
            codes=(variant.sku, variant.barcode),
            titles=(product.title, variant.title),
            options={
                names.get(position, f"option{position}"): value
                for position, value in enumerate((variant.option1, variant.option2, variant.option3), start=1)
                if value is not None
            },
        )
        for variant in product.variants
        if variant.inventory_item_id is not None  # without one there is nothing to write stock under
    ]


def polled_variant(body: Any, channel: str) -> Sequence[Fact]:
    variant = nodes.Variant.model_validate(body)
    return [
        _listing(
            channel,
            ids=(variant.legacy_resource_id, variant.inventory_item.id),
            codes=(variant.sku, variant.barcode),
            titles=(variant.product.title, variant.title),
            options={option.name: option.value for option in variant.selected_options},
        )
    ]


def _listing(
    channel: str,
    *,
    ids: tuple[str, str],
    codes: tuple[str | None, str | None],
    titles: tuple[str, str],
    options: dict[str, str],
) -> ChannelListing:
    # "Default Title" is what Shopify writes for a product without options.
    is_single = titles[1] == "Default Title"
    return ChannelListing(
        channel=channel,
        external_id=ids[0],
        stock_id=ids[1],
        sku=sku(codes[0]),
        gtin=_gtin(codes[1]),
        title=titles[0] if is_single else f"{titles[0]} - {titles[1]}",
        options={} if is_single else options,
    )


def sku(text: str | None) -> str | None:
    """A sku as the hub may keep it, None where there is none; it is for people, the listing id decides."""
    stripped = (text or "").strip()
    return stripped if 0 < len(stripped) <= LONGEST_SKU else None


def _gtin(text: str | None) -> str | None:
    """The barcode as a GTIN; merchants also keep other codes in that field, which are none."""
    try:
        return _GTIN.validate_python((text or "").strip())
    except ValidationError:
        return None


def webhook_level(body: Any, channel: str) -> Sequence[Fact]:
    level = rest.RestLevel.model_validate(body)
    if level.available is None:  # the item is not tracked
        return ()
    return [
        StockObservation(
            channel=channel,
            # The webhook names no variant: the observation names the listing by its stock id.
            listing_external_id=gid("InventoryItem", level.inventory_item_id),
            stock_point=gid("Location", level.location_id),
            units=level.available,
            observed_at=level.updated_at,
        )
    ]


def polled_level(body: Any, channel: str) -> Sequence[Fact]:
    level = nodes.Level.model_validate(body)
    return [
        StockObservation(
            channel=channel,
            listing_external_id=level.variant,
            stock_point=level.location,
            units=quantity.quantity,
            observed_at=quantity.updated_at or level.updated_at,
        )
        for quantity in level.quantities
    ]


def webhook_place(body: Any, channel: str) -> Sequence[Fact]:
    place = rest.RestLocation.model_validate(body)
    return [
        ChannelPlace(channel=channel, stock_point=gid("Location", place.id), name=place.name, is_active=place.active)
    ]


def webhook_place_gone(body: Any, channel: str) -> Sequence[Fact]:
    place = rest.RestLocation.model_validate(body)
    return [ChannelPlace(channel=channel, stock_point=gid("Location", place.id), is_active=False)]


def polled_place(body: Any, channel: str) -> Sequence[Fact]:
    place = nodes.Location.model_validate(body)
    return [ChannelPlace(channel=channel, stock_point=place.id, name=place.name, is_active=place.is_active)]
