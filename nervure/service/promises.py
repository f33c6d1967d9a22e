"""What a shop may promise, over HTTP: asked while a customer looks at the basket. It reads only."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import Field

from nervure.operations.promises import Basket, promise
from nervure.service.hub import TheHub
from schemas.base import Canonical, CountryCode, PositiveUnits
from schemas.orders import DeliveryMethod

router = APIRouter()


class BasketLine(Canonical):
    """Units of a sku."""

    sku: str
    units: PositiveUnits


class BasketBody(Canonical):
    """A basket, and where it would go."""

    channel: str
    lines: list[BasketLine] = Field(min_length=1, max_length=100)
    method: DeliveryMethod = DeliveryMethod.SHIP
    country: CountryCode | None = None
    postal_code: str | None = Field(default=None, max_length=32)
    stock_point: str | None = None


@router.post("/promise")
def promise_basket(body: BasketBody, hub: TheHub) -> dict[str, Any]:
    """When a basket would arrive, from where, in how many parcels, and what that costs the merchant."""
    lines = [(line.sku, line.units) for line in body.lines]
    basket = Basket(body.channel, lines, body.method, body.country, body.postal_code, body.stock_point)
    found = promise(hub, basket)
    return {**asdict(found), "is_complete": found.is_complete, "is_split": len(found.parcels) > 1}
