"""Which units leave first, and what an item asks of its lots."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from nervure.inventory.stock import Level, Place
from schemas.items import LotTracking
from schemas.stock import OUR_OWN

NEVER = datetime.max.replace(tzinfo=UTC)
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)
"""Days of lots beyond these are slips."""


class LotError(Exception):
    """A movement that does not name its lot as the item asks; one sentence."""


@dataclass(frozen=True, slots=True)
class Draw:
    """`units` of one owner and lot."""

    owner: str
    lot: str
    units: int


def leaves_first(level: Level) -> tuple[datetime, bool, int]:
    """The order in which units leave: what expires first, then our own, then the oldest level."""
    return (level.expires_at or NEVER, level.owner != OUR_OWN, level.id)


def expires_at(expires_on: date, time_zone: str) -> datetime:
    """When a lot's last day begins at a place: from then on it is not promised there."""
    return datetime.combine(expires_on, time.min, ZoneInfo(time_zone)).astimezone(UTC)


def check_lot(sku: str, tracking: LotTracking, lot: str, expires_on: date | None) -> None:
    """Whether a movement names its lot as the item asks. `expires_on`: as stated now, or as known of the lot.

    Raises:
        LotError: it does not.
    """
    if expires_on is not None and not FIRST_DAY <= expires_on <= LAST_DAY:
        raise LotError(
            f"{expires_on} is no day on which a lot of {sku!r} expires: it lies before {FIRST_DAY} or after {LAST_DAY}"
        )
    match tracking:
        case LotTracking.NONE:
            if expires_on is not None and not lot:
                raise LotError(f"a last day is a lot's: name the lot of {sku!r}")
        case LotTracking.LOT:
            if not lot:
                raise LotError(f"{sku!r} is kept by lots: name the lot")
        case LotTracking.EXPIRY:
            if not lot:
                raise LotError(f"{sku!r} is kept by lots with expiry dates: name the lot")
            if expires_on is None:
                raise LotError(f"lot {lot!r} of {sku!r} is new: say when it expires")


def draw(levels: Iterable[Level], wanted: Sequence[tuple[Place, int]]) -> list[list[Draw]]:
    """Whose units of which lot a sale has taken from a shelf, for each of `wanted` in turn.

    Free units go first, then those that are set aside for others: a sale at a till is a fact. What nobody has is
    taken from our own.
    """
    ordered = sorted(levels, key=leaves_first)
    free = {level.id: max(level.claimable, 0) for level in ordered}
    there = {level.id: max(level.claimable + level.claimed, 0) for level in ordered}
    found: list[list[Draw]] = []
    for place, units in wanted:
        taken: dict[tuple[str, str], int] = {}
        missing = units
        for pile in (free, there):
            for level in ordered:
                if level.place == place and (some := min(missing, pile[level.id], there[level.id])) > 0:
                    taken[level.owner, level.lot] = taken.get((level.owner, level.lot), 0) + some
                    free[level.id] -= some
                    there[level.id] -= some
                    missing -= some
        if missing:
            taken[OUR_OWN, ""] = taken.get((OUR_OWN, ""), 0) + missing
        found.append([Draw(owner, lot, count) for (owner, lot), count in taken.items()])
    return found
