"""What is in transit is what transfers say is under way, and what came for a purchase is in the ledger."""

from collections.abc import Iterator

from nervure.invariants.violation import Look, Violation, of_row

RULE = "goods_accounted"


def check(look: Look) -> Iterator[Violation]:
    """A transfer or a purchase that says other units than the ledger shows here, with both numbers."""
    for goods in look.goods():
        if goods.said_units != goods.booked_units:
            yield Violation(
                RULE,
                goods.subject,
                f"says {goods.said_units}, the ledger {goods.booked_units}",
                goods.sku,
                goods.location,
                goods.said_units - goods.booked_units,
                f"{goods.said_units} said",
                f"{goods.booked_units}, as the ledger",
            )
    for row in look.lost_transfers():
        yield of_row(RULE, row)
