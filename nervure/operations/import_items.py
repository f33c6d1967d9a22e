"""Items from a file: an upsert by sku of the fields that the file has; kits come after their parts."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from nervure.operations.imports import Outcome, Verdict, fault_of, in_batches, refused
from nervure.operations.sheets import Row, Sheet, as_whole
from nervure.orders.settling import serve_shortfalls
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.desk import desk_of
from nervure.store.imports import ImportStore, StoredItem
from schemas.items import Item, ItemKind, KitComponent, LotTracking

OPTION = "option:"
_FIELDS = ("title", "gtin", "tax_class", "weight_grams", "lot_tracking", "temperature_class", "size_class")
_ROUNDED = re.compile(r"^\d[.,]\d+E\+\d+$", re.IGNORECASE)


class ItemLoader:
    """Columns: sku, title, gtin, tax_class, weight_grams, lot_tracking, temperature_class, size_class, components,
    recipe, and `option:NAME`.

    Components ("PART:2 OTHER:1") make a kit; a recipe, written alike, says what a simple item is assembled from.
    `skips_former_names`: a sku that its item has given up is left alone instead of being refused, as the settings
    want it: their file may be older than the new name.
    """

    needed = {"sku"}
    known = {"sku", "components", "recipe", *_FIELDS}

    def __init__(self, *, skips_former_names: bool = False) -> None:
        self._skips_former_names = skips_former_names
        self._lines: dict[str, list[int]] = {}
        self._parts_of_this_file: set[str] = set()

    def look_over(self, sheet: Sheet) -> int:
        count = 0
        for row in sheet.rows():
            count += 1
            self._lines.setdefault(row.cells["sku"], []).append(row.line)
        self._lines = {sku: lines for sku, lines in self._lines.items() if len(lines) > 1}
        return count

    def batches(self, sheet: Sheet) -> Iterator[list[Row]]:
        yield from in_batches(row for row in sheet.rows() if not _has_parts(row))
        yield from in_batches(row for row in sheet.rows() if _has_parts(row))

    def take(self, connection: Connection, rows: Sequence[Row], now: datetime, *, writes: bool) -> list[Verdict]:
        store, catalogue = ImportStore(connection, now), CatalogueStore(connection, now)
        verdicts: list[Verdict] = []
        given: list[tuple[Row, dict[str, Any]]] = []
        for row in sorted(rows, key=lambda row: row.cells["sku"]):
            fields, fault = self._read(row)
            if fault is not None:
                verdicts.append(refused(row, fault))
            else:
                given.append((row, fields))
        skus = [row.cells["sku"] for row, _ in given]
        former = catalogue.given_up(skus)
        before = store.items(skus, locked=False)
        if writes:
            # Who is not there is made first: of two loads at once, the second then waits and sees what the first wrote.
            fresh = [one for one in given if one[0].cells["sku"] not in former]
            store.add_items([item for row, fields in fresh if (item := _new(row, fields, before)) is not None])
            stored = store.items(skus, locked=True)
            former = catalogue.given_up(skus)
        else:
            stored = before
        rules = _KitRules(store, catalogue, [fields for _, fields in given], stored, self)
        wanted: list[Item] = []
        for row, fields in given:
            sku = row.cells["sku"]
            found = self._former(row) if sku in former else self._compare(row, fields, stored.get(sku), rules)
            if isinstance(found, Item):
                changes = _differences(stored.get(sku), found)
                if changes or sku not in stored:
                    wanted.append(found)
                verdicts.append(_verdict(row, changes, is_new=sku not in before))
            else:
                verdicts.append(found)
        if writes and wanted:
            catalogue.put_items(wanted)
            remade = [one.sku for one in wanted if one.sku in stored and dict(stored[one.sku].parts) != _made_of(one)]
            # Who waits for a kit may have it of other parts.
            serve_shortfalls(catalogue.item_ids(remade).values(), desk_of(connection, now))
        return verdicts

    def _compare(
        self, row: Row, fields: dict[str, Any], stored: StoredItem | None, rules: "_KitRules"
    ) -> Item | Verdict:
        """The item as it will stand, or why the row is refused."""
        for name in ("parts", "recipe"):
            if fields.get(name):
                fields = fields | {name: rules.by_present_names(fields[name])}
        try:
            item = merged(row.cells["sku"], fields, stored)
        except ValueError as error:
            return refused(row, fault_of(error))
        fault = rules.fault_of(item, stored) if fields.get("parts") or fields.get("recipe") else None
        if fault is not None:
            return refused(row, fault)
        if item.kind is ItemKind.SIMPLE:
            self._parts_of_this_file.add(item.sku)
        return item

    def _former(self, row: Row) -> Verdict:
        if self._skips_former_names:
            return Verdict(row, Outcome.UNCHANGED)
        sku = row.cells["sku"]
        return refused(row, f"{sku!r} is a former sku: write the new one, or free it with `nervure items free {sku}`")

    def is_in_this_file(self, sku: str) -> bool:
        """Whether this load has taken the item already: in a dry run it is not in the hub yet."""
        return sku in self._parts_of_this_file

    def _read(self, row: Row) -> tuple[dict[str, Any], str | None]:
        sku = row.cells["sku"]
        if sku in self._lines and sku:
            lines = ", ".join(str(line) for line in self._lines[sku])
            return {}, f"{sku!r} is there more than once: lines {lines}"
        try:
            return _fields(row), None
        except ValueError as error:
            return {}, fault_of(error)


class _KitRules:
    """What a row may not do to an item: parts must be simple items, and a kit has no stock of its own."""

    def __init__(
        self,
        store: ImportStore,
        catalogue: CatalogueStore,
        given: Sequence[dict[str, Any]],
        stored: dict[str, StoredItem],
        loader: ItemLoader,
    ) -> None:
        names = {part for fields in given for kind in ("parts", "recipe") for part in fields.get(kind, ())}
        known = catalogue.item_ids(names)
        kinds = store.kinds(known.values())
        self._now_called = {name: kinds[item][0] for name, item in known.items()}
        self._kinds = dict(kinds.values())
        ids = [item.id for item in stored.values()]
        self._with_stock = store.with_stock(ids) if names else set()
        self._parts = store.parts_of_kits(ids) if names else set()
        self._loader = loader

    def by_present_names(self, parts: Mapping[str, int]) -> dict[str, int]:
        """A recipe whose parts may be named by skus that they had before: two names of one item are one part."""
        recipe: Counter[str] = Counter()
        for name, units in parts.items():
            recipe[self._now_called.get(name, name)] += units
        return dict(recipe)

    def fault_of(self, item: Item, stored: StoredItem | None) -> str | None:
        """Why a recipe that the file gives cannot be the item's; None: it can."""
        for component in (*item.components, *item.recipe):
            kind = self._kinds.get(component.sku)
            if kind == ItemKind.KIT.value:
                return f"the part {component.sku!r} is itself a kit: name its parts"
            if kind is None and not self._loader.is_in_this_file(component.sku):
                whole = "a kit" if item.components else "a recipe"
                return f"{whole} names the part {component.sku!r}, which is not an item"
        if item.components and stored is not None and stored.kind == ItemKind.SIMPLE.value:
            if stored.id in self._with_stock:
                return f"{item.sku!r} has stock of its own, so it cannot become a kit"
            if stored.id in self._parts:
                return f"{item.sku!r} is a part of a kit, so it cannot become one"
        return None


def merged(sku: str, fields: dict[str, Any], stored: StoredItem | None) -> Item:
    """The item as it will stand: what the file says, and of the rest what the hub has.

    Raises:
        ValueError: it is new and has no title, or a field cannot be used.
    """
    if stored is None and "title" not in fields:
        raise ValueError("a new item needs a title")
    kept: dict[str, Any] = {name: getattr(stored, name) for name in _FIELDS} if stored is not None else {}
    options = dict(stored.options) if stored is not None else {}
    for name, value in fields.get("options", {}).items():
        options.pop(name, None)
        if value:
            options[name] = value
    parts = fields.get("parts", stored.parts if stored is not None else {})
    recipe = fields.get("recipe", stored.recipe if stored is not None else {})
    given = {name: fields[name] for name in _FIELDS if name in fields}
    return Item(
        sku=sku,
        kind=ItemKind.KIT if parts else ItemKind.SIMPLE,
        options=options,
        components=_as_components(parts),
        recipe=_as_components(recipe),
        **{**kept, **given},
    )


def _as_components(parts: Mapping[str, int]) -> tuple[KitComponent, ...]:
    return tuple(KitComponent(sku=part, units=units) for part, units in sorted(parts.items()))


def _has_parts(row: Row) -> bool:
    return bool(row.get("components") or row.get("recipe"))


def _new(row: Row, fields: dict[str, Any], before: dict[str, StoredItem]) -> Item | None:
    """A row for an item that is not there yet, if it can be one; its recipe follows once its parts are checked."""
    if row.cells["sku"] in before or fields.get("parts") or fields.get("recipe"):
        return None
    try:
        return merged(row.cells["sku"], fields, None)
    except ValueError:
        return None


def _fields(row: Row) -> dict[str, Any]:
    """What the file says of an item.

    Raises:
        ValueError: a cell cannot be used.
    """
    found: dict[str, Any] = {}
    for name in _FIELDS:
        text = row.get(name)
        if text is not None:
            found[name] = text or None
    if "title" in found and found["title"] is None:
        raise ValueError("title: an item needs one")
    gtin = found.get("gtin")
    if gtin is not None and _ROUNDED.match(gtin):
        raise ValueError(f"gtin: {gtin!r} was rounded by a spreadsheet: export the column as text")
    if found.get("weight_grams") is not None:
        found["weight_grams"] = _as_grams(found["weight_grams"])
    options = {name.removeprefix(OPTION): text for name, text in row.cells.items() if name.startswith(OPTION)}
    if options:
        found["options"] = options
    for column, name in (("components", "parts"), ("recipe", "recipe")):
        text = row.get(column)
        if text is not None:
            found[name] = _parts(text, column)
    if "lot_tracking" in found:
        found["lot_tracking"] = _as_tracking(found["lot_tracking"])
    # Whatever a field refuses by itself is refused before anything is compared.
    classes = {name: found.get(name) for name in ("temperature_class", "size_class")}
    Item(sku=row.cells["sku"], title=found.get("title") or "-", gtin=found.get("gtin"), **classes)
    return found


def _as_tracking(text: str | None) -> LotTracking:
    if text not in {None, *LotTracking}:
        raise ValueError(f"lot_tracking: {text!r} is none of {', '.join(LotTracking)}")
    return LotTracking(text or LotTracking.NONE)


def _as_grams(text: str) -> int:
    grams = as_whole(text)
    if grams is None:
        raise ValueError(f"weight_grams: {text!r} is not a whole number of grams")
    return grams


def _parts(text: str, column: str) -> dict[str, int]:
    parts: dict[str, int] = {}
    for piece in text.split():
        sku, _, units = piece.rpartition(":")
        count = as_whole(units)
        if not sku or not count:
            raise ValueError(f"{column}: {piece!r} is not SKU:UNITS")
        if sku in parts:
            raise ValueError(f"{column}: {sku!r} is named twice")
        parts[sku] = count
    return parts


def _differences(stored: StoredItem | None, item: Item) -> list[str]:
    """What changes, for people."""
    if stored is None:
        return []
    recipe = {part.sku: part.units for part in item.recipe}
    pairs: list[tuple[str, object, object]] = [(name, getattr(stored, name), getattr(item, name)) for name in _FIELDS]
    pairs += [("options", dict(stored.options), item.options), ("components", dict(stored.parts), _made_of(item))]
    pairs.append(("recipe", dict(stored.recipe), recipe))
    return [f"{name} {old!r} -> {new!r}" for name, old, new in pairs if old != new]


def _made_of(item: Item) -> dict[str, int]:
    return {component.sku: component.units for component in item.components}


def _verdict(row: Row, changes: Sequence[str], *, is_new: bool) -> Verdict:
    if is_new:
        return Verdict(row, Outcome.NEW)
    if not changes:
        return Verdict(row, Outcome.UNCHANGED)
    return Verdict(row, Outcome.CHANGED, f"{row.cells['sku']}: {', '.join(changes)}")
