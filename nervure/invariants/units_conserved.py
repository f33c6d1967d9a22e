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
            yield Violation(
                RULE,
                subject,
                f"on hand {level.on_hand}, movements give {level.moved_units} ({delta:+})",
                level.sku,
                level.location,
                delta,
                f"on hand {level.on_hand}",
                f"on hand {level.moved_units}",
            )
        if not level.sequence == level.movements == level.last_sequence == level.distinct_sequences:
            yield Violation(
                RULE,
                subject,
                f"sequence {level.sequence}, {level.movements} movements, the last is {level.last_sequence}",
                level.sku,
                level.location,
                level.on_hand - level.moved_units,
                f"{level.movements} movements, the last is {level.last_sequence}",
                f"1 to {level.sequence} without a gap",
            )
