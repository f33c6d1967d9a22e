"""Single units: known once, taken once because the database says so, and back again (R18)."""

import pytest

from nervure.operations.hub import Hub
from nervure.operations.moving import move_fulfillment
from nervure.operations.serials import (
    Box,
    SerialError,
    Unit,
    find_serials,
    name_serials,
    put_serials,
    receive_serials,
    return_serials,
    track,
)
from nervure.operations.staff import UnknownStockError, receive, ship_fulfillment
from nervure.store.database import Database
from nervure.store.serial_claims import SERIAL, SERIAL_CLAIM
from nervure.store.statements import MOVEMENT
from schemas.orders import OrderState, Return, ReturnLine
from schemas.stock import Condition
from tests.nervure.operations.scripted import ScriptedShop, document, hear, looking, order_of, scripted_hub
from tests.nervure.world import World, a_till_sale, an_order, at, must_hold

pytestmark = pytest.mark.requirement("R18")


def box(*serials: str, sku: str = "CAM", location: str = "paris", name: str = "D1", epc: bool = False) -> Box:
    return Box(sku, location, tuple(Unit(one, f"EPC-{one}" if epc else None) for one in serials), name)


@pytest.fixture
def hub(both: Database) -> Hub:
    """A hub with a camera that asks for serial numbers, and none of it in stock."""
    with both.write() as connection:
        world = World(connection)
        world.items("CAM")
        world.kit("SET", {"CAM": 1, "NUT": 1})
        for channel in ("shop", "till"):
            world.list_on(channel, "CAM", "SET")
    found = scripted_hub(both, {"shop": ScriptedShop(), "till": ScriptedShop()})
    track(found, "CAM", is_tracked=True)
    return found


def where(hub: Hub, serial: str) -> tuple[str | None, str, str]:
    [one] = find_serials(hub, serial)
    return one.location, one.state, one.document


def numbers(hub: Hub, order: str) -> list[int]:
    with looking(hub) as world:
        return world.fulfillment_numbers(order)


def nothing_new(hub: Hub, *, serials: int, claims: int, movements: int) -> None:
    with looking(hub) as world:
        assert [world.rows(table) for table in (SERIAL, SERIAL_CLAIM, MOVEMENT)] == [serials, claims, movements + 3]
        must_hold(world)


def test_units_come_in_one_for_each_serial_once_for_each_document(hub: Hub) -> None:
    assert [receive_serials(hub, box("A", "B", epc=True)) for _ in range(2)] == [True, False]
    assert (where(hub, "A"), where(hub, "EPC-B")) == (("paris", "here", "D1"), ("paris", "here", "D1"))
    with pytest.raises(SerialError, match=r"^D1 was booked before, without serial 'C'$"):
        receive_serials(hub, box("A", "C"))
    with looking(hub) as world:
        assert world.movements("CAM", "paris") == [("received", 2)]
    nothing_new(hub, serials=2, claims=0, movements=1)


def test_a_serial_is_known_once_of_an_item_and_an_epc_once_at_all(hub: Hub) -> None:
    receive_serials(hub, box("A", epc=True))
    track(hub, "NUT", is_tracked=True)
    assert receive_serials(hub, box("A", sku="NUT", name="D2")), "another item may have the same serial number"
    with pytest.raises(SerialError, match=r"^serial 'A' of 'CAM' is at paris already$"):
        receive_serials(hub, box("B", "A", location="lyon", name="D3"))
    with pytest.raises(SerialError, match=r"^EPC 'EPC-A' is that of serial 'A' of 'CAM'$"):
        receive_serials(hub, Box("NUT", "lyon", (Unit("C", "EPC-A"),), "D4"))
    nothing_new(hub, serials=2, claims=0, movements=2)


@pytest.mark.parametrize(
    ("wrong", "error", "sentence"),
    [
        (box("A", sku="BOLT"), SerialError, "'BOLT' does not ask for serial numbers"),
        (box("A", sku="CAN"), UnknownStockError, "sku 'CAN' is not known"),
        (box("A", location="pari"), UnknownStockError, "location 'pari' is not known"),
        (box("A", "A"), SerialError, "name at least one serial number, each once, and each EPC once"),
        (box(), SerialError, "name at least one serial number, each once, and each EPC once"),
    ],
)
def test_what_makes_no_sense_is_refused(hub: Hub, wrong: Box, error: type[Exception], sentence: str) -> None:
    for use in (receive_serials, put_serials, return_serials):
        with pytest.raises(error) as refused:
            use(hub, wrong)
        assert str(refused.value) == sentence
    with pytest.raises(SerialError, match=r"^'SET' is a kit: its parts carry serial numbers$"):
        track(hub, "SET", is_tracked=True)
    nothing_new(hub, serials=0, claims=0, movements=0)


def test_what_is_named_leaves_with_the_parcel_and_is_nowhere_then(hub: Hub) -> None:
    receive_serials(hub, box("A", "B", "C", epc=True))
    hear(hub, "shop", order_of(an_order("1", {"CAM": 1, "SET": 1})))
    [number] = numbers(hub, "1")
    assert [name_serials(hub, number, ["A", "EPC-B"]) for _ in range(2)] == [2, 0]
    assert where(hub, "A") == ("paris", "here", "D1")
    with pytest.raises(SerialError, match=rf"^fulfillment order {number} holds 2 units of 'CAM', and all are named$"):
        name_serials(hub, number, ["C"])
    assert ship_fulfillment(hub, number, shipped_at=at(3))
    assert where(hub, "A") == where(hub, "B") == (None, "left", "order:shop:1")
    assert where(hub, "C") == ("paris", "here", "D1")
    with looking(hub) as world:
        assert (world.on_hand("CAM", "paris"), world.on_hand("NUT", "paris")) == (1, 7)
        must_hold(world)


def test_a_serial_that_is_elsewhere_taken_gone_or_unknown_is_refused_in_one_sentence(hub: Hub) -> None:
    receive_serials(hub, box("A", "B", "C", "E"))
    receive_serials(hub, box("D", location="lyon", name="D2"))
    for name in ("1", "2"):
        hear(hub, "shop", order_of(an_order(name, {"CAM": 1})))
    [first], [second] = numbers(hub, "1"), numbers(hub, "2")
    name_serials(hub, first, ["A"])
    for serial, sentence in (
        ("A", "serial 'A' of 'CAM' is set aside for another fulfillment order"),
        ("D", "serial 'D' of 'CAM' is at lyon, not at paris"),
        ("Z", f"serial 'Z' is not known of any item in fulfillment order {second}"),
    ):
        with pytest.raises(SerialError) as refused:
            name_serials(hub, second, [serial])
        assert str(refused.value) == sentence
    ship_fulfillment(hub, first, shipped_at=at(1))
    with pytest.raises(SerialError, match=r"^serial 'A' of 'CAM' has left with order:shop:1$"):
        name_serials(hub, second, ["A"])
    with pytest.raises(SerialError, match=r"^serial 'A' of 'CAM' has left with order:shop:1$"):
        receive_serials(hub, box("A", name="D3"))
    with pytest.raises(SerialError, match=r"^there is no fulfillment order 4711$"):
        name_serials(hub, 4711, ["B"])
    with looking(hub) as world:
        assert world.rows(SERIAL_CLAIM) == 1


def test_what_a_till_handed_over_may_be_named_afterwards(hub: Hub) -> None:
    receive_serials(hub, box("A", "B", location="lyon"))
    hear(hub, "till", order_of(a_till_sale("7", {"CAM": 1}, "counter", channel="till")))
    [number] = numbers(hub, "7")
    assert name_serials(hub, number, ["B"]) == 1
    assert where(hub, "B") == (None, "left", "order:till:7")
    with pytest.raises(SerialError, match="holds 1 unit of 'CAM', and all are named"):
        name_serials(hub, number, ["A"])


def test_what_is_canceled_or_moved_lets_its_units_go(hub: Hub) -> None:
    receive_serials(hub, box("A", "B", "C"))
    receive_serials(hub, box("D", "E", location="lyon", name="D2"))
    hear(hub, "shop", order_of(an_order("1", {"CAM": 2})))
    hear(hub, "shop", order_of(an_order("2", {"CAM": 1})))
    [first], [second] = numbers(hub, "1"), numbers(hub, "2")
    name_serials(hub, first, ["A", "B"])
    name_serials(hub, second, ["C"])
    hear(hub, "shop", order_of(an_order("1", {"CAM": 1}, minute=1)))
    move_fulfillment(hub, second, "lyon")
    with looking(hub) as world:
        states = [row.state for row in world.connection.execute(SERIAL_CLAIM.select().order_by(SERIAL_CLAIM.c.id))]
    assert states == ["held", "released", "released"], "the newest goes first"
    [moved] = numbers(hub, "2")
    assert name_serials(hub, moved, ["D"]) == 1
    hear(hub, "shop", order_of(an_order("2", {"CAM": 1}, minute=2, state=OrderState.CANCELED)))
    hear(hub, "shop", order_of(an_order("3", {"CAM": 1})))
    assert name_serials(hub, numbers(hub, "3")[0], ["B"]) == 1


def left(hub: Hub) -> None:
    receive_serials(hub, box("A", "B", "C"))
    hear(hub, "shop", order_of(an_order("1", {"CAM": 2})))
    [number] = numbers(hub, "1")
    name_serials(hub, number, ["A", "B"])
    ship_fulfillment(hub, number, shipped_at=at(1))


@pytest.mark.requirement("R38")
def test_a_return_brings_a_unit_back_and_it_can_be_taken_again(hub: Hub) -> None:
    left(hub)
    back = box("A", location="lyon", name="R1")
    assert [return_serials(hub, back) for _ in range(2)] == [True, False]
    assert where(hub, "A") == ("lyon", "here", "R1")
    assert return_serials(hub, box("B", location="lyon", name="R2"), condition=Condition.DAMAGED)
    with looking(hub) as world:
        assert world.movements("CAM", "lyon") == [("returned", 1), ("returned", 1)]
        assert world.claimable("CAM", "lyon") == 1
        must_hold(world)
    hear(hub, "shop", order_of(an_order("2", {"CAM": 2})))
    refused = []
    for number in numbers(hub, "2"):
        with pytest.raises(SerialError) as error:
            name_serials(hub, number, ["B"])
        refused.append(str(error.value))
    assert refused == [
        "serial 'B' of 'CAM' is at lyon, not at paris",
        "serial 'B' of 'CAM' cannot be sold: it is damaged",
    ]
    for serial, sentence in (("C", "has not left: it is at paris"), ("Z", "is not known")):
        with pytest.raises(SerialError, match=f"^serial '{serial}' of 'CAM' {sentence}$"):
            return_serials(hub, box(serial, name="R3"))


@pytest.mark.requirement("R38")
def test_a_return_that_a_channel_tells_may_name_them_too(hub: Hub) -> None:
    left(hub)
    told = Return(
        channel="shop",
        external_id="R1",
        occurred_at=at(5),
        lines=(
            ReturnLine(
                external_id="1",
                listing_external_id="L-CAM",
                units=2,
                restocked=True,
                serials=("A", "X"),
                stock_point="web",
            ),
        ),
    )
    for event in ("r1", "r1 again"):
        hear(hub, "shop", document(event, told, about="R1"))
    assert where(hub, "A") == ("paris", "here", "return:shop:R1")
    assert where(hub, "X") == ("paris", "here", "return:shop:R1"), "a fact is taken, also of a unit nobody knew"
    with looking(hub) as world:
        assert world.on_hand("CAM", "paris") == 3
        assert [row.state for row in world.connection.execute(SERIAL_CLAIM.select().order_by(SERIAL_CLAIM.c.id))] == [
            "returned",
            "left",
        ]
    assert return_serials(hub, box("B", name="R9"), is_booked=True)
    with looking(hub) as world:
        assert world.on_hand("CAM", "paris") == 3


def test_units_that_were_booked_without_numbers_are_named_later_as_many_as_there_are(hub: Hub) -> None:
    receive(hub, "CAM", "paris", 2, document="D0")
    receive(hub, "CAM", "lyon", 1, document="D0")
    assert put_serials(hub, box("A", "B", name="list")) == 2
    assert put_serials(hub, box("A", "B", name="list")) == 0
    with pytest.raises(SerialError, match=r"^3 units of 'CAM' would be named at 'paris', 2 are there$"):
        put_serials(hub, box("C", name="list"))
    assert put_serials(hub, box("B", location="lyon", name="T1")) == 1
    assert where(hub, "B") == ("lyon", "here", "T1")
    hear(hub, "shop", order_of(an_order("1", {"CAM": 1})))
    name_serials(hub, numbers(hub, "1")[0], ["A"])
    with pytest.raises(SerialError, match=r"^serial 'A' of 'CAM' is set aside for another fulfillment order$"):
        put_serials(hub, box("A", location="lyon", name="T2"))
    with looking(hub) as world:
        assert world.rows(SERIAL) == 2
