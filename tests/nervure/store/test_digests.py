from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from nervure.store.audit import AuditStore
from nervure.store.digests import claim_digest, digest, ended_claim_digest, movement_digest
from nervure.store.statements import CLAIM, LEVEL, MOVEMENT
from tests.nervure.world import World, an_order, at, merchant

KEY = (1, 2, "us", "sellable", "L-7")
NOON = datetime(2026, 3, 2, 12, 0, 0, 7, tzinfo=UTC)
MOVED = (3, "adjusted", -4, "lost", "cause", "count:C-1", NOON, NOON, 9)
CLAIMED = ("allocation", 2, "line:5", 5, None, NOON)


def others(columns: tuple[object, ...]) -> list[tuple[object, ...]]:
    """The same row with one column altered, each in turn."""
    altered: list[tuple[object, ...]] = []
    for place, value in enumerate(columns):
        match value:
            case int():
                other: object = value + 1
            case datetime():
                other = value + timedelta(microseconds=1)
            case None:
                other = NOON
            case _:
                other = f"{value}x"
        altered.append((*columns[:place], other, *columns[place + 1 :]))
    return altered


@pytest.mark.requirement("R13")
def test_every_column_and_every_part_of_the_stock_key_is_in_the_digest_of_a_movement() -> None:
    found = {movement_digest(KEY, MOVED), *(movement_digest(KEY, one) for one in others(MOVED))}
    found |= {movement_digest(key, MOVED) for key in others(KEY)}  # type: ignore[arg-type]  # keys, but for one value
    assert len(found) == 1 + len(MOVED) + len(KEY)


@pytest.mark.requirement("R13")
def test_every_column_state_and_part_of_the_key_is_in_the_digest_of_a_claim() -> None:
    held = claim_digest(KEY, CLAIMED)
    found = {held, *(claim_digest(KEY, one) for one in others(CLAIMED))}
    found |= {claim_digest(key, CLAIMED) for key in others(KEY)}  # type: ignore[arg-type]  # keys, but for one value
    found |= {ended_claim_digest(held, state, NOON, NOON) for state in ("released", "consumed", "held")}
    found |= {
        ended_claim_digest(held, "released", NOON + timedelta(microseconds=1), NOON),
        ended_claim_digest(held, "released", NOON, NOON + timedelta(microseconds=1)),
    }
    assert len(found) == 1 + len(CLAIMED) + len(KEY) + 5


def test_a_digest_is_a_signed_number_of_64_bits_that_no_version_of_the_hub_may_change() -> None:
    assert digest((1, "ä", None, "x'y")) == -7470435912482239985
    assert all(-(2**63) <= digest((number,)) < 2**63 for number in range(200))
    assert min(digest((number,)) for number in range(200)) < 0


def test_a_moment_has_one_digest_in_whatever_zone_it_is_written() -> None:
    elsewhere = tuple(
        one.astimezone(timezone(timedelta(hours=5))) if isinstance(one, datetime) else one for one in MOVED
    )
    assert movement_digest(KEY, elsewhere) == movement_digest(KEY, MOVED)


@pytest.mark.requirement("R13")
def test_what_the_hub_writes_fits_its_digests_and_what_is_altered_does_not(world: World) -> None:
    merchant(world, bolt_paris=9, nut_paris=9)
    world.take_in(an_order("1", {"PAIR": 1, "BOLT": 2}))
    world.ship_all("1")
    store = AuditStore(world.connection)
    assert list(store.altered()) == []
    assert {row.digest for row in world.connection.execute(sa.select(MOVEMENT.c.digest))} & {0} == set()
    world.connection.execute(LEVEL.update().where(LEVEL.c.id == world.level_id("NUT", "paris")).values(lot="L-1"))
    assert {(row.table, row.sku, row.location) for row in store.altered()} == {
        ("movement", "NUT", "paris"),
        ("claim", "NUT", "paris"),
    }


def test_a_claim_that_is_split_and_ended_keeps_fitting(world: World) -> None:
    merchant(world, bolt_paris=9)
    world.take_in(an_order("1", {"BOLT": 5}))
    [line] = world.connection.execute(sa.select(CLAIM.c.fulfillment_line_id)).scalars()
    world.later(3).stock.release_units(line, {world.place("BOLT", "paris").item_id: 2})
    assert world.claims() == {"held": 3, "released": 2}
    assert list(AuditStore(world.connection).altered()) == []
    assert at(3) in set(world.connection.execute(sa.select(CLAIM.c.ended_at)).scalars())
