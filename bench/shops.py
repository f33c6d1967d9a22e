"""An emulated Shopify shop and the way the hub speaks with it."""

from collections.abc import Sequence
from decimal import Decimal

from pydantic import SecretStr

from connectors.shopify import CHANNEL, ShopifyConnection, ShopifySettings
from connectors.transport import Runtime, Send
from nervure.clock import SystemClock
from simulation.platform import BasketLine, CatalogueEntry, Shopper
from simulation.platforms.shopify import ShopifyEmulator

CHANNEL_NAME = "webshop"
STOCK_POINT = "gid://shopify/Location/1001"
TOKEN = "shpat_emulated"  # noqa: S105 - opens nothing but the emulator
SECRET = "emulated-app-secret"  # noqa: S105 - signs nothing but its webhooks
CLOCK = SystemClock()
SHOPPER = Shopper("Zephyrine Quillfeather", "zephyrine@quillfeather.example", "FR", "75020", "Paris", "77 Quillgate")


def settings(url: str = "https://emulated.myshopify.com") -> ShopifySettings:
    return ShopifySettings(
        name=CHANNEL_NAME, url=url, access_token=SecretStr(TOKEN), webhook_secrets=(SecretStr(SECRET),)
    )


def connect(send: Send) -> ShopifyConnection:
    connection = CHANNEL.connect(settings(), Runtime(send, CLOCK.now, CLOCK.sleep, lambda _operation, _seconds: 0.0))
    assert isinstance(connection, ShopifyConnection)
    return connection


def fill(emulator: ShopifyEmulator, skus: Sequence[str]) -> None:
    emulator.load([CatalogueEntry(sku, sku, Decimal("19.90")) for sku in skus], [STOCK_POINT], CLOCK.now())


def an_order_webhook() -> tuple[dict[str, str], bytes]:
    """Headers and body of orders/create as the emulator sends it, for an order of three lines."""
    emulator = ShopifyEmulator(access_token=TOKEN, webhook_secret=SECRET)
    bought = ["SKU-1", "SKU-2", "SKU-3"]
    fill(emulator, bought)
    for sku in bought:
        emulator.set_shelf(sku, STOCK_POINT, 5, CLOCK.now())
    connect(lambda request: emulator.handle(request, CLOCK.now())).ensure_webhooks("http://127.0.0.1/webhooks/webshop")
    now = CLOCK.now()
    emulator.buy([BasketLine(sku, 1) for sku in bought], SHOPPER, STOCK_POINT, now)
    request = next(
        one.request for one in emulator.due_webhooks(now) if one.request.headers["x-shopify-topic"] == "orders/create"
    )
    return dict(request.headers), request.body
