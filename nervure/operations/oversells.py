"""What buffers are worth: how much was predicted to be sold twice, how much was, and what keeping units back costs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nervure.operations.buffers import Elsewhere, look_elsewhere
from nervure.operations.hub import Hub
from nervure.publication.earned import SECONDS_A_DAY, Delays, Stream, chance_beyond, likely
from nervure.store.database import Connection
from nervure.store.earned import EarnedStore, Sold
from nervure.store.oversells import OversellStore, SoldLine
from nervure.store.salable import SalableStore

FAR = 30
"""So many units more are not sold elsewhere before a channel is told."""


@dataclass(frozen=True, slots=True)
class BufferReport:
    """One channel in the last days.

    `lines` were sold, and `last` of them took the last units that it showed. `without` and `predicted`: lines that were
    to be expected to be sold when their units had gone, without a buffer and with those of then; in 95 of 100 cases
    between `low` and `high`. `realized` were. None: how long the channel is told was not measured. `kept_back` units
    are now, and at the present pace `lost_per_day` units of items that show 0 for a buffer alone are not sold there.
    """

    channel: str
    p50_seconds: float | None
    p95_seconds: float | None
    lines: int
    last: int
    without: float | None
    predicted: float | None
    low: int | None
    high: int | None
    realized: int
    kept_back: int
    lost_per_day: float


def report_buffers(hub: Hub) -> list[BufferReport]:
    """Every channel of the settings that sells stock which others sell too."""
    with hub.database.read() as connection:
        now = hub.clock.now()
        store, lines = EarnedStore(connection, now), OversellStore(connection, now)
        neighbours = store.neighbours()
        ids = {name: one for name, one in store.channels().items() if name in hub.accounts and neighbours[one]}
        looked, _ = look_elsewhere(store, list(ids.values()))
        sold, _ = store.sold()
        return [
            _report(name, elsewhere, lines.lines(elsewhere.channel_id), *_costs(connection, hub, elsewhere, sold))
            for name, elsewhere in zip(ids, looked, strict=True)
        ]


def _report(name: str, elsewhere: Elsewhere, lines: Sequence[SoldLine], kept_back: int, lost: float) -> BufferReport:
    delays = elsewhere.delays
    without = predicted = low = high = None
    if delays is not None:
        chances = _chances(elsewhere.streams, delays, [(one.item_id, one.left, one.buffer_units) for one in lines])
        without = sum(_chances(elsewhere.streams, delays, [(one.item_id, one.left, 0) for one in lines]))
        predicted = sum(chances)
        low, high = likely(chances)
    return BufferReport(
        channel=name,
        p50_seconds=delays.p50 if delays else None,
        p95_seconds=delays.p95 if delays else None,
        lines=len(lines),
        last=sum(one.left <= 0 for one in lines),
        without=without,
        predicted=predicted,
        low=low,
        high=high,
        realized=sum(one.is_oversold for one in lines),
        kept_back=kept_back,
        lost_per_day=lost,
    )


def _chances(streams: Mapping[int, Stream], delays: Delays, lines: Sequence[tuple[int, int, int]]) -> list[float]:
    """The chance of each line (item, units left, units kept back) that more had been sold elsewhere than were left."""
    known: dict[tuple[int, int], float] = {}
    found = []
    for item, left, kept in lines:
        key = (item, max(left, 0) + kept)
        if key not in known:
            known[key] = chance_beyond(key[1], streams.get(item, {}), delays) if key[1] < FAR else 0.0
        found.append(known[key])
    return found


def _costs(connection: Connection, hub: Hub, elsewhere: Elsewhere, sold: Sequence[Sold]) -> tuple[int, float]:
    """Units that buffers keep back on a channel now, and units a day that are not sold there for them alone."""
    store = EarnedStore(connection, hub.clock.now())
    numbers = SalableStore(connection, hub.clock.now()).kept_back(store.numbers_with_buffer(elsewhere.channel_id))
    shown: Mapping[int, list[int]] = defaultdict(lambda: [0, 0])
    for (item, _), (units, kept) in numbers.items():
        shown[item][0] += units
        shown[item][1] += kept
    empty = {item for item, (units, kept) in shown.items() if kept and not units}
    lost = sum(
        one.units * one.orders_per_second
        for one in sold
        if one.channel_id == elsewhere.channel_id and one.item_id in empty
    )
    return sum(kept for _, kept in shown.values()), lost * SECONDS_A_DAY
