"""The derivations of a test world's numbers, as of any moment."""

from datetime import datetime

from nervure.inventory.derivation import Node
from nervure.inventory.explain import derive_location, derive_number
from nervure.store.explain import ExplainStore
from tests.nervure.world import World

SKUS = ("BOLT", "NUT", "PAIR")


def derive(world: World, moment: datetime) -> dict[tuple[str, str, str], Node]:
    """The tree of every number as of a moment, by (channel, stock point, sku)."""
    store = ExplainStore(world.connection, moment)
    found: dict[tuple[str, str, str], Node] = {}
    for sku, item in world.catalogue.item_ids(SKUS).items():
        points = store.points(item, None)
        parts, pools = store.recipe(item), store.pools([point.point_id for point in points])
        sites = {site.location_id: site for pool in pools.values() for site in pool}
        shelves = store.shelves(parts.keys(), sites.keys())
        skus = store.skus(parts)
        locations = {number: derive_location(site, parts, skus, shelves) for number, site in sites.items()}
        decisions = store.decisions(item, sku, parts, points)
        for point in points:
            tree = derive_number("", pools[point.point_id], locations, decisions[point.channel_id])
            found[point.channel, point.stock_point, sku] = tree
    return found
