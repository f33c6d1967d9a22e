"""What is sold: the record behind a sku."""

from enum import StrEnum
from typing import Self

from pydantic import model_validator

from schemas.base import Canonical, Gtin, NonNegativeUnits, PositiveUnits, Sku


class ItemKind(StrEnum):
    SIMPLE = "simple"
    KIT = "kit"


class KitComponent(Canonical):
    """`units` of `sku` go into one kit."""

    sku: Sku
    units: PositiveUnits


class Item(Canonical):
    """The record behind a sku. A kit holds no stock of its own: its parts do."""

    sku: Sku
    title: str
    kind: ItemKind = ItemKind.SIMPLE
    gtin: Gtin | None = None
    options: dict[str, str] = {}
    components: tuple[KitComponent, ...] = ()
    tax_class: str | None = None
    weight_grams: NonNegativeUnits | None = None
    serial_tracking: bool = False

    @model_validator(mode="after")
    def _components_belong_to_kits(self) -> Self:
        if (self.kind is ItemKind.KIT) != bool(self.components):
            raise ValueError(f"{self.sku!r}: a kit has components, a simple item has none")
        skus = [component.sku for component in self.components]
        if len(set(skus)) != len(skus) or self.sku in skus:
            raise ValueError(f"{self.sku!r}: components must be other skus, each named once")
        return self
