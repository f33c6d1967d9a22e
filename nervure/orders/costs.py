"""What it costs to serve an order from a location: the merchant's euros, as whole millionths of a euro (micros)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from nervure.orders.parcels import FREE, Grid
from schemas.routing import RoutingMethod

EURO = 1_000_000
"""Micros in a euro."""


@lru_cache(maxsize=4_096)
def micros(euros: Decimal) -> int:
    """Euros as micros, rounded to the nearest, halves to even."""
    return int((euros * EURO).to_integral_value())


def euros(amount: int) -> str:
    """Micros as euros with cents, for people."""
    return f"{Decimal(amount) / EURO:.2f}"


@dataclass(frozen=True, slots=True)
class Costs:
    """What holds for every order, in micros.

    `split` is for each parcel after the first, `per_km` for each parcel, `supplier` for a parcel that a supplier sends.
    `unknown_km` stands for a distance that nobody knows: farther than any place on Earth. The defaults are no
    merchant's euros: they put one parcel before two, our own before a supplier, and near before far.
    """

    method: RoutingMethod = RoutingMethod.COST
    per_km: int = EURO // 100
    unknown_km: int = 25_000
    supplier: int = 1_000 * EURO
    split: int = 10_000 * EURO
    late_day: int = 0


AS_EVER = Costs()
"""Without settings of the merchant's."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds at one location for one order. Amounts are micros.

    `shipping` is the price list of the zone. `days_late`: whole days after the promise. `unit_costs`: by item, of one
    unit, the risk that it is not found; `reliefs`: by item, what selling it here saves. `keep_units` stay there of
    each item. `barred`: by item, why it is not taken here. `dropped`: the rule by which the location is out.
    """

    handling: int = 0
    shipping: Grid = FREE
    days_late: int = 0
    not_found: int = 0
    reliefs: Mapping[int, int] = field(default_factory=dict, hash=False)
    keep_units: int = 0
    barred: Mapping[int, str] = field(default_factory=dict, hash=False)
    dropped: str | None = None


PLAIN_TERMS = Terms()
