"""The seller contract, with what Mirakl says in words only, and a rig that holds every call against it."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from pydantic import SecretStr

from connectors.mirakl import CHANNEL
from connectors.mirakl_api import MiraklSettings
from connectors.records import ChannelConnection
from connectors.transport import HttpRequest, HttpResponse, Send
from schemas.documents import Fact, Translation
from simulation.platform import CatalogueEntry, Shopper
from simulation.platforms.mirakl import MiraklEmulator
from tests.connectors.conformance import Rig
from tests.openapi import OpenApi, Prose
from tests.reference import shared

ERRORS = frozenset({400, 401, 403, 404, 429})
"""The contract declares successes only."""

TRANSLATION = Translation("mirakl-fr", "Europe/Paris")
SHOPPER = Shopper("Ada Lovelace", "ada@example.com", "FR", "69002", "Lyon", "12 quai Saint-Antoine")
GTINS = ["4006381333931", "9780201379624", "96385074", "036000291452"]

_VALUES = re.compile(r'`"([^"`]+)"`')
_NULL = re.compile(r"null (?:before|when|otherwise|if)", re.IGNORECASE)


def amend(schema: dict[str, Any]) -> dict[str, Any]:
    """Enumerations and nulls stand in the descriptions."""
    text = schema.get("description", "")
    if not isinstance(text, str):
        return schema
    said: dict[str, Any] = {}
    if schema.get("type") == "string" and "Enum:" in text:
        said["enum"] = _VALUES.findall(text[text.index("Enum:") :])
    if _NULL.search(text):
        said["nullable"] = True
    return {**schema, **said}


def paging(operation: Mapping[str, Any]) -> Iterable[str]:
    """Paging parameters belong to the kinds of paging that an operation's text names."""
    text = str(operation.get("description"))
    if "offset pagination" in text:
        return ("max", "offset", "sort", "order")
    return ("limit", "page_token", "sort", "order") if "seek pagination" in text else ()


@cache
def contract() -> OpenApi:
    """The contract, or a skip of the test."""
    return OpenApi.load(
        shared("contracts", "mirakl", "mirakl-mmp-seller-openapi.json.gz"), Prose(amend, paging, ERRORS)
    )


@dataclass
class MiraklRig(Rig):
    """A rig whose calls are held against the contract, and whose ceilings are kept by waiting, as a merchant would."""

    emulator: MiraklEmulator
    operations: list[str] = field(default_factory=list)
    next_slots: dict[str, datetime] = field(default_factory=dict)
    is_checked: bool = True

    def wire(self, request: HttpRequest) -> HttpResponse:
        response = super().wire(request)
        if self.is_checked:
            self.operations.append(contract().check(request, response))
        return response

    def connect(
        self, send: Send | None = None, reserve: Callable[[str, float], float] | None = None
    ) -> ChannelConnection:
        return super().connect(send, reserve or self.wait_for_slot)

    def wait_for_slot(self, operation: str, period_seconds: float) -> float:
        """Waits until the slot is free, then takes it."""
        free_at = self.next_slots.get(operation, self.clock.now())
        self.clock.sleep((free_at - self.clock.now()).total_seconds())
        self.next_slots[operation] = self.clock.now() + timedelta(seconds=period_seconds)
        return 0.0

    def facts(self, connection: ChannelConnection, since: datetime) -> list[Fact]:
        """Everything that one pull of orders tells."""
        documents = [document for page in connection.pull_orders(since) for document in page.documents]
        return [fact for document in documents for fact in CHANNEL.translate(document, TRANSLATION)]


def make_checked_rig(
    *,
    is_checked: bool = True,
    skus: int = 14,
    import_seconds: float = 20.0,
    debit_seconds: float = 30.0,
    **settings: Any,
) -> MiraklRig:
    """A loaded shop: `skus` offers with 10 units each, the first two being variants of one product."""
    key = "mirakl-key-1f3d"
    emulator = MiraklEmulator(
        api_key=key,
        is_external_partner=settings.get("is_external_partner", False),
        import_seconds=import_seconds,
        debit_seconds=debit_seconds,
    )
    rig = MiraklRig(
        record=CHANNEL,
        stock_points=("account",),
        emulator=emulator,
        settings=MiraklSettings(
            name="mirakl-fr",
            url="https://marketplace.example.com",
            time_zone="Europe/Paris",
            api_key=SecretStr(key),
            **{
                "shop_id": 2000,
                "carrier_code": "COLISSIMO",
                "cancellation_reason_code": "34",
                "refund_reason_code": "15",
                **settings,
            },
        ),
        is_checked=is_checked,
    )
    variants = [
        CatalogueEntry(f"SHIRT-{size}", "Shirt", Decimal("19.90"), None, "SHIRT", {"size": size}) for size in "SM"
    ]
    others = [
        CatalogueEntry(f"SKU-{number:03d}", f"Thing {number:03d}", Decimal(number) + Decimal("0.99"), gtin)
        for number in range(1, skus - 1)
        for gtin in [GTINS[number - 1] if number <= len(GTINS) else None]
    ]
    emulator.load([*variants, *others], rig.stock_points, rig.clock.now())
    for sku in emulator.offers:
        emulator.set_shelf(sku, "account", 10, rig.clock.now())
    return rig
