"""The units of a fulfillment line are held for it until they leave, and what it gave back is free again.

A line of a simple item has claims of that item at its own location, one unit for one. A line of a kit has claims of
parts: for each of its units the same whole number of each part. The recipe of today is not asked: what was
taken counts. What left without a claim, at a till, is in the ledger under the line's own number.
"""

from collections import Counter
from collections.abc import Iterator

from nervure.invariants.violation import FulfillmentSeen, Look, Violation
from schemas.base import counted
from schemas.fulfillment import AT_LOCATION

RULE = "lines_served"
_OPEN = frozenset({*AT_LOCATION, "sent_to_supplier"})
_LEFT = frozenset({"shipped", "handed_over"})


def check(look: Look) -> Iterator[Violation]:
    """Fulfillment lines whose claims are of other units, another place or another state than the line."""
    for line in look.fulfillment():
        if not line.is_of_order:
            yield _violation(line, line.sku, line.units, "is in a fulfillment order of another order", "its own order")
        ever = line.units + line.units_given_back
        claimed = Counter(line.held) + Counter(line.consumed) + Counter(line.released)
        taken = claimed or Counter(line.gone)
        if not ever or not taken:
            yield _violation(
                line, line.sku, -ever, f"{counted(ever, 'unit')}, no claim and no movement", "units that were taken"
            )
        for key, units in sorted(taken.items()):
            yield from _part(line, key, units, ever)
        if claimed and line.gone:
            yield _violation(
                line, line.sku, sum(line.gone.values()), "has claims, and left without them too", "one way"
            )


def _part(line: FulfillmentSeen, key: tuple[str, str], units: int, ever: int) -> Iterator[Violation]:
    sku, location = key
    if location != line.location or (not line.is_kit and sku != line.sku):
        yield _violation(line, sku, units, f"took {units} of {sku} at {location}", f"{line.sku} at {line.location}")
        return
    for_each = 1 if not line.is_kit else max(units // ever, 1) if ever else 1
    if units != for_each * ever:
        yield _violation(line, sku, units - for_each * ever, f"took {units} of {sku}", str(for_each * ever))
        return
    must = {
        "held": for_each * line.units if line.state in _OPEN else 0,
        "consumed or gone": for_each * line.units if line.state in _LEFT else 0,
        "released": for_each * line.units_given_back,
    }
    found = {
        "held": line.held[key],
        "consumed or gone": line.consumed[key] + line.gone[key],
        "released": line.released[key],
    }
    for name, wanted in must.items():
        if found[name] != wanted:
            delta = found[name] - wanted
            yield _violation(line, sku, delta, f"{found[name]} of {sku} {name}", f"{wanted} while {line.state}")


def _violation(line: FulfillmentSeen, sku: str, delta: int, found: str, must: str) -> Violation:
    subject = f"{line.channel} order {line.order}, fulfillment line {line.number}"
    return Violation(RULE, subject, f"{found}, must be {must}", sku, line.location, delta, found, must)
