"""An accepted line is served, canceled or short, never nothing; and nobody is short without a task.

A backorder is short on purpose, and has its task when its day has passed.
"""

from collections.abc import Iterator

from nervure.invariants.violation import Look, Violation
from schemas.base import counted

RULE = "lines_accounted"


def check(look: Look) -> Iterator[Violation]:
    """Units in fulfillment orders + canceled + shortfall = ordered."""
    for line in look.lines():
        if not line.is_counted:
            continue
        subject = f"{line.channel} order {line.order} line {line.line}"
        accounted = line.units_served + line.units_canceled + line.units_short
        if accounted != line.units_ordered:
            yield Violation(
                RULE,
                subject,
                f"{line.units_ordered} ordered, {accounted} accounted for",
                line.sku,
                "",
                accounted - line.units_ordered,
                f"{accounted} accounted for",
                f"{line.units_ordered} ordered",
            )
        unplanned = line.units_short - line.units_backordered
        if unplanned and not line.has_task:
            yield Violation(
                RULE,
                subject,
                f"{counted(unplanned, 'unit is', 'units are')} short and nobody was told",
                line.sku,
                "",
                unplanned,
                "no task",
                "a task",
            )
