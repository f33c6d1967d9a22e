"""Webhook bodies of an emulated Shopify shop about its stock and its products, and which body a topic has."""

from collections.abc import Mapping
from typing import Any

from simulation.platforms.shopify_model import Fulfillment, Level, Order, Refund, Variant
from simulation.platforms.shopify_payloads import Json, fulfillment, gid, money, order, refund, stamp
from simulation.platforms.shopify_shop import Shop


def level(of: Level) -> Json:
    """The body of inventory_levels/update."""
    return {
        "inventory_item_id": of.item,
        "location_id": of.place,
        "available": of.available,
        "updated_at": stamp(of.updated_at),
        "admin_graphql_api_id": f"gid://shopify/InventoryLevel/{of.id}?inventory_item_id={of.item}",
    }


def product(shop: Shop, variants: list[Variant]) -> Json:
    """The body of products/update: all variants of one product."""
    first = variants[0]
    names = list(first.entry.options) or ["Title"]
    return {
        "id": first.product,
        "admin_graphql_api_id": gid("Product", first.product),
        "title": first.title,
        "handle": f"product-{first.product}",
        "body_html": "",
        "category": None,
        "created_at": stamp(shop.opened_at),
        "updated_at": stamp(max(variant.updated_at for variant in variants)),
        "published_at": stamp(shop.opened_at),
        "published_scope": "web",
        "has_variants_that_requires_components": False,
        "image": None,
        "images": [],
        "media": [],
        "product_type": "",
        "status": "active",
        "tags": "",
        "template_suffix": None,
        "vendor": "",
        "options": [
            {
                "id": first.product * 10 + position,
                "name": name,
                "position": position,
                "product_id": first.product,
                "values": sorted({_values(variant)[position - 1] for variant in variants}),
            }
            for position, name in enumerate(names, start=1)
        ],
        "variant_gids": [
            {"admin_graphql_api_id": gid("ProductVariant", variant.id), "updated_at": stamp(variant.updated_at)}
            for variant in variants
        ],
        "variants": [_variant(shop, variant, position) for position, variant in enumerate(variants, start=1)],
    }


def _values(variant: Variant) -> list[str]:
    return list(variant.entry.options.values()) or ["Default Title"]


def _variant(shop: Shop, variant: Variant, position: int) -> Json:
    values: list[str | None] = [*_values(variant), None, None, None]
    units = sum(level.available for (item, _), level in shop.levels.items() if item == variant.item)
    return {
        "id": variant.id,
        "admin_graphql_api_id": gid("ProductVariant", variant.id),
        "product_id": variant.product,
        "inventory_item_id": variant.item,
        "title": variant.variant_title,
        "sku": variant.entry.sku,
        "barcode": variant.entry.gtin,
        "price": money(variant.entry.price),
        "compare_at_price": None,
        "created_at": stamp(shop.opened_at),
        "updated_at": stamp(variant.updated_at),
        "inventory_policy": "deny",
        "inventory_quantity": units,
        "old_inventory_quantity": units,
        "image_id": None,
        "position": position,
        "taxable": True,
        "option1": values[0],
        "option2": values[1],
        "option3": values[2],
    }


def body_of(shop: Shop, topic: str, subject: object) -> Mapping[str, Any]:
    """The body of a topic about its subject."""
    match subject:
        case Order():
            return order(subject)
        case Level():
            return level(subject)
        case (Order() as of, Refund() as made):
            return refund(of, made)
        case (Order() as of, Fulfillment() as made):
            return fulfillment(of, made)
        case Variant():
            return product(shop, [one for one in shop.variants.values() if one.product == subject.product])
    raise ValueError(f"{topic!r} has no body about {type(subject).__name__}")
