"""The judge has teeth: whatever is wrong, the figure for it is not 0."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from nervure.store.audit import LineAudit, ServedAudit
from simulation.measure import Latency
from simulation.platform import BasketLine, Purchase, ShelfCause, ShelfChange
from simulation.record import ComeBack, Record, Sale
from simulation.verdict import HubLook, Verdict, judge

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
HOME, STORE, ACME = "WH", "ST", "SUP-NANTES"


def sale(account: str, order: str, minute: float = 1, point: str = "web", **units: int) -> Sale:
    lines = tuple(BasketLine(sku, count) for sku, count in units.items())
    return Sale(account, Purchase(order, START + timedelta(minutes=minute), point, lines, ()))


def line(channel: str, order: str, sku: str, units: int, *, served: int | None = None, **said: object) -> LineAudit:
    values = {
        "is_counted": True,
        "units_canceled": 0,
        "units_short": 0,
        "ever_short": False,
        "has_task": False,
    } | said
    return LineAudit(
        channel=channel,
        order=order,
        line="1",
        sku=sku,
        units_ordered=units,
        units_served=units if served is None else served,
        **values,  # type: ignore[arg-type]  # as above
    )


def shown(second: float, units: int, cause: ShelfCause = ShelfCause.WRITTEN) -> ShelfChange:
    return ShelfChange(START + timedelta(seconds=second), "MUG", "web", units, cause)


def world(**changes: object) -> Record:
    """Ten mugs at home, two in the store: one sold on the shop, two at the till; a set of two mugs beside them."""
    record = Record(
        parts={"MUG": {"MUG": 1}, "SET": {"MUG": 2}},
        stock={("MUG", HOME): 10, ("MUG", STORE): 2},
        supplier_stock={},
        points={"shop": {"web": [HOME, STORE]}, "till": {"counter": [STORE]}},
        shelves={"shop": {("MUG", "web"): 9, ("SET", "web"): 4}, "till": {("MUG", "counter"): 0}},
        shelf_logs={"shop": [shown(0, 12), shown(60, 11, ShelfCause.SOLD), shown(123, 9)], "till": []},
        sales=[sale("shop", "1", MUG=1), sale("till", "2", 2, "counter", MUG=2)],
        come_backs=[],
        requests={"shop": 3},
    )
    return replace(record, **changes)  # type: ignore[arg-type]  # its own fields


def hub(**changes: object) -> HubLook:
    look = HubLook(
        lines=[line("shop", "1", "MUG", 1), line("till", "2", "MUG", 2)],
        served=[
            ServedAudit("shop", "1", "MUG", HOME, "shipped", 1),
            ServedAudit("till", "2", "MUG", STORE, "handed_over", 2),
        ],
        violations=[],
        unconfirmed=[],
        on_hand={("MUG", HOME): 9, ("MUG", STORE): 0},
        dead_letters=0,
    )
    return replace(look, **changes)  # type: ignore[arg-type]  # its own fields


def figures(verdict: Verdict) -> dict[str, int]:
    """What is not 0."""
    return {name: value for name, value in vars(verdict).items() if isinstance(value, int) and value}


QUIET = {"orders": 2, "stock_points": 3}


def test_where_everything_is_right_everything_that_must_be_0_is_0() -> None:
    verdict = judge(world(), hub())
    assert (figures(verdict), verdict.details, verdict.holds) == (QUIET, [], True)
    assert verdict.sale_to_confirmed_seconds == {
        "shop": Latency(1, 3.0, 3.0, 3.0),
        "till": Latency(0, None, None, None),
    }


@pytest.mark.parametrize(
    ("record", "look", "figure", "detail"),
    [
        (
            world,
            lambda: hub(lines=[line("till", "2", "MUG", 2)]),
            {"lost": 1},
            "lost: shop 1",
        ),
        (
            world,
            lambda: hub(lines=[line("shop", "1", "MUG", 1), line("till", "2", "MUG", 1)]),
            {"lost": 1},
            "lost: till 2",
        ),
        (
            world,
            lambda: hub(lines=[line("shop", "1", "MUG", 1), line("till", "2", "MUG", 3)]),
            {"duplicated": 1},
            "too much: till 2",
        ),
        (
            world,
            lambda: hub(lines=[*hub().lines, line("shop", "1 again", "MUG", 1)]),
            {"duplicated": 1},
            "nobody bought: shop 1 again",
        ),
        (
            world,
            lambda: hub(lines=[line("shop", "1", "MUG", 1, served=0), line("till", "2", "MUG", 2)]),
            {"lost": 1},
            "shop 1 MUG: 0 of 1 units",
        ),
        (
            world,
            lambda: hub(lines=[line("shop", "1", "MUG", 1, served=2), line("till", "2", "MUG", 2)]),
            {"duplicated": 1},
            "shop 1 MUG: 2 of 1 units",
        ),
        (
            lambda: world(shelves=dict(world().shelves) | {"shop": {("MUG", "web"): 8, ("SET", "web"): 4}}),
            hub,
            {"wrong_at_rest": 1},
            "shop MUG at web shows 8, right is 9",
        ),
        (
            lambda: world(shelves=dict(world().shelves) | {"shop": {("MUG", "web"): 9, ("SET", "web"): 5}}),
            hub,
            {"wrong_at_rest": 1},
            "shop SET at web shows 5, right is 4",
        ),
        (
            world,
            lambda: hub(violations=["claims_within_stock: MUG at WH: 3 units are claimed, 2 are there"]),
            {"oversold_in_hub": 1},
            "claims_within_stock: MUG at WH: 3 units are claimed, 2 are there",
        ),
        (
            world,
            lambda: hub(unconfirmed=["shop MUG at web is failed"]),
            {"unconfirmed": 1},
            "shop MUG at web is failed",
        ),
        (
            world,
            lambda: hub(on_hand={("MUG", HOME): 8, ("MUG", STORE): 0}),
            {"units_not_conserved": 1},
            "MUG at WH: on hand 8, the world has 9",
        ),
        (
            world,
            lambda: hub(on_hand={("MUG", HOME): 9, ("TRAY", STORE): 1}),
            {"units_not_conserved": 1},
            "TRAY at ST: on hand 1, the world has 0",
        ),
    ],
    ids=[
        "an order lost",
        "an order heard in part",
        "an order with too much",
        "an order that nobody placed",
        "a line that is not served",
        "a line that is served twice",
        "a wrong shelf",
        "a wrong kit",
        "a claim beyond stock",
        "a number not confirmed",
        "a unit missing",
        "a unit from nowhere",
    ],
)
def test_whatever_is_wrong_is_seen(
    record: Callable[[], Record], look: Callable[[], HubLook], figure: dict[str, int], detail: str
) -> None:
    verdict = judge(record(), look())
    assert figures(verdict) == QUIET | figure
    assert detail in verdict.details
    assert not verdict.holds


def test_an_order_of_which_the_shelf_refused_units_is_counted_for_what_was_sold() -> None:
    bought = Purchase("1", START + timedelta(minutes=1), "web", (BasketLine("MUG", 1),), (BasketLine("MUG", 4),))
    nothing = Purchase(None, START, "web", (), (BasketLine("MUG", 2),))
    record = world(sales=[Sale("shop", bought), Sale("shop", nothing), world().sales[1]])
    verdict = judge(record, hub())
    assert (figures(verdict), verdict.holds) == (QUIET | {"refused_at_channel": 6}, True)


@pytest.mark.requirement("R20")
def test_a_shortfall_is_counted_whether_it_is_open_or_served_since_and_must_have_a_task() -> None:
    lines = [
        line("shop", "1", "MUG", 1, ever_short=True, has_task=True),
        line("till", "2", "MUG", 2, served=1, units_short=1, ever_short=True),
    ]
    served = [hub().served[0], ServedAudit("till", "2", "MUG", STORE, "handed_over", 1)]
    stock = {("MUG", HOME): 10, ("MUG", STORE): 1}
    record = world(
        stock=stock, shelves={"shop": {("MUG", "web"): 9, ("SET", "web"): 4}, "till": {("MUG", "counter"): 0}}
    )
    verdict = judge(record, hub(lines=lines, served=served, on_hand={("MUG", HOME): 9, ("MUG", STORE): 0}))
    assert figures(verdict) == QUIET | {"oversold_across_channels": 2, "untold": 1}
    assert verdict.details == ["till 2 MUG is short without a task"]
    assert not verdict.holds


def test_nobody_waits_for_what_lies_free_where_the_channel_sells_from() -> None:
    lines = [
        line("shop", "1", "MUG", 1, served=0, units_short=1, ever_short=True, has_task=True),
        line("till", "2", "MUG", 2),
    ]
    record = world(shelves={"shop": {("MUG", "web"): 10, ("SET", "web"): 5}, "till": {("MUG", "counter"): 0}})
    verdict = judge(record, hub(lines=lines, served=hub().served[1:], on_hand={("MUG", HOME): 10, ("MUG", STORE): 0}))
    assert figures(verdict) == QUIET | {"oversold_across_channels": 1, "unserved": 1}
    assert verdict.details == ["shop 1 waits for MUG, which lies free at WH"]
    assert not verdict.holds


def test_what_was_canceled_in_time_may_not_stay_open_unless_it_had_left() -> None:
    canceled = ComeBack("shop", "canceled", "web", (BasketLine("MUG", 1),), START + timedelta(minutes=5), "1")
    verdict = judge(world(come_backs=[canceled]), hub())
    assert figures(verdict) == QUIET | {"uncanceled": 1}
    assert verdict.details == ["shop 1 MUG: 1 canceled units are open"]
    assert not verdict.holds
    told = judge(world(come_backs=[canceled]), hub(left_too_early=frozenset({("shop", "1")})))
    assert (figures(told), told.holds) == (QUIET, True)


def test_what_is_served_and_has_not_left_is_off_the_shelf_and_still_there() -> None:
    served = [ServedAudit("shop", "1", "MUG", HOME, "allocated", 1), hub().served[1]]
    verdict = judge(world(), hub(served=served, on_hand={("MUG", HOME): 10, ("MUG", STORE): 0}))
    assert (figures(verdict), verdict.holds) == (QUIET, True)


def test_what_was_adjusted_and_what_came_back_is_there() -> None:
    back = ComeBack("till", "returned", "counter", (BasketLine("MUG", 1),), START + timedelta(minutes=5))
    canceled = ComeBack("shop", "canceled", "web", (BasketLine("MUG", 1),), START + timedelta(minutes=5))
    record = world(
        come_backs=[back, canceled],
        shelves={"shop": {("MUG", "web"): 6, ("SET", "web"): 2}, "till": {("MUG", "counter"): 1}},
    )
    look = hub(on_hand={("MUG", HOME): 5, ("MUG", STORE): 1})
    assert figures(judge(record, look, {("MUG", HOME): -4})) == QUIET
    assert figures(judge(record, look))["units_not_conserved"] == 1, "adjustments must be told"


@pytest.mark.parametrize("state", ["shipped", "sent_to_supplier"])
def test_a_suppliers_shipment_is_off_its_own_number_whether_or_not_the_hub_has_heard(state: str) -> None:
    record = world(
        supplier_stock={"MUG": 5},
        supplier_shipped={"nervure-7": 1},
        points={"shop": {"web": [HOME, STORE, ACME]}, "till": {"counter": [STORE]}},
        shelves={"shop": {("MUG", "web"): 14, ("SET", "web"): 6}, "till": {("MUG", "counter"): 0}},
        sales=[*world().sales, sale("shop", "3", 3, MUG=1)],
    )
    lines = [*hub().lines, line("shop", "3", "MUG", 1)]
    served = [*hub().served, ServedAudit("shop", "3", "MUG", ACME, state, 1, 7)]
    verdict = judge(record, hub(lines=lines, served=served))
    assert (figures(verdict), verdict.details) == (QUIET | {"orders": 3}, [])
    inside = [*hub().served, ServedAudit("shop", "3", "MUG", ACME, state, 1, 8)]
    assert figures(judge(record, hub(lines=lines, served=inside)))["wrong_at_rest"] == 1


def test_sales_that_a_platform_tells_slowly_have_a_row_of_their_own() -> None:
    verdict = judge(world(heard_slowly=["till"]), hub())
    assert verdict.sale_to_confirmed_seconds["sold on till"] == Latency(1, 3.0, 3.0, 3.0)
    assert verdict.sale_to_confirmed_seconds["shop"].count == 0


def test_figures_are_json_and_details_are_cut() -> None:
    verdict = judge(world(), hub(violations=[f"rule: {number}" for number in range(80)]))
    written = verdict.as_json()
    assert (len(written["details"]), written["orders"], written["dead_letters"]) == (50, 2, 0)
    assert written["sale_to_confirmed_seconds"]["shop"] == {"count": 1, "p50": 3.0, "p95": 3.0, "p99": 3.0}
    assert "holds" not in written


@pytest.mark.parametrize("rule", ["units_conserved", "lines_accounted", "every_listing_published"])
def test_any_rule_of_the_hub_that_does_not_hold_fails_the_run(rule: str) -> None:
    verdict = judge(world(), hub(violations=[f"{rule}: MUG at WH: something"]))
    assert figures(verdict) == QUIET | {"rules_broken": 1}
    assert not verdict.holds
