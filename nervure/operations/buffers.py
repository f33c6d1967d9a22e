"""Earning buffers: from what was sold and measured lately to the units that each channel keeps back."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from nervure.inventory.availability import Parts
from nervure.operations.hub import Hub
from nervure.publication.earned import Delays, Earning, Stream, grounds, settled, told_after
from nervure.store.database import Connection
from nervure.store.earned import EarnedStore, Kept, Sold
from nervure.store.statements import chunks

LEAST_SAMPLES = 20
"""With fewer orders heard elsewhere, or fewer answers of a channel, nothing was measured."""

AT_ONCE = 2_000
"""So many buffers are written in one transaction."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What sells elsewhere of the stock of one channel, by item, and after how long it is told. None: not measured."""

    channel_id: int
    streams: Mapping[int, Stream]
    delays: Delays | None


def earn_buffers(hub: Hub) -> int:
    """Computes the buffers of all channels that earn them; answers how many changed.

    Two that do it at once come to the same: each buffer is one row, and whoever writes last has looked last.
    """
    earning = {name: account.earning for name, account in hub.accounts.items() if account.earning is not None}
    with hub.database.read() as connection:
        store = EarnedStore(connection, hub.clock.now())
        ids = store.channels()
        kept = store.kept()
        found: list[Kept] = []
        if earning:
            looked, prices = look_elsewhere(store, [ids[name] for name in earning])
            for elsewhere, how in zip(looked, earning.values(), strict=True):
                found += _earned(elsewhere, how, prices, kept)

    def write(connection: Connection, part: Sequence[Kept]) -> int:
        return EarnedStore(connection, hub.clock.now()).put(part)

    changed = hub.database.run(lambda c: EarnedStore(c, hub.clock.now()).keep_to(earning))
    return changed + sum(hub.database.run(partial(write, part=part)) for part in chunks(found, AT_ONCE))


def look_elsewhere(store: EarnedStore, channel_ids: Sequence[int]) -> tuple[list[Elsewhere], dict[int, int]]:
    """What sells beside each of these channels, in their order; and the prices of items in micros of a euro."""
    sold, prices = store.sold()
    recipes, neighbours = store.recipes(), store.neighbours()
    found = []
    for channel in channel_ids:
        heard, published = store.heard_after(neighbours[channel]), store.published_after(channel)
        is_measured = len(heard) >= LEAST_SAMPLES and len(published) >= LEAST_SAMPLES
        found.append(
            Elsewhere(
                channel,
                streams_beside(channel, neighbours[channel], sold, recipes, store.listed(channel)),
                told_after(heard, published) if is_measured else None,
            )
        )
    return found, prices


def streams_beside(
    channel: int, neighbours: Collection[int], sold: Sequence[Sold], recipes: Mapping[int, Parts], listed: set[int]
) -> dict[int, Stream]:
    """The orders that take units of each listed item, but those of this very item on this channel.

    A kit takes its parts, and a part its kits: as many as the part that falls most allows less.
    """
    kits_with: dict[int, list[int]] = defaultdict(list)
    for kit, parts in recipes.items():
        for part in parts:
            kits_with[part].append(kit)
    found: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for one in sold:
        if one.channel_id != channel and one.channel_id not in neighbours:
            continue
        for item, units in _taken(one, recipes, kits_with):
            if item in listed and (one.channel_id, one.item_id) != (channel, item):
                found[item][units] += one.orders_per_second
    return {item: dict(stream) for item, stream in found.items()}


def _taken(
    one: Sold, recipes: Mapping[int, Parts], kits_with: Mapping[int, Sequence[int]]
) -> Iterator[tuple[int, int]]:
    """Each item of which an order takes units, and how many: itself, its parts, and every kit that shares one."""
    taken = {part: one.units * per for part, per in recipes.get(one.item_id, {one.item_id: 1}).items()}
    concerned = {one.item_id, *taken, *(kit for part in taken for kit in kits_with.get(part, ()))}
    for item in concerned:
        parts = recipes.get(item, {item: 1})
        yield item, max(-(-taken[part] // per) for part, per in parts.items() if part in taken)


def _earned(
    elsewhere: Elsewhere, how: Earning, prices: Mapping[int, int], kept: Mapping[tuple[int, int], int]
) -> Iterator[Kept]:
    """The buffers of one channel that are others than now."""
    channel, delays = elsewhere.channel_id, elsewhere.delays
    known = {item for whose, item in kept if whose == channel}
    for item in sorted(known | elsewhere.streams.keys()):
        stream, stakes = elsewhere.streams.get(item, {}), how.stakes(prices.get(item))
        now = kept.get((channel, item), 0)
        units = 0
        if delays is not None and stakes is not None:
            units = settled(now, stream, delays, stakes.risk, how.most_units)
        if units != now:
            why = grounds(units, stream, delays, stakes) if delays is not None and stakes is not None else {"units": 0}
            yield Kept(channel, item, why)
