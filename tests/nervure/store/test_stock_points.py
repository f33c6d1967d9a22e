from nervure.store.tables.channels import CHANNEL
from tests.nervure.world import START, World, at, merchant


def test_a_location_and_a_channel_are_written_again_under_their_own_names(world: World) -> None:
    merchant(world)
    before = world.locations.ids()
    world.location("paris", master="till")
    world.channel("shop", {"web": ["lyon"]}, buffer_units=2)
    assert world.locations.ids() == before
    assert world.bindings.location_of("shop", "web") == before["lyon"]
    assert world.rows(CHANNEL) == 3
    assert world.locations.of_supplier("till") == before["paris"]
    assert world.locations.of_supplier("acme") is None


def test_the_first_pull_of_a_known_channel_does_not_begin_anew(world: World) -> None:
    merchant(world)
    world.stock_points.put_channel("shop", "emulated", buffer_units=0, stock_points={}, orders_since=at(99))
    [watermark] = world.connection.execute(
        CHANNEL.select().with_only_columns(CHANNEL.c.orders_watermark).where(CHANNEL.c.name == "shop")
    ).scalars()
    assert watermark == START
