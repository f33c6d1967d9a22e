"""Publishing to the emulated platforms through the hub's own accounts: what shoppers see in the end, whatever fails."""

from collections.abc import Callable

import pytest

from connectors.errors import NoAnswerError
from connectors.transport import HttpRequest, HttpResponse, Send
from nervure.operations.pull import pull_stock
from nervure.operations.staff import receive
from nervure.store.database import Database
from simulation.catalogue import SUPPLIER
from simulation.platform import ShelfCause
from tests.simulation.merchants import POINTS, Merchant, open_merchant

ALL = tuple(POINTS)


def must_be_right(merchant: Merchant) -> None:
    """Nothing is lost, doubled, or shown wrong, on any shelf."""
    verdict = merchant.verdict()
    assert verdict.holds, verdict.details
    assert verdict.dead_letters == 0


@pytest.mark.requirement("R09", "R37")
def test_a_sale_anywhere_is_seen_everywhere(database: Database) -> None:
    merchant = open_merchant(database)
    merchant.open()
    pool = {"MUG": 9, "TRAY": 11, "SET": 3}
    assert [merchant.shelf(name) for name in ALL] == [pool, pool, pool, {"MUG": 3, "TRAY": 0}]
    for name in ALL:
        merchant.buy(name, MUG=1)
    merchant.buy("webshop", SET=1, TRAY=1)
    merchant.rest()
    pool = {"MUG": 3, "TRAY": 9, "SET": 1}
    assert [merchant.shelf(name) for name in ALL[:3]] == [pool] * 3
    assert merchant.verdict().orders == 5
    must_be_right(merchant)


@pytest.mark.requirement("R31", "R36")
@pytest.mark.parametrize("has_effect", [True, False], ids=["after the effect", "before the effect"])
@pytest.mark.parametrize("name", ALL)
def test_a_number_whose_writing_got_no_answer_is_read_back_and_right_in_the_end(
    sqlite: Database, name: str, has_effect: bool
) -> None:
    merchant = open_merchant(sqlite)
    merchant.open()
    emulator = merchant.world.accounts[name].emulator
    lost: list[str] = []

    def lose(answer: Send, request: HttpRequest) -> HttpResponse:
        if not lost and is_write(request):
            lost.append(request.path)
            if has_effect:
                answer(request)
            raise NoAnswerError("the line broke")
        return answer(request)

    merchant.disturb[name] = lose
    before = len(emulator.shelf_log)
    receive(merchant.hub, "MUG", "ST-PARIS", 4, document="D1")
    merchant.rest()
    assert len(lost) == 1
    assert merchant.shelf(name)["MUG"] == (7 if name == "tills" else 13)
    written = [change for change in emulator.shelf_log[before:] if change.cause is ShelfCause.WRITTEN]
    assert [change.units for change in written if change.sku == "MUG"] == [merchant.shelf(name)["MUG"]]


def is_write(request: HttpRequest) -> bool:
    """Whether a request writes numbers, on any of the platforms."""
    body = request.body
    return (
        b"inventorySetQuantities" in body
        or (request.method == "POST" and ("/imports" in request.path or "batch-create" in request.path))
        or (request.method in {"PUT", "PATCH"} and "stock_availables" in request.path)
    )


@pytest.mark.requirement("R26")
def test_after_ten_minutes_of_nothing_but_429_every_shelf_is_right(sqlite: Database) -> None:
    merchant = open_merchant(sqlite)
    merchant.open()
    refused: dict[str, int] = dict.fromkeys(ALL, 0)

    def storm(name: str) -> Callable[[Send, HttpRequest], HttpResponse]:
        def throttle(_: Send, __: HttpRequest) -> HttpResponse:
            refused[name] += 1
            return HttpResponse(429, {"retry-after": "45"}, b"{}")

        return throttle

    for name in ALL:
        merchant.disturb[name] = storm(name)
    begun = merchant.clock.now()
    number = 0
    while (merchant.clock.now() - begun).total_seconds() < 600:
        number += 1
        receive(merchant.hub, "MUG", "ST-PARIS", 1, document=f"D{number}")
        merchant.turn()
        merchant.clock.advance(15)
    assert min(refused.values()) > 0
    merchant.disturb.clear()
    merchant.rest()
    assert [merchant.shelf(name)["MUG"] for name in ALL] == [9 + number, 9 + number, 9 + number, 3 + number]


@pytest.mark.requirement("R35")
def test_a_number_edited_by_hand_on_any_platform_is_put_right(sqlite: Database) -> None:
    merchant = open_merchant(sqlite)
    merchant.open()
    for name, point in POINTS.items():
        if merchant.hub.accounts[name].record.capabilities.can_read_levels and name != "tills":
            merchant.world.accounts[name].emulator.set_shelf("MUG", point, 77, merchant.clock.now())
    merchant.clock.advance(60)
    for name in ALL[:3]:
        pull_stock(merchant.hub, name)
    merchant.rest()
    assert [merchant.shelf(name)["MUG"] for name in ALL] == [9, 9, 9, 3]
    must_be_right(merchant)


@pytest.mark.requirement("R03")
def test_a_count_at_a_till_is_booked_and_shown_everywhere(sqlite: Database) -> None:
    merchant = open_merchant(sqlite)
    merchant.open()
    merchant.world.accounts["tills"].emulator.set_shelf("MUG", POINTS["tills"], 5, merchant.clock.now())
    merchant.rest()
    assert [merchant.shelf(name)["MUG"] for name in ALL] == [11, 11, 11, 5]


@pytest.mark.requirement("R21")
def test_with_our_own_webhooks_coming_back_nothing_is_written_again(sqlite: Database) -> None:
    merchant = open_merchant(sqlite)
    merchant.open()
    logs = {name: len(account.emulator.shelf_log) for name, account in merchant.world.accounts.items()}
    for name in ("webshop", "tills"):
        pull_stock(merchant.hub, name)
    merchant.rest()
    assert {name: len(account.emulator.shelf_log) for name, account in merchant.world.accounts.items()} == logs
    must_be_right(merchant)


@pytest.mark.requirement("R24")
def test_without_a_single_webhook_polling_reaches_the_same_state(sqlite: Database) -> None:
    merchant = open_merchant(sqlite)
    merchant.open()
    for name in ALL:
        merchant.buy(name, MUG=1)
    merchant.rest(has_webhooks=False)
    assert [merchant.shelf(name)["MUG"] for name in ALL[:3]] == [5, 5, 5]
    must_be_right(merchant)


@pytest.mark.requirement("R20")
def test_two_last_units_sold_on_two_channels_before_anybody_knew_leave_a_shortfall_and_a_task(
    database: Database,
) -> None:
    merchant = open_merchant(database, {("MUG", "WH-LYON"): 1, ("TRAY", SUPPLIER.code): 5})
    merchant.open()
    merchant.buy("webshop", MUG=1)
    merchant.buy("boutique", MUG=1)
    merchant.rest()
    verdict = merchant.verdict()
    assert (verdict.oversold_across_channels, verdict.oversold_in_hub, verdict.lost, verdict.duplicated) == (1, 0, 0, 0)
    assert verdict.details == []
    must_be_right(merchant)
    assert [merchant.shelf(name)["MUG"] for name in ALL] == [0, 0, 0, 0]
