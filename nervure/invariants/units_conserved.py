"""On hand is the sum of the physical movements, and their sequence has no gap."""

from collections.abc import Iterator

from nervure.invariants.violation import Look, Violation

RULE = "units_conserved"


def check(look: Look) -> Iterator[Violation]:
    """A missing or doubled ledger row shows here, with its delta."""
    for level in look.levels():
        subject = f"{level.sku} at {level.location}"
        if level.on_hand != level.moved_units:
            delta = level.on_hand - level.moved_units
            yield Violation(RULE, subject, f"on hand {level.on_hand}, movements give {level.moved_units} ({delta:+})")
        if not level.sequence == level.movements == level.last_sequence:
            yield Violation(
                RULE,
                subject,
                f"sequence {level.sequence}, {level.movements} movements, the last is {level.last_sequence}",
            )
