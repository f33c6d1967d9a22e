"""Groups of substitutes from a file: one row for each member. A group is taken whole, as the file says it, or not."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from nervure.operations.imports import Outcome, Verdict, fault_of, refused
from nervure.operations.sheets import Row, Sheet, as_whole
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.substitution import SubstitutionStore
from schemas.substitution import Member, SubstitutionGroup

_RULES = {"price_same": "same", "price_up": "up", "price_down": "down"}
_OF_GROUP = ("relation", *_RULES)
BATCH_GROUPS = 200


class SubstituteLoader:
    """Columns: group, sku, relation, rank, price, price_same, price_up, price_down.

    All rows of a group say the same relation and rules. A member that the file does not name any more is taken out of
    its group; a group that it does not name stays as it is.
    """

    needed = {"group", "sku", "relation"}
    known = {"group", "sku", "rank", "price", *_OF_GROUP}

    def __init__(self) -> None:
        self._rows: dict[str, list[Row]] = {}

    def look_over(self, sheet: Sheet) -> int:
        count = 0
        for row in sheet.rows():
            count += 1
            self._rows.setdefault(row.cells["group"], []).append(row)
        return count

    def batches(self, sheet: Sheet) -> Iterator[list[Row]]:
        groups = list(self._rows.values())
        for first in range(0, len(groups), BATCH_GROUPS):
            yield [row for rows in groups[first : first + BATCH_GROUPS] for row in rows]

    def take(self, connection: Connection, rows: Sequence[Row], now: datetime, *, writes: bool) -> list[Verdict]:
        of_group: dict[str, list[Row]] = {}
        for row in rows:
            of_group.setdefault(row.cells["group"], []).append(row)
        catalogue, store = CatalogueStore(connection, now), SubstitutionStore(connection)
        items = catalogue.item_ids({row.cells["sku"] for row in rows})
        skus = catalogue.skus_of(set(items.values()))
        stored = store.groups(of_group, locked=writes)
        verdicts: list[Verdict] = []
        for name, members in sorted(of_group.items()):
            faults = _faults(members, items)
            if not faults:
                try:
                    group = _group(name, members, {sku: skus[number] for sku, number in items.items()})
                except ValueError as error:
                    faults = {members[0].line: fault_of(error)}
            if faults:
                verdicts.extend(_refusals(name, members, faults))
                continue
            verdicts.extend(_compared(members, group, stored.get(name)))
            if writes and stored.get(name) != group:
                store.put(group, {skus[number]: number for number in items.values()})
        return verdicts


def _faults(rows: Sequence[Row], items: Mapping[str, int]) -> dict[int, str]:
    """What cannot be used, by line."""
    faults: dict[int, str] = {}
    seen: dict[int, int] = {}
    for row in rows:
        sku = row.cells["sku"]
        differing = [name for name in _OF_GROUP if (row.get(name) or "") != (rows[0].get(name) or "")]
        rank, price = row.get("rank") or "", row.get("price") or ""
        if not row.cells["group"]:
            faults[row.line] = "group: a substitute needs the name of its group"
        elif sku not in items:
            faults[row.line] = f"sku {sku!r} is not known"
        elif items[sku] in seen:
            faults[row.line] = f"{sku!r} is in the group already, on line {seen[items[sku]]}"
        elif differing:
            faults[row.line] = f"{differing[0]}: the group's first row, on line {rows[0].line}, says something else"
        elif rank and as_whole(rank) is None:
            faults[row.line] = f"rank: {rank!r} is not a whole number of 0 or more"
        elif price and _as_price(price) is None:
            faults[row.line] = f"price: {price!r} is not an amount"
        else:
            seen[items[sku]] = row.line
    return faults


def _refusals(name: str, rows: Sequence[Row], faults: Mapping[int, str]) -> list[Verdict]:
    lines = ", ".join(str(line) for line in sorted(faults))
    return [
        refused(row, faults.get(row.line, f"nothing of group {name!r} is taken: look at line {lines}")) for row in rows
    ]


def _group(name: str, rows: Sequence[Row], skus: Mapping[str, str]) -> SubstitutionGroup:
    """The group as the file says it, its members by rank and sku.

    Raises:
        ValueError: something cannot be used.
    """
    members = [
        Member(
            sku=skus[row.cells["sku"]],
            rank=as_whole(row.get("rank") or "0") or 0,
            price=_as_price(row.get("price") or ""),
        )
        for row in rows
    ]
    if len(members) < 2:  # noqa: PLR2004 - who stands alone is nobody's substitute
        raise ValueError(f"group {name!r} has one member: it has no substitute")
    rules: dict[str, Any] = {word: text for column, word in _RULES.items() if (text := rows[0].get(column))}
    return SubstitutionGroup.model_validate(
        {
            "name": name,
            "relation": rows[0].get("relation") or "",
            "members": tuple(sorted(members, key=lambda one: (one.rank, one.sku))),
            **rules,
        }
    )


def _compared(rows: Sequence[Row], group: SubstitutionGroup, stored: SubstitutionGroup | None) -> list[Verdict]:
    if stored is None:
        return [Verdict(row, Outcome.NEW) for row in rows]
    if stored == group:
        return [Verdict(row, Outcome.UNCHANGED) for row in rows]
    gone = sorted({one.sku for one in stored.members} - {one.sku for one in group.members})
    text = f"group {group.name}" + (f": {', '.join(gone)} taken out" if gone else "")
    before = {one.sku: one for one in stored.members}
    rules_change = stored.model_copy(update={"members": group.members}) != group
    after = {one.sku: one for one in group.members}
    return [
        Verdict(row, Outcome.NEW)
        if (member := after.get(row.cells["sku"])) is not None and member.sku not in before
        else Verdict(row, Outcome.CHANGED, text)
        if rules_change or gone or member is None or before[member.sku] != member
        else Verdict(row, Outcome.UNCHANGED)
        for row in rows
    ]


def _as_price(text: str) -> Decimal | None:
    try:
        price = Decimal(text.replace(",", "."))
    except InvalidOperation:
        return None
    return price if price.is_finite() and price >= 0 else None
