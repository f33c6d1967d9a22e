"""What a merchant decides about the numbers that channels show."""

from enum import StrEnum


class PolicyKind(StrEnum):
    """BACKORDER and PREORDER allow sales beyond what is there; the others keep something back.

    EARNED is a buffer that the hub computes; nobody sets it by hand.
    """

    BUFFER = "buffer"
    EARNED = "earned"
    SHARE = "share"
    CAP = "cap"
    BACKORDER = "backorder"
    PREORDER = "preorder"


BEYOND = frozenset({PolicyKind.BACKORDER, PolicyKind.PREORDER})


class Logged(StrEnum):
    """What the log of policies holds beside the kinds above: all else that a number follows from."""

    SAFETY_STOCK = "safety_stock"
    POOL = "pool"
    KIT = "kit"
    FRESHNESS = "freshness"
