"""Each bound listing has a publication at each stock point: in flight, confirmed, in error or excluded."""

from collections.abc import Iterator

from nervure.invariants.violation import Look, Violation

RULE = "every_listing_published"


def check(look: Look) -> Iterator[Violation]:
    """A listing outside of all groups would never be synced, and nobody would see it."""
    missing = look.missing_publications()
    if missing:
        yield Violation(RULE, "publications", f"{missing} bound listings have none at a stock point of their channel")
