"""What became of the refunded units of a Shopify order.

Shopify names a restock type, but `no_restock` does not say whether the units had left.
Per line, the units that never left and no longer wait to be sent are canceled (`units_canceled`): ordered less left (in
successful fulfillments) less what Shopify still wants sent. That number is held between what the restock types make
certain: `cancel` units and units removed by an order edit are canceled for sure, `return` units came back for sure as
far as as many had left. What a `no_restock` refund counts beyond the canceled units had left: a return with nothing
restocked. Where Shopify does not state what it still wants sent, refunds take units that left first, as Shopify does.
(Shopify/shopify-api-ruby#667: units that left are refunded first; read 2026-11-22.)
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mappings.shopify_plain import PlainLine, PlainOrder, PlainRefundLine

RESTOCK_TYPES = frozenset({"cancel", "return", "no_restock", "legacy_restock"})


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of one line: units canceled in all, and units that came back by refund line."""

    canceled: int
    came_back: dict[str, int]


def settle(plain: PlainOrder) -> dict[str, Settlement]:
    """What became of every line, by its id.

    Raises:
        ValueError: a restock type that nobody knows.
    """
    refunded: dict[str, list[PlainRefundLine]] = {line.id: [] for line in plain.lines}
    for refund in sorted(plain.refunds, key=lambda one: (one.processed_at, int(one.id))):
        for item in refund.lines:
            if item.restock_type not in RESTOCK_TYPES:
                raise ValueError(f"unknown restock type {item.restock_type!r}")
            refunded.setdefault(item.line, []).append(item)
    return {
        line.id: _settle_line(line, refunded[line.id], plain.left.get(line.id, 0), is_cancelled=plain.is_cancelled)
        for line in plain.lines
    }


def _settle_line(line: PlainLine, refunds: list[PlainRefundLine], left: int, *, is_cancelled: bool) -> Settlement:
    refunded = sum(item.units for item in refunds)
    removed = max(refunded, 0 if line.units_now is None else line.units - line.units_now)
    returned = sum(item.units for item in refunds if item.restock_type == "return")
    canceled_by_type = sum(item.units for item in refunds if item.restock_type == "cancel")
    undecided = refunded - returned - canceled_by_type
    never_left = max(0, line.units - left)
    returned_of_left = min(returned, left)
    certain = canceled_by_type + (removed - refunded) + (returned - returned_of_left)
    least = min(never_left, max(certain, certain + undecided - (left - returned_of_left)))
    most = min(never_left, certain + undecided)
    wanted = least if line.to_fulfill is None else never_left - line.to_fulfill
    canceled = never_left if is_cancelled else min(max(wanted, least), most)
    return Settlement(canceled, dict(_came_back(refunds, left, max(0, canceled - certain))))


def _came_back(refunds: list[PlainRefundLine], left: int, undecided_canceled: int) -> Iterator[tuple[str, int]]:
    """Units of each refund line, oldest first, that had left; never more in all than left."""
    for item in refunds:
        units = item.units if item.restock_type != "cancel" else 0
        if item.restock_type in ("no_restock", "legacy_restock"):
            canceled = min(units, undecided_canceled)
            undecided_canceled -= canceled
            units -= canceled
        units = min(units, left)
        left -= units
        if units:
            yield item.id, units
