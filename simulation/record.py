"""What really happened in the world, as plain data: it can be written down in one process and judged in another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from simulation.platform import BasketLine, Purchase, ShelfCause, ShelfChange

Shelf = Mapping[tuple[str, str], int]
"""Units that shoppers see, by (sku, stock point)."""


@dataclass(frozen=True, slots=True)
class Sale:
    """What a shopper got on an account."""

    account: str
    purchase: Purchase


@dataclass(frozen=True, slots=True)
class ComeBack:
    """Units that a platform put back (`kind` canceled) or took back (`returned`); `order_id` None: a blind return."""

    account: str
    kind: str
    stock_point: str
    lines: tuple[BasketLine, ...]
    at: datetime
    order_id: str | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A world at one moment.

    `parts`: what each sku is made of (a simple one of itself). `points`: for each account its stock points with the
    locations each stands for. `stock`: units that were brought to each (sku, location) from the start on.
    `supplier_shipped`: what has left the supplier's house by then, by our reference, heard or not; `supplier_stock` is
    without it. `heard_slowly`: accounts whose sales a platform tells only once in a while, by its own ceiling.
    """

    parts: Mapping[str, Mapping[str, int]]
    stock: Mapping[tuple[str, str], int]
    supplier_stock: Mapping[str, int]
    points: Mapping[str, Mapping[str, Sequence[str]]]
    shelves: Mapping[str, Shelf]
    shelf_logs: Mapping[str, Sequence[ShelfChange]]
    sales: Sequence[Sale]
    come_backs: Sequence[ComeBack]
    requests: Mapping[str, int]
    webhooks: int = 0
    heard_slowly: Sequence[str] = ()
    supplier_shipped: Mapping[str, int] = field(default_factory=dict)

    def as_document(self) -> dict[str, Any]:
        """The record as JSON knows it."""
        return {
            "parts": self.parts,
            "stock": [[*key, units] for key, units in self.stock.items()],
            "supplier_stock": self.supplier_stock,
            "points": {
                name: {point: list(codes) for point, codes in points.items()} for name, points in self.points.items()
            },
            "shelves": {name: [[*key, units] for key, units in shelf.items()] for name, shelf in self.shelves.items()},
            "shelf_logs": {
                name: [[c.at.isoformat(), c.sku, c.stock_point, c.units, c.cause.value] for c in log]
                for name, log in self.shelf_logs.items()
            },
            "sales": [[sale.account, _purchase(sale.purchase)] for sale in self.sales],
            "come_backs": [
                [back.account, back.kind, back.stock_point, _lines(back.lines), back.at.isoformat(), back.order_id]
                for back in self.come_backs
            ],
            "requests": self.requests,
            "webhooks": self.webhooks,
            "heard_slowly": list(self.heard_slowly),
            "supplier_shipped": self.supplier_shipped,
        }


def from_document(document: Mapping[str, Any]) -> Record:
    """Reads what `Record.as_document` wrote."""
    return Record(
        parts=document["parts"],
        stock={(sku, place): units for sku, place, units in document["stock"]},
        supplier_stock=document["supplier_stock"],
        points=document["points"],
        shelves={
            name: {(sku, point): units for sku, point, units in rows} for name, rows in document["shelves"].items()
        },
        shelf_logs={
            name: [
                ShelfChange(datetime.fromisoformat(at), sku, point, units, ShelfCause(cause))
                for at, sku, point, units, cause in rows
            ]
            for name, rows in document["shelf_logs"].items()
        },
        sales=[
            Sale(
                account,
                Purchase(
                    purchase["order_id"],
                    datetime.fromisoformat(purchase["at"]),
                    purchase["stock_point"],
                    _read_lines(purchase["lines"]),
                    _read_lines(purchase["refused"]),
                ),
            )
            for account, purchase in document["sales"]
        ],
        come_backs=[
            ComeBack(account, kind, point, _read_lines(lines), datetime.fromisoformat(at), order_id)
            for account, kind, point, lines, at, order_id in document["come_backs"]
        ],
        requests=document["requests"],
        webhooks=document["webhooks"],
        heard_slowly=document["heard_slowly"],
        supplier_shipped=document["supplier_shipped"],
    )


def _purchase(purchase: Purchase) -> dict[str, Any]:
    return {
        "order_id": purchase.order_id,
        "at": purchase.at.isoformat(),
        "stock_point": purchase.stock_point,
        "lines": _lines(purchase.lines),
        "refused": _lines(purchase.refused),
    }


def _lines(lines: Sequence[BasketLine]) -> list[list[Any]]:
    return [[line.sku, line.units] for line in lines]


def _read_lines(rows: Sequence[Sequence[Any]]) -> tuple[BasketLine, ...]:
    return tuple(BasketLine(sku, units) for sku, units in rows)
