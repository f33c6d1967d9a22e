"""What is sold: the record behind a sku."""

from enum import StrEnum
from typing import Self

from pydantic import model_validator

from schemas.base import Canonical, Code, Gtin, NonNegativeUnits, PositiveUnits, Sku


class ItemKind(StrEnum):
    SIMPLE = "simple"
    KIT = "kit"


class LotTracking(StrEnum):
    """What an item asks of every receipt: nothing, the name of a lot, or a lot with the day on which it expires."""

    NONE = "none"
    LOT = "lot"
    EXPIRY = "expiry"


class KitComponent(Canonical):
    """`units` of `sku` go into one kit, or into one assembled item."""

    sku: Sku
    units: PositiveUnits


class Item(Canonical):
    """The record behind a sku. A kit holds no stock of its own: its parts do.

    `components`: what a kit is sold as. `recipe`: what a simple item is assembled from; it is kept as goods.
    `temperature_class`, `size_class`: what a location must be able to take to serve it, in the merchant's own words;
    None: any location can. A kit needs what its parts need.
    """

    sku: Sku
    title: str
    kind: ItemKind = ItemKind.SIMPLE
    gtin: Gtin | None = None
    options: dict[str, str] = {}
    components: tuple[KitComponent, ...] = ()
    recipe: tuple[KitComponent, ...] = ()
    lot_tracking: LotTracking = LotTracking.NONE
    tax_class: str | None = None
    weight_grams: NonNegativeUnits | None = None
    temperature_class: Code | None = None
    size_class: Code | None = None
    serial_tracking: bool = False

    @model_validator(mode="after")
    def _components_belong_to_kits(self) -> Self:
        if (self.kind is ItemKind.KIT) != bool(self.components):
            raise ValueError(f"{self.sku!r}: a kit has components, a simple item has none")
        if self.kind is ItemKind.KIT and (self.recipe or self.lot_tracking is not LotTracking.NONE):
            raise ValueError(f"{self.sku!r}: a kit holds no stock, so it has neither a recipe nor lots")
        if self.kind is ItemKind.KIT and (self.temperature_class or self.size_class):
            raise ValueError(f"{self.sku!r}: a kit needs what its parts need: give the class to them")
        for parts in (self.components, self.recipe):
            skus = [component.sku for component in parts]
            if len(set(skus)) != len(skus) or self.sku in skus:
                raise ValueError(f"{self.sku!r}: components must be other skus, each named once")
        return self
