"""Each bound listing has a publication at each stock point: in flight, confirmed, in error or excluded.

Where the settings do not name the stock point it is excluded, and nothing else.
"""

from collections.abc import Iterator

from nervure.invariants.violation import Look, Violation

RULE = "every_listing_published"


def check(look: Look) -> Iterator[Violation]:
    """A listing outside of all groups would never be synced, and nobody would see it."""
    missing = look.missing_publications()
    if missing:
        yield Violation(RULE, "publications", f"{missing} bound listings have none at a stock point of their channel")
    stray = look.stray_publications()
    if stray:
        yield Violation(RULE, "publications", f"{stray} are open at stock points that the settings do not name")
