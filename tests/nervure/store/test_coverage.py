"""Coverage: each listing at each stock point, and each item without listing, is in one group with its reason (R33)."""

import pytest
import sqlalchemy as sa

from nervure.publication.answers import Landing
from nervure.publication.coverage import GROUPS, HELD_ZERO, MISSING, NOT_LISTED, UNBOUND, Group
from nervure.publication.cutover import Decision
from nervure.store.channels import ChannelStore
from nervure.store.coverage import AMBIGUOUS_TEXT, MISSING_TEXT, NOT_LISTED_TEXT, CoverageStore
from nervure.store.cutover import CutoverStore
from nervure.store.publications import PUBLICATION
from nervure.store.tables.catalogue import ITEM, LISTING
from nervure.store.tables.channels import CHANNEL, POINT
from schemas.publications import ChannelListing, PublicationState
from tests.nervure.world import World, merchant

GTIN = "04006381333931"


def coverage(world: World, channel: str = "shop") -> dict[tuple[str, str], int]:
    """Counts of a channel by (group, reason)."""
    [found] = CoverageStore(world.connection, world.now).channels([channel])
    assert found.total == sum(map(found.count, Group))
    return {(reason.group.value, reason.text): reason.count for reason in found.reasons}


def sent(world: World, state: PublicationState, reason: str | None = None) -> str:
    """Sends the number with the fewest units, and it is answered so; answers its sku."""
    [flight] = world.flights.launch("shop", 1, f"flight {state}")
    world.flights.land([(flight, Landing(state, reason=reason))], f"flight {state}")
    return flight.sku


def everything(world: World) -> None:
    """A shop with a listing in every state, some without an item, and an item that it does not list."""
    merchant(world, bolt_paris=5, nut_paris=8, bolt_lyon=2)
    world.items("CAP", "HAT", "COAT", "SPARE")
    world.connection.execute(ITEM.update().where(ITEM.c.sku.in_(["CAP", "HAT"])).values(gtin=GTIN))
    world.list_on("shop", "COAT")
    listings = {"GHOST": (None, True), "TWIN": (GTIN, True), "VOUCHER": (None, False)}
    world.bindings.put_listings(
        "shop",
        [
            ChannelListing(
                channel="shop",
                external_id=f"L-{sku}",
                stock_id=f"S-{sku}",
                sku=sku,
                gtin=gtin,
                title=sku,
                is_goods=goods,
            )
            for sku, (gtin, goods) in listings.items()
        ],
    )
    world.publications.create_missing("shop")
    world.refresh()


@pytest.mark.requirement("R33")
def test_nothing_falls_outside_the_four_groups_and_each_has_its_reason(world: World) -> None:
    everything(world)
    assert sent(world, PublicationState.CONFIRMED) == "COAT"
    assert sent(world, PublicationState.FAILED, "the shop says no") == "PAIR"
    cutover = CutoverStore(world.connection, world.now)
    found = cutover.find_listing("shop", "L-BOLT", locked=True)
    assert found is not None
    cutover.decide(found[0], Decision.EXCLUDE, "sold by the meter")
    assert coverage(world) == {
        ("in flight", "it waits to be sent"): 1,
        ("confirmed", ""): 1,
        ("error", "the shop says no"): 1,
        ("excluded", NOT_LISTED_TEXT): 3,
        ("excluded", "sold by the meter"): 1,
        ("excluded", "no item has this sku or GTIN"): 1,
        ("excluded", AMBIGUOUS_TEXT): 1,
        ("excluded", "it is no goods: it moves money only"): 1,
    }
    numbers = list(CoverageStore(world.connection, world.now).numbers(["shop"]))
    assert {(one.sku, one.listing, one.state, one.group) for one in numbers} == {
        ("NUT", "L-NUT", "pending", Group.IN_FLIGHT),
        ("COAT", "L-COAT", "confirmed", Group.CONFIRMED),
        ("PAIR", "L-PAIR", "failed", Group.ERROR),
        ("BOLT", "L-BOLT", "excluded", Group.EXCLUDED),
        ("GHOST", "L-GHOST", UNBOUND, Group.EXCLUDED),
        ("TWIN", "L-TWIN", UNBOUND, Group.EXCLUDED),
        ("VOUCHER", "L-VOUCHER", UNBOUND, Group.EXCLUDED),
        ("CAP", "", NOT_LISTED, Group.EXCLUDED),
        ("HAT", "", NOT_LISTED, Group.EXCLUDED),
        ("SPARE", "", NOT_LISTED, Group.EXCLUDED),
    }
    [coat] = [one for one in numbers if one.sku == "COAT"]
    assert (coat.stock_point, coat.shown_units, coat.wanted_units, coat.revision, coat.age_seconds) == (
        "web",
        0,
        0,
        1,
        0.0,
    )


@pytest.mark.requirement("R33")
def test_the_sum_of_the_groups_is_every_listing_at_every_stock_point_and_every_item_that_is_not_listed(
    world: World,
) -> None:
    everything(world)
    world.channel("shop", {"web": ["paris", "lyon"], "app": ["lyon"]})
    world.publications.create_missing("shop")
    for channel in ("shop", "market", "till"):
        channel_id = world.channel_id(channel)
        listings = world.connection.execute(
            sa.select(LISTING.c.item_id).where(LISTING.c.channel_id == channel_id)
        ).all()
        points = world.connection.execute(sa.select(POINT.c.id).where(POINT.c.channel_id == channel_id)).all()
        items = set(world.connection.execute(sa.select(ITEM.c.id)).scalars())
        [found] = CoverageStore(world.connection, world.now).channels([channel])
        assert found.total == len(listings) * len(points) + len(items - {row.item_id for row in listings})
        numbers = list(CoverageStore(world.connection, world.now).numbers([channel]))
        assert len({(one.listing, one.stock_point, one.sku) for one in numbers}) == len(numbers) == found.total
        assert all(one.reason for one in numbers if one.group is not Group.CONFIRMED)


@pytest.mark.requirement("R33")
def test_a_listing_that_nobody_gave_a_number_is_an_error_and_not_forgotten(world: World) -> None:
    everything(world)
    world.connection.execute(PUBLICATION.delete().where(PUBLICATION.c.id == world.publication_id("shop", "NUT", "web")))
    assert coverage(world)["error", MISSING_TEXT] == 1
    states = {one.sku: one.state for one in CoverageStore(world.connection, world.now).numbers(["shop"])}
    assert states["NUT"] == MISSING


@pytest.mark.parametrize("brake", ["paused", "gated"])
def test_what_a_brake_holds_back_says_so(world: World, brake: str) -> None:
    everything(world)
    if brake == "paused":
        ChannelStore(world.connection, world.now).set_paused("shop", is_paused=True)
    else:
        world.connection.execute(CHANNEL.update().values(is_gated=True))
    said = {"paused": "the channel is paused", "gated": "the channel is not live yet"}[brake]
    assert coverage(world)["in flight", said] == 4


def test_every_state_of_a_publication_has_its_group() -> None:
    assert set(GROUPS) == {*PublicationState, UNBOUND, MISSING, NOT_LISTED, HELD_ZERO}
    assert set(GROUPS.values()) == set(Group)
