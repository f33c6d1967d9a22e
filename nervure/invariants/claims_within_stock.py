"""No claim holds a unit that is not there, and what a level says is claimed is what its claims hold."""

from collections.abc import Iterator

from nervure.invariants.violation import Look, Violation
from schemas.base import counted

RULE = "claims_within_stock"


def check(look: Look) -> Iterator[Violation]:
    """Physical facts may leave fewer units than are claimed; settling them is part of booking them."""
    for level in look.levels():
        subject = f"{level.sku} at {level.location}"
        claimed = level.reserved + level.allocated
        if claimed > max(level.on_hand, 0):
            yield Violation(
                RULE,
                subject,
                f"{counted(claimed, 'unit is', 'units are')} claimed, {counted(level.on_hand, 'is', 'are')} there",
                level.sku,
                level.location,
                claimed - max(level.on_hand, 0),
                f"{claimed} claimed",
                f"at most {max(level.on_hand, 0)}",
            )
        if (level.reserved, level.allocated) != (level.held_reserved, level.held_allocated):
            yield Violation(
                RULE,
                subject,
                f"says {level.reserved} reserved and {level.allocated} allocated,"
                f" its claims hold {level.held_reserved} and {level.held_allocated}",
                level.sku,
                level.location,
                claimed - level.held_reserved - level.held_allocated,
                f"{level.reserved} reserved, {level.allocated} allocated",
                f"{level.held_reserved} reserved, {level.held_allocated} allocated",
            )
