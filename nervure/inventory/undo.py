"""Taking a document back: what was booked by hand and should not have been.

An undo says that something never happened. So it is dated where its movement was, and a count made since, which has
seen the truth, swallows it. At a place with another master it is dated now: that master was told of the movement, and
has to be told of its end.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from nervure.inventory.movements import Key
from nervure.inventory.stock import Entry
from schemas.stock import AdjustmentReason, MovementKind

BY_HAND = "hub|"
"""What the cause keys of movements begin with that people book and that nothing else follows."""

KINDS_BY_HAND = ("receipt", "adjustment", "condition", "ownership", "consumption", "assembly", "disassembly")
"""The first words of the names of such documents, which a person may leave out."""

UNDO = "undo"

INSTEAD = {
    "order": "cancel the order on its channel, or take the goods back as a return",
    "return": "correct it on its channel, or move the goods with `nervure stock condition` or `nervure stock adjust`",
    "transfer": "send the goods back with another transfer",
    "count": "count again",
    "observation": "correct the number there, or count again",
    "feed": "the supplier's next feed corrects it",
    "movement": "correct it on the platform that told it",
    "fulfillment": "the supplier's next feed corrects it",
    "expiry": "correct the lot's day, then move the units with `nervure stock condition`",
    UNDO: "book it again under a new document",
}
"""What to do about a document that is no matter of one hand, by the first word of its name."""


@dataclass(frozen=True, slots=True)
class Booked:
    """A movement as the ledger has it. `is_ours`: the hub counts where it happened. `is_undone`: it is taken back."""

    key: Key
    kind: MovementKind
    units: int
    cause_key: str
    document: str
    occurred_at: datetime
    is_ours: bool
    is_undone: bool
    compensates: bool


def why_not(document: str, movements: Iterable[Booked]) -> str | None:
    """One sentence about why a document cannot be undone, and what to do instead; None: it can be."""
    if all(one.cause_key.startswith(BY_HAND) for one in movements):
        return None
    kind = document.partition(":")[0]
    instead = INSTEAD.get(kind, "correct it with `nervure stock adjust`")
    if kind == UNDO:
        return f"{document!r} is itself an undo: {instead}"
    return f"{document!r} was not booked by hand and cannot be undone: {instead}"


def taking_back(movements: Iterable[Booked], now: datetime) -> list[Entry]:
    """The entries that undo movements, each linked to its own; what is taken back already is left alone."""
    return [
        Entry(
            place=one.key.place,
            kind=MovementKind.ADJUSTED,
            units=-one.units,
            cause_key=f"{UNDO}|{one.cause_key}",
            occurred_at=one.occurred_at if one.is_ours else now,
            reason=AdjustmentReason.CORRECTION,
            owner=one.key.owner,
            condition=one.key.condition,
            lot=one.key.lot,
            document=f"{UNDO}:{one.document}",
            compensates=one.cause_key,
        )
        for one in movements
        if not (one.is_undone or one.compensates)
    ]
