"""Orders that the goods were there for, and those of them that were let down."""

from dataclasses import replace
from datetime import timedelta

import pytest

from simulation.platform import BasketLine
from simulation.record import ComeBack
from simulation.servable import Servable, count_servable
from tests.simulation.test_verdict import ACME, HOME, START, STORE, line, sale, world

THERE = {("MUG", HOME): 3, ("MUG", STORE): 1, ("MUG", ACME): 0}


def test_who_comes_first_is_served_first_wherever_it_lies() -> None:
    record = world(sales=[sale("shop", "2", 2, MUG=2), sale("shop", "1", 1, MUG=3), sale("shop", "3", 3, SET=1)])
    short = [line("shop", order, "MUG", 3, units_short=1) for order in ("1", "2", "3")]
    assert count_servable(record, THERE, [], short) == Servable(1, 1, ("shop 1 is short, and was there",))
    assert count_servable(record, THERE, [], []) == Servable(1, 0)
    assert count_servable(record, {("MUG", ACME): 7}, [], []) == Servable(3, 0), "a set takes two mugs"
    assert count_servable(record, {("MUG", ACME): 6}, [], []) == Servable(2, 0)


def test_what_an_order_took_in_part_is_gone_for_the_next() -> None:
    record = world(sales=[sale("shop", "1", 1, MUG=5), sale("shop", "2", 2, MUG=1)])
    assert count_servable(record, THERE, [], []).orders == 0


def test_a_till_sells_what_its_customer_holds() -> None:
    record = world(sales=[sale("till", "1", 1, "counter", MUG=4), sale("shop", "2", 2, MUG=1)])
    assert count_servable(record, THERE, [], []) == Servable(1, 0)


@pytest.mark.parametrize(("canceled", "orders"), [(1, 1), (3, 2), (9, 2)])
def test_what_comes_back_is_there_for_the_next_and_no_more_than_was_taken(canceled: int, orders: int) -> None:
    back = ComeBack("shop", "canceled", "web", (BasketLine("MUG", canceled),), START + timedelta(minutes=2), "1")
    record = world(sales=[sale("shop", "1", 1, MUG=4), sale("shop", "2", 3, MUG=3)], come_backs=[back])
    assert count_servable(record, THERE, [], []).orders == orders
    again = replace(record, sales=[*record.sales, sale("shop", "3", 4, MUG=2)])
    assert count_servable(again, THERE, [], []).orders == orders, "the third finds one mug at most"


def test_blind_returns_and_corrections_count_from_their_time_on() -> None:
    blind = ComeBack("till", "returned", "counter", (BasketLine("MUG", 1),), START + timedelta(minutes=2))
    record = world(sales=[sale("shop", "1", 1, MUG=5), sale("shop", "2", 3, MUG=2)], come_backs=[blind])
    assert count_servable(record, THERE, [], []).orders == 0
    assert count_servable(record, THERE, [(START + timedelta(minutes=2), "MUG", 1)], []).orders == 1
    assert count_servable(record, THERE, [(START, "MUG", 1)], []).orders == 1, "then the first takes all five"
    assert count_servable(record, THERE, [(START + timedelta(minutes=4), "MUG", 9)], []).orders == 0


def test_what_is_on_back_order_is_not_let_down() -> None:
    record = world(sales=[sale("shop", "1", 1, MUG=4)])
    waits = [line("shop", "1", "MUG", 4, units_short=2, units_backordered=2)]
    assert count_servable(record, THERE, [], waits) == Servable(1, 0)
    assert Servable(1, 0).share == 0.0
    assert Servable(0, 0).share == 0.0
    assert Servable(4, 1).share == 0.25
