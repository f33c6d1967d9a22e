"""What an order lacks, and what could become of it: the options that exist, and what each gives back."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from nervure.operations.choosing import choose
from nervure.operations.hub import Hub
from nervure.operations.purchases import ExpectedLine, expect
from nervure.operations.shortfalls import options_of
from nervure.operations.staff import adjust
from nervure.orders.options import Paid
from nervure.store.database import Database
from nervure.store.tables.catalogue import LISTING
from schemas.orders import Order
from schemas.policies import PolicyKind
from schemas.stock import AdjustmentReason
from schemas.substitution import PriceRule
from tests.nervure.operations.caps import (
    MODELS,
    all_holds,
    hat_shop,
    keys_now,
    order,
    policy,
    proposed,
    state,
)
from tests.nervure.world import World, an_order


def given_back(hub: Hub) -> Decimal:
    """What the cancellation of all that order "1" lacks gives back."""
    [short] = options_of(hub, "shop", "1")
    return -short.options[-1].due


def stated(units: int, total: str, minute: float = 0, **line: Any) -> Order:
    """Order "1" of RED with what its line costs."""
    made = an_order("1", {"RED": units}, minute=minute)
    changes = {"line_total": Decimal(total), **line}
    return made.model_copy(update={"lines": (made.lines[0].model_copy(update=changes),)})


@pytest.mark.requirement("R02", "R10")
def test_the_options_are_what_exists_now_in_order(database: Database) -> None:
    hub = hat_shop(database, policy(), blue_depot=2, green_depot=1, pro_depot=5, red_near=2, red_far=9)
    order(hub, "1", 2)
    expect(hub, "PO-1", [ExpectedLine("RED", "depot", 3, date(2026, 3, 9))])
    [short] = options_of(hub, "shop", "1")
    assert [(one.key, one.due, one.on) for one in short.options] == [
        ("variant:BLUE", Decimal(0), date(2026, 3, 3)),
        ("higher_model:PRO", Decimal(0), date(2026, 3, 3)),
        ("pickup:near", Decimal(0), date(2026, 3, 2)),
        ("later:2026-03-09", Decimal(0), date(2026, 3, 9)),
        ("cancel", Decimal("-39.80"), None),
    ]
    assert [one.reason for one in short.options] == [
        "BLUE by group caps: 2 in depot, 377 km away; at the price paid",
        "PRO by group models: 2 in depot, 377 km away; at the price paid, though it costs 11.00 EUR more",
        "the nearest place that has it: 2 in near, 0 km away, to be fetched there",
        "by 2026-03-09 out of what is ordered or on its way, after all who wait longer",
        "2 of 2 units of the line are canceled; 39.80 EUR to give back",
    ]


def test_what_comes_in_serves_first_who_waits_longer(sqlite: Database) -> None:
    hub = hat_shop(sqlite, policy())
    expect(hub, "PO-1", [ExpectedLine("RED", "depot", 3, date(2026, 3, 9))])
    expect(hub, "PO-2", [ExpectedLine("RED", "depot", 1, date(2026, 3, 16))])
    for name in ("1", "2"):
        order(hub, name, 2)
    assert keys_now(hub, "1") == ["later:2026-03-09", "cancel"]
    assert keys_now(hub, "2") == ["later:2026-03-16", "cancel"]


def test_only_all_missing_units_are_an_option_and_of_what_the_channel_sells(sqlite: Database) -> None:
    hub = hat_shop(sqlite, policy(), blue_depot=1, green_near=5, pro_depot=2, max_depot=9, red_near=1)
    with sqlite.write() as connection:
        World(connection).safety_stock("PRO", "depot", 1)
        unbound = {"item_id": None, "unbound_reason": "taken off the shop"}
        connection.execute(LISTING.update().where(LISTING.c.sku == "MAX").values(**unbound))
    order(hub, "1", 2)
    assert keys_now(hub, "1") == ["cancel"]


def test_a_difference_of_prices_is_stated_and_needs_them(sqlite: Database) -> None:
    charged = MODELS.model_copy(update={"up": PriceRule.DIFFERENCE, "down": PriceRule.DIFFERENCE})
    hub = hat_shop(sqlite, policy(), groups=(charged,), red_depot=3, max_depot=3)
    order(hub, "1", 2, sku="PRO")
    [short] = options_of(hub, "shop", "1")
    assert {one.key: one.due for one in short.options} == {
        "higher_model:MAX": Decimal("29.00"),
        "lower_model:RED": Decimal("-11.00"),
        "cancel": Decimal("-39.80"),
    }
    state(hub, an_order("2", {"PRO": 2}, minute=1).model_copy(update={"currency": "GBP"}))
    assert keys_now(hub, "2") == ["cancel"]


def test_a_policy_that_lets_be_sold_beyond_gives_a_day(sqlite: Database) -> None:
    hub = hat_shop(sqlite, policy())
    order(hub, "1", 2)
    with sqlite.write() as connection:
        World(connection).policy(PolicyKind.BACKORDER, 2, sku="RED", promised_on=date(2026, 3, 20))
    assert keys_now(hub, "1") == ["later:2026-03-20", "cancel"]


def test_an_edit_that_lowers_the_units_gives_back_what_each_of_them_costs(database: Database) -> None:
    hub = hat_shop(database, policy())
    state(hub, stated(3, "30.00"))
    assert given_back(hub) == Decimal("30.00")
    state(hub, stated(2, "20.00", minute=1))
    assert given_back(hub) == Decimal("20.00")
    [short] = options_of(hub, "shop", "1")
    assert short.options[-1].reason == "2 of 2 units of the line are canceled; 20.00 EUR to give back"


def test_what_a_channel_took_off_the_amount_and_not_off_the_units_is_not_counted_again(database: Database) -> None:
    hub = hat_shop(database, policy())
    state(hub, stated(3, "20.00", units_canceled=1, units_charged=2))
    assert given_back(hub) == Decimal("20.00")
    state(hub, stated(3, "30.00", minute=1, units_canceled=1))
    assert given_back(hub) == Decimal("20.00"), "its channel states the amount of all three"


def test_a_discount_of_the_order_was_not_paid(database: Database) -> None:
    hub = hat_shop(database, policy())
    state(hub, stated(3, "30.00", discount_amount=Decimal("6.00")))
    assert given_back(hub) == Decimal("24.00")


def test_what_is_given_back_unit_by_unit_sums_to_what_was_paid(database: Database) -> None:
    hub = hat_shop(database, policy())
    parts = []
    for canceled in range(3):
        state(hub, stated(3, "10.00", minute=canceled, units_canceled=canceled))
        parts.append(given_back(hub))
    assert parts == [Decimal("10.00"), Decimal("6.67"), Decimal("3.33")]
    paid = Paid(3, 0, Decimal("10.00"), "EUR")
    one_by_one = [replace(paid, units_gone=gone).share(1) for gone in range(3)]
    assert one_by_one == [Decimal("3.33"), Decimal("3.34"), Decimal("3.33")]


def test_a_substitute_that_is_canceled_in_its_turn_gives_back_all_that_was_paid_for_it(database: Database) -> None:
    charged = MODELS.model_copy(update={"up": PriceRule.DIFFERENCE})
    hub = hat_shop(database, policy(), groups=(charged,), max_depot=3)
    order(hub, "1", 3, sku="PRO")
    choose(hub, proposed(hub).token, "higher_model:MAX")
    paid_at_first, on_top = Decimal("59.70"), Decimal("43.50")
    adjust(hub, "MAX", "depot", -2, reason=AdjustmentReason.DAMAGED, document="a lorry")
    assert given_back(hub) == ((paid_at_first + on_top) * 2 / 3).quantize(Decimal("0.01"))
    choose(hub, proposed(hub).token, "cancel")
    adjust(hub, "MAX", "depot", -1, reason=AdjustmentReason.DAMAGED, document="another lorry")
    assert given_back(hub) == (paid_at_first + on_top) / 3
    all_holds(hub)
