"""An invented merchant: what it sells, where it keeps it. A seed decides everything."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from simulation.platform import CatalogueEntry

KINDS = ("Candle", "Mug", "Lantern", "Cushion", "Notebook", "Tray", "Vase", "Apron", "Clock", "Basket", "Lamp", "Frame")
COLORS = ("Sand", "Olive", "Coral", "Slate", "Ivory", "Plum")
SIZES = ("S", "M", "L")


@dataclass(frozen=True, slots=True)
class Good:
    """One thing that is sold. `parts`: it is a kit of these; `supplier_only`: a supplier ships it."""

    entry: CatalogueEntry
    parts: Mapping[str, int] = field(default_factory=dict)
    supplier_only: bool = False

    @property
    def sku(self) -> str:
        return self.entry.sku


@dataclass(frozen=True, slots=True)
class Place:
    """One location of the merchant."""

    code: str
    name: str
    kind: str
    postal_code: str
    city: str
    latitude: float
    longitude: float


WAREHOUSE = Place("WH-LYON", "Central warehouse", "warehouse", "69007", "Lyon", 45.74, 4.84)
STORES = (
    Place("ST-PARIS", "Store Paris", "store", "75004", "Paris", 48.86, 2.36),
    Place("ST-LILLE", "Store Lille", "store", "59000", "Lille", 50.63, 3.06),
    Place("ST-NICE", "Store Nice", "store", "06000", "Nice", 43.70, 7.27),
)
SUPPLIER = Place("SUP-NANTES", "Drop-ship supplier", "supplier", "44000", "Nantes", 47.22, -1.55)
OWN_PLACES = (WAREHOUSE, *STORES)
PLACES = (*OWN_PLACES, SUPPLIER)

Stock = dict[tuple[str, str], int]
"""Units by (sku, location code)."""


def make_goods(count: int, seed: int, *, kit_share: float = 0.1) -> list[Good]:
    """At least `count` goods: products alone, products in colors and sizes, and kits of two or three parts.

    `kit_share`: at most this share of them are kits.
    """
    chance = random.Random(f"goods {seed}")
    simple: list[Good] = []
    number = 0
    while len(simple) < count * (1 - kit_share):
        number += 1
        kind = KINDS[number % len(KINDS)]
        price = Decimal(chance.randrange(300, 6000)) / 100
        if chance.random() < 0.35:
            parent = f"P{number:04d}"
            for color in chance.sample(COLORS, 2):
                for size in SIZES[: chance.randrange(1, 4)]:
                    entry = CatalogueEntry(
                        f"{parent}-{color[:2].upper()}-{size}",
                        f"{kind} {parent}",
                        price,
                        gtin=_gtin(len(simple)),
                        parent=parent,
                        options={"Color": color, "Size": size},
                    )
                    simple.append(Good(entry))
        else:
            sku = f"N{number:04d}"
            entry = CatalogueEntry(sku, f"{kind} {number}", price, gtin=_gtin(len(simple)))
            simple.append(Good(entry, supplier_only=chance.random() < 0.08))
    own = [good for good in simple if not good.supplier_only]
    kits: list[Good] = []
    while len(simple) + len(kits) < count:
        parts = {good.sku: chance.choice((1, 1, 2)) for good in chance.sample(own, chance.choice((2, 3)))}
        number = len(kits) + 1
        entry = CatalogueEntry(f"KIT{number:03d}", f"Gift box {number}", Decimal(chance.randrange(2000, 9000)) / 100)
        kits.append(Good(entry, parts))
    return simple + kits


def _gtin(index: int) -> str:
    """A GTIN-13 of the range that GS1 keeps for use inside a company (prefix 2)."""
    body = f"2{index:011d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body))
    return f"{body}{-total % 10}"


def opening_stock(goods: Sequence[Good], seed: int) -> Stock:
    """Units to begin with: few of some goods, so that the last one is fought for."""
    chance = random.Random(f"stock {seed}")
    stock: Stock = {}
    for good in goods:
        if good.parts:
            continue
        if good.supplier_only:
            stock[good.sku, SUPPLIER.code] = chance.randrange(5, 60)
            continue
        scale = chance.choice((0, 1, 2, 6, 20))
        stock[good.sku, WAREHOUSE.code] = chance.randrange(0, 3 * scale + 2)
        for store in STORES:
            stock[good.sku, store.code] = chance.randrange(0, scale + 2)
        if chance.random() < 0.1:
            stock[good.sku, SUPPLIER.code] = chance.randrange(0, 20)
    return stock
