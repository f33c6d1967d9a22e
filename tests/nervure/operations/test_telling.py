"""What is told of a choice, and what the channel says of it later."""

import pytest

from connectors.errors import RefusedError
from nervure.operations.choosing import choose
from nervure.operations.hub import Hub
from nervure.operations.messages import send_messages
from nervure.operations.staff import adjust, ship_fulfillment
from nervure.store.database import Database
from schemas.orders import OrderState
from schemas.stock import AdjustmentReason
from tests.nervure.operations.caps import (
    all_holds,
    goods_in,
    hat_shop,
    order,
    policy,
    proposed,
    state,
    substituted,
    told,
)
from tests.nervure.operations.scripted import ScriptedShop, looking
from tests.nervure.world import Bought, an_order, capable


def shop_of(hub: Hub) -> ScriptedShop:
    found = hub.connection("shop")
    assert isinstance(found, ScriptedShop)
    return found


@pytest.mark.parametrize("is_told", [True, False])
def test_a_cancellation_is_told_where_the_platform_takes_it_and_else_by_a_person(
    sqlite: Database, *, is_told: bool
) -> None:
    hub = hat_shop(sqlite, policy(), capabilities=capable(withdraws_units=is_told))
    order(hub, "1", 2)
    choose(hub, proposed(hub).token, "cancel")
    refund = "in shop, order #1: cancel 2 of RED (line 1-1) and refund 39.80 EUR"
    assert told(hub) == ({} if is_told else {"refund": refund})
    send_messages(hub)
    assert shop_of(hub).canceled == ([("1", {"1-1": 2})] if is_told else [])
    all_holds(hub)


@pytest.mark.parametrize(("stated", "units"), [(0, 1), (2, 3)])
def test_units_that_others_take_the_place_of_are_not_canceled_there_with_the_rest(
    database: Database, stated: int, units: int
) -> None:
    """What was paid for them was paid for the substitutes, until the channel knows these."""
    hub = hat_shop(database, policy(), capabilities=capable(withdraws_units=True), red_depot=1, blue_depot=2)
    substituted(hub, 3)
    if stated:
        state(hub, an_order("1", [Bought("RED", 3, canceled=stated), Bought("BLUE", 2)], minute=1))
    adjust(hub, "RED", "depot", -1, reason=AdjustmentReason.DAMAGED, document="a lorry")
    choose(hub, proposed(hub).token, "cancel")
    send_messages(hub)
    assert shop_of(hub).canceled == [("1", {"1-1": units})]
    all_holds(hub)


def test_a_cancellation_that_the_platform_refuses_is_a_persons(sqlite: Database) -> None:
    hub = hat_shop(sqlite, policy(), capabilities=capable(withdraws_units=True))
    order(hub, "1")
    choose(hub, proposed(hub).token, "cancel")
    shop_of(hub).error = RefusedError("it has shipped there")
    send_messages(hub)
    refund = "in shop, order #1: cancel 1 of RED (line 1-1) and refund 19.90 EUR"
    assert told(hub) == {"refund": f"{refund}. The channel refused it: it has shipped there"}


def test_a_channel_that_says_nothing_of_it_changes_nothing(database: Database) -> None:
    hub = hat_shop(database, policy(), blue_depot=2)
    substituted(hub)
    for minute in (0, 1, 2):
        state(hub, an_order("1", {"RED": 2}, minute=minute))
        with looking(hub) as world:
            assert world.lines("1") == {"1-1": (0, 0, 0), "nervure-1": (2, 2, 0)}
            assert world.open_tasks() == {"substituted": 1}
    all_holds(hub)


def test_what_the_channel_says_at_last_needs_no_person_any_more(database: Database) -> None:
    hub = hat_shop(database, policy(), blue_depot=9)
    substituted(hub)
    state(hub, an_order("1", [Bought("RED", 2, canceled=2), Bought("BLUE", 2)], minute=1))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (0, 0, 0), "1-2": (2, 2, 0)}
        assert world.claimable("BLUE", "depot") == 7
        assert world.open_tasks() == {}
    # From now on both lines are as the channel says.
    goods_in(hub, "RED", 5)
    state(hub, an_order("1", [Bought("RED", 2, canceled=1), Bought("BLUE", 3)], minute=2))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (1, 1, 0), "1-2": (3, 3, 0)}
    all_holds(hub)


@pytest.mark.parametrize(
    ("said", "is_open"),
    [
        ([Bought("RED", 3)], 1),
        ([Bought("RED", 4)], 2),  # one more was bought than before
        ([Bought("RED", 3, canceled=1)], 1),  # half of it is told
        ([Bought("RED", 3, canceled=2)], 1),  # it is told
        ([Bought("RED", 3, canceled=3)], 0),
        ([Bought("RED", 1)], 1),  # it is told by an edit
    ],
)
def test_what_the_hub_gave_up_stays_given_up_until_the_channel_says_so(
    sqlite: Database, said: list[Bought], is_open: int
) -> None:
    hub = hat_shop(sqlite, policy(), red_depot=1, blue_depot=2)
    substituted(hub, 3)
    state(hub, an_order("1", said, minute=1))
    with looking(hub) as world:
        assert world.lines("1")["1-1"][0] == is_open
        assert world.lines("1")["nervure-1"] == (2, 2, 0)
    all_holds(hub)


def test_an_order_that_is_canceled_gives_the_substitute_back(sqlite: Database) -> None:
    hub = hat_shop(sqlite, policy(), blue_depot=2)
    substituted(hub)
    state(hub, an_order("1", {"RED": 2}, minute=1, state=OrderState.CANCELED))
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (0, 0, 0), "nervure-1": (0, 0, 0)}
        assert world.claimable("BLUE", "depot") == 2
    all_holds(hub)


@pytest.mark.parametrize(
    ("said", "lines"),
    [
        ([Bought("RED", 3)], {"1-1": 3}),  # as the line whose place it takes, while that is all the channel knows
        ([Bought("RED", 3, canceled=2)], {"1-1": 1}),  # it canceled that, and knows no other line
        ([Bought("RED", 3, canceled=2), Bought("BLUE", 2)], {"1-1": 1, "1-2": 2}),
    ],
)
def test_a_parcel_is_told_by_the_lines_that_the_channel_knows(
    sqlite: Database, said: list[Bought], lines: dict[str, int]
) -> None:
    hub = hat_shop(sqlite, policy(), red_depot=1, blue_depot=2)
    substituted(hub, 3)
    state(hub, an_order("1", said, minute=1))
    with looking(hub) as world:
        numbers = world.fulfillment_numbers("1")
    for number in numbers:
        ship_fulfillment(hub, number)
    send_messages(hub)
    parcels = list(shop_of(hub).shipments.values())
    told_units: dict[str, int] = {}
    for line in (line for parcel in parcels for line in parcel.lines):
        told_units[line.order_line] = told_units.get(line.order_line, 0) + line.units
    assert told_units == lines
    assert parcels[-1].completes_order
    all_holds(hub)
