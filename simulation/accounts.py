"""The merchant's accounts on the emulated platforms, and the settings under which the hub speaks with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.registry import channels
from simulation.catalogue import OWN_PLACES, STORES, SUPPLIER, Good
from simulation.platform import EmulatedPlatform
from simulation.platforms.mirakl import MiraklEmulator
from simulation.platforms.prestashop import KEY, PrestaShopEmulator
from simulation.platforms.shopify import ShopifyEmulator
from simulation.platforms.square import ACCESS_TOKEN, SIGNATURE_KEY, SquareEmulator
from simulation.platforms.supplier import SupplierEmulator

SUPPLIER_NAME = "wholesale"
SHOPIFY_TOKEN = "shpat_emulated"  # noqa: S105 - opens nothing but the emulator
SHOPIFY_SECRET = "emulated-app-secret"  # noqa: S105 - signs nothing but its webhooks
MIRAKL_KEY = "mirakl-key"
PRESTASHOP_ZONE = "Europe/Paris"
SLOW_POLL_SECONDS = 30.0
EVERYWHERE = tuple(place.code for place in (*OWN_PLACES, SUPPLIER))


@dataclass(frozen=True, slots=True)
class Account:
    """One channel of the merchant: its emulator, its stock points with their locations, and its settings.

    `secrets` are settings by name, kept out of the settings file. `has_kits`: kits are sold there too.
    """

    name: str
    emulator: EmulatedPlatform
    stock_points: Mapping[str, Sequence[str]]
    settings: Mapping[str, Any]
    secrets: Mapping[str, str]
    path: str
    order_poll_seconds: float | None = None
    has_kits: bool = True
    has_webhooks: bool = False

    @property
    def platform(self) -> str:
        return self.emulator.platform

    @property
    def is_heard_slowly(self) -> bool:
        """Whether its sales are heard only by a poll that the platform allows once in a while."""
        capabilities = channels()[self.platform].capabilities
        period = self.order_poll_seconds or capabilities.order_poll_seconds
        return not capabilities.has_webhooks and period >= SLOW_POLL_SECONDS


def open_accounts(*, order_poll_seconds: float | None = None, lag_seed: int | None = None) -> list[Account]:
    """One account of each kind: web shops and a marketplace sell from everywhere, a till from its own store.

    `lag_seed`: the tills' orders and counts are stamped apart, see `SquareEmulator`.
    """
    return [
        Account(
            name="webshop",
            emulator=ShopifyEmulator(access_token=SHOPIFY_TOKEN, webhook_secret=SHOPIFY_SECRET),
            stock_points={"gid://shopify/Location/1001": EVERYWHERE},
            settings={},
            secrets={"access_token": SHOPIFY_TOKEN, "webhook_secrets": SHOPIFY_SECRET},
            path="shopify",
            has_webhooks=True,
        ),
        Account(
            name="boutique",
            emulator=PrestaShopEmulator(time_zone=PRESTASHOP_ZONE),
            stock_points={"1": EVERYWHERE},
            settings={"id_shop": 1, "time_zone": PRESTASHOP_ZONE},
            secrets={"key": KEY},
            path="prestashop",
            order_poll_seconds=order_poll_seconds,
        ),
        Account(
            name="marketplace",
            emulator=MiraklEmulator(api_key=MIRAKL_KEY),
            stock_points={"account": EVERYWHERE},
            settings={"shop_id": 2000},
            secrets={"api_key": MIRAKL_KEY},
            path="mirakl",
        ),
        Account(
            name="tills",
            emulator=SquareEmulator(access_token=ACCESS_TOKEN, signature_key=SIGNATURE_KEY, lag_seed=lag_seed),
            stock_points={f"L{place.code.replace('-', '')}": (place.code,) for place in STORES},
            settings={},
            secrets={"access_token": ACCESS_TOKEN, "webhook_secrets": SIGNATURE_KEY},
            path="square",
            has_kits=False,
            has_webhooks=True,
        ),
    ]


def supplier_settings(*, ttl_seconds: float) -> dict[str, Any]:
    """Settings under which the hub understands the emulated supplier's files, but for its address."""
    return {
        "name": SUPPLIER_NAME,
        "platform": "supplier_feed",
        "location": SUPPLIER.code,
        "ttl_seconds": ttl_seconds,
        "feed": {
            "source": "http",
            "path": "/feed/stock.csv",
            "has_done_marker": True,
            "format": "csv",
            "encoding": "utf-8",
            "decimal": ",",
            "columns": {
                "supplier_sku": "sku",
                "gtin": "ean",
                "title": "title",
                "units": "stock",
                "unit_cost": "price",
                "currency": "currency",
                "lead_time_days": "lead_days",
                "as_of": "as_of",
            },
        },
        "orders": {"source": "http", "path": "/orders"},
        "replies": {
            "source": "http",
            "path": "/replies",
            "format": "json",
            "rows": "replies",
            "within": "lines",
            "next_path": "next",
            "acknowledge_path": "/replies/{id}/ack",
            "columns": {
                "reply_id": "id",
                "reference": "orderReference",
                "line": "line",
                "units": "units",
                "refusal": "refusal",
                "carrier": "carrier",
                "tracking_number": "trackingNumber",
                "happened_at": "at",
            },
        },
    }


def sold_there(account: Account, goods: Sequence[Good]) -> list[Good]:
    """What an account lists: a till sells what a store has on its shelf."""
    if account.has_kits:
        return list(goods)
    return [good for good in goods if not good.parts and not good.supplier_only]


def open_supplier(*, scale: float = 1.0) -> SupplierEmulator:
    """The drop-ship supplier; `scale` shortens its times for a world that runs in a minute."""
    return SupplierEmulator(
        publish_every_seconds=900.0 / scale, confirm_after_seconds=60.0 / scale, ship_after_seconds=3600.0 / scale
    )
