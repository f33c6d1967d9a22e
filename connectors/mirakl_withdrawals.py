"""Units of an accepted order that will not be delivered: what Mirakl must be told, amounts included.

Mirakl cancels or refunds amounts; the quantity stands beside them. The amounts here are the line's own, in proportion
to its units, so that nothing is invented: what earlier cancelations took is already off the line's price, what earlier
refunds gave back is not and is taken off here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from connectors.errors import RefusedError

DEAD_STATES = frozenset({"REFUSED", "CANCELED"})
LEFT_STATES = frozenset({"SHIPPED", "TO_COLLECT", "RECEIVED", "CLOSED"})
WHOLE_UNIT_CURRENCIES = frozenset({"CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"})


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """`units` more of one line, and what they are worth."""

    line: Mapping[str, Any]
    units: int
    remaining: int


def outstanding(order: Mapping[str, Any], wanted: Mapping[str, int]) -> list[Withdrawal]:
    """What is still to be told, where `wanted` are a line's withdrawn units in all.

    Raises:
        RefusedError: a line is unknown, has too few units, or has left.
    """
    lines = {line["order_line_id"]: line for line in order["order_lines"]}
    found = []
    for line_id, units in wanted.items():
        line = lines.get(line_id)
        if line is None:
            raise RefusedError(f"Mirakl order {order['order_id']!r} has no line {line_id!r}")
        done = _withdrawn(line)
        if units <= done:
            continue
        if line["order_line_state"] in LEFT_STATES:
            raise RefusedError(f"Mirakl order line {line_id!r} has left: its units cannot be canceled")
        remaining = line["quantity"] - done
        if units - done > remaining:
            raise RefusedError(
                f"Mirakl order line {line_id!r} has {line['quantity']} units, {units} cannot be canceled"
            )
        found.append(Withdrawal(line, units - done, remaining))
    return found


def cancelation(withdrawal: Withdrawal, currency: str, reason_code: str) -> dict[str, object]:
    """One entry of OR30."""
    line = withdrawal.line
    return {
        "order_line_id": line["order_line_id"],
        "quantity": withdrawal.units,
        "amount": _share(withdrawal, currency, line["price"]),
        "shipping_amount": _share(withdrawal, currency, line["shipping_price"]),
        "currency_iso_code": currency,
        "reason_code": reason_code,
        **{
            kind: [{"code": tax["code"], "amount": _share(withdrawal, currency, tax["amount"])} for tax in line[kind]]
            for kind in ("taxes", "shipping_taxes")
            if line.get(kind)
        },
    }


def refund(withdrawal: Withdrawal, currency: str, reason_code: str) -> dict[str, object]:
    """One entry of OR28 that also takes the units out of what must be shipped."""
    line = dict(withdrawal.line)
    given_back = line.get("refunds") or []
    for kind, amount in (("price", "amount"), ("shipping_price", "shipping_amount")):
        line[kind] = Decimal(line[kind]) - sum((Decimal(one.get(amount) or 0) for one in given_back), Decimal(0))
    for kind in ("taxes", "shipping_taxes"):
        back = [tax for one in given_back for tax in one.get(kind) or []]
        line[kind] = [
            {
                "code": tax["code"],
                "amount": Decimal(tax["amount"])
                - sum((Decimal(one["amount"]) for one in back if one["code"] == tax["code"]), Decimal(0)),
            }
            for tax in line.get(kind) or []
        ]
    entry = cancelation(Withdrawal(line, withdrawal.units, withdrawal.remaining), currency, reason_code)
    return {**entry, "excluded_from_shipment": True}


def _withdrawn(line: Mapping[str, Any]) -> int:
    if line["order_line_state"] in DEAD_STATES:
        return int(line["quantity"])
    canceled = sum(entry.get("quantity") or 0 for entry in line.get("cancelations") or [])
    refunds = line.get("refunds") or []
    return int(canceled) + sum(int(entry["quantity"]) for entry in refunds if _is_of_whole_units(entry, line))


def _is_of_whole_units(entry: Mapping[str, Any], line: Mapping[str, Any]) -> bool:
    """A lower amount is a gesture: its quantity is only a remark, and the units still have to be shipped."""
    units = entry.get("quantity") or 0
    return units > 0 and Decimal(entry.get("amount") or 0) >= Decimal(line["price_unit"]) * units


def _share(withdrawal: Withdrawal, currency: str, amount: Decimal | int) -> float:
    step = Decimal(1) if currency in WHOLE_UNIT_CURRENCIES else Decimal("0.01")
    share = Decimal(amount) * withdrawal.units / withdrawal.remaining
    # The contract wants a JSON number; a float writes an amount of cents exactly as it is.
    return float(max(Decimal(0), share.quantize(step, ROUND_HALF_UP)))
