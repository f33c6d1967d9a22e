"""Which orders could have been served from what was really there, and which of them were not.

First come, first served, over everything that the merchant and its supplier really had: what the shoppers before an
order took is gone for it, wherever it lay. Goods that nobody knows of count as there.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from nervure.store.audit import LineAudit
from simulation.platform import BasketLine
from simulation.record import Record, Sale

Order = tuple[str, str]
"""(account, the channel's id of the order)."""


@dataclass(frozen=True, slots=True)
class Servable:
    """`orders` could have been served whole; `short` of them lack units at the end."""

    orders: int
    short: int
    details: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """The share of orders that were let down although the goods were there."""
        return self.short / self.orders if self.orders else 0.0


def count_servable(
    record: Record,
    really_there: Mapping[tuple[str, str], int],
    corrections: Iterable[tuple[datetime, str, int]],
    lines: Iterable[LineAudit],
) -> Servable:
    """Goes through what happened in the order of its times. What a shopper at a till has in hand was there.

    `really_there`: units by (sku, location) at the start. `corrections`: signed units at own locations.
    """
    left: Counter[str] = Counter()
    for (sku, _), units in really_there.items():
        left[sku] += units
    taken: dict[Order, Counter[str]] = defaultdict(Counter)
    servable: list[Order] = []
    moments: list[tuple[datetime, int, Sale | tuple[Order | None, tuple[BasketLine, ...]]]] = [
        (sale.purchase.at, 1, sale) for sale in record.sales if sale.purchase.order_id is not None
    ]
    for back in record.come_backs:
        order = None if back.order_id is None else (back.account, back.order_id)
        moments.append((back.at, 0, (order, back.lines)))
    for at, sku, units in corrections:
        moments.append((at, 0, (None, (BasketLine(sku, units),))))
    for _, _, happened in sorted(moments, key=lambda one: one[:2]):
        if isinstance(happened, Sale):
            order = (happened.account, happened.purchase.order_id or "")
            if _take(happened, record, left, taken[order]):
                servable.append(order)
            continue
        of, backs = happened
        for line in backs:
            units = line.units if of is None else min(line.units, taken[of][line.sku])
            if of is not None:
                taken[of][line.sku] -= units
            for part, per in record.parts[line.sku].items():
                left[part] += units * per
    short = {(line.channel, line.order) for line in lines if line.units_short > line.units_backordered}
    let_down = [order for order in servable if order in short]
    return Servable(len(servable), len(let_down), tuple(f"{a} {o} is short, and was there" for a, o in let_down[:20]))


def _take(sale: Sale, record: Record, left: Counter[str], taken: Counter[str]) -> bool:
    """What an order takes of what is left; answers whether that is all of it."""
    is_at_till = len(record.points[sale.account][sale.purchase.stock_point]) == 1
    is_whole = True
    for line in sale.purchase.lines:
        parts = record.parts[line.sku]
        there = min(max(left[part], 0) // per for part, per in parts.items())
        units = line.units if is_at_till else min(line.units, there)
        is_whole &= units == line.units
        taken[line.sku] += units
        for part, per in parts.items():
            left[part] -= units * per
    return is_whole
