"""What a customer may choose, over HTTP: by the order for the staff, by a link that names nobody for the customer."""

from collections.abc import Iterator
from typing import Any

import pytest

from nervure.operations.hub import Hub
from nervure.operations.proposing import make_proposals
from schemas.orders import Customer, Delivery, DeliveryMethod
from tests.nervure.operations.caps import hat_shop, order, policy, state
from tests.nervure.operations.scripted import advance, looking
from tests.nervure.service.test_app import HOME, JANE, PERSONAL, Client, served
from tests.nervure.service.test_console import text
from tests.nervure.world import an_order, fresh_sqlite


@pytest.fixture
def hub() -> Iterator[Hub]:
    with fresh_sqlite() as database:
        yield hat_shop(database, policy(), blue_depot=1, red_near=1)


@pytest.fixture
def client(hub: Hub) -> Client:
    made = an_order("1", {"RED": 1}, delivery=Delivery(method=DeliveryMethod.SHIP, address=HOME))
    assert isinstance(JANE, Customer)
    state(hub, made.model_copy(update={"customer": JANE}))
    assert make_proposals(hub) == 1
    return served(hub)


def asked(client: Client) -> Any:
    answer = client.get("/orders/shop/1/options")
    assert answer.status_code == 200, answer.text
    return answer.json()


def link_of(client: Client) -> str:
    [line] = asked(client)
    link = line["proposal"]["link"]
    assert isinstance(link, str)
    return link


def test_the_staff_sees_what_there_is_now_and_what_was_proposed(client: Client) -> None:
    [line] = asked(client)
    assert (line["line"], line["sku"], line["units"]) == ("1-1", "RED", 1)
    # What is held for this very customer is not there for anybody any more.
    assert [one["option"] for one in line["now"]] == ["cancel"]
    assert (line["proposal"]["state"], line["proposal"]["answer_by"]) == ("open", "2026-03-03T09:00:00Z")
    assert line["proposal"]["options"][0] == {
        "option": "variant:BLUE",
        "kind": "variant",
        "reason": "BLUE by group caps: 1 in depot, 0 km away; at the price paid",
        "on": "2026-03-03",
        "due": "0.00",
        "currency": "EUR",
        "sku": "BLUE",
        "title": "Item BLUE",
        "places": [{"location": "depot", "units": 1}],
    }


def test_who_holds_the_link_may_choose_and_learns_no_name(hub: Hub, client: Client) -> None:
    link = link_of(client)
    customer = served(hub, "the-token")
    assert len(link.rpartition("/")[2]) == 43
    seen = customer.get(link)
    assert seen.status_code == 200
    assert [one["option"] for one in seen.json()["options"]] == ["variant:BLUE", "pickup:near", "cancel"]
    done = customer.post(link, json={"option": "variant:BLUE"})
    assert (done.status_code, done.json()["state"], done.json()["chosen"]) == (200, "chosen", "variant:BLUE")
    for answer in (seen, done):
        assert not [word for word in PERSONAL if word in answer.text]
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (0, 0, 0), "nervure-1": (1, 1, 0)}
    again = customer.post(link, json={"option": "cancel"})
    assert (again.status_code, again.json()) == (
        409,
        {"detail": "this was answered at 2026-03-02 09:00 UTC with 'variant:BLUE': it cannot change"},
    )
    assert customer.get(link).json()["chosen"] == "variant:BLUE"


def test_a_link_that_nobody_was_given_is_worth_nothing(hub: Hub, client: Client) -> None:
    link = link_of(client)
    for wrong in (link[:-1], f"{link}x", link.swapcase(), "/proposals/1", "/proposals/%25"):
        assert client.get(wrong).status_code == 404
        assert client.post(wrong, json={"option": "cancel"}).status_code == 404
    with looking(hub) as world:
        assert world.lines("1") == {"1-1": (1, 0, 1)}


@pytest.mark.parametrize("body", [{}, {"option": ""}, {"option": "cancel", "by": "me"}, {"option": 1}])
def test_an_answer_is_one_option_and_nothing_else(client: Client, body: dict[str, Any]) -> None:
    assert client.post(link_of(client), json=body).status_code == 422


def test_an_answer_that_is_late_or_names_nothing_is_one_sentence(hub: Hub, client: Client) -> None:
    link = link_of(client)
    unknown = client.post(link, json={"option": "variant:PRO"})
    assert (unknown.status_code, unknown.json()) == (
        404,
        {"detail": "there is no option 'variant:PRO': choose one of variant:BLUE, pickup:near, cancel"},
    )
    advance(hub, 24 * 3600)
    late = client.post(link, json={"option": "cancel"})
    assert (late.status_code, late.json()) == (409, {"detail": "the time to answer ended at 2026-03-03 09:00 UTC"})


def test_the_staff_chooses_by_the_order_and_names_the_line_where_it_must(hub: Hub, client: Client) -> None:
    order(hub, "2", 1, sku="RED")
    assert client.post("/orders/shop/2/options", json={"option": "cancel", "by": "Ana"}).status_code == 404
    chosen = client.post("/orders/shop/%231/options", json={"option": "pickup:near", "by": "Ana", "line": "1-1"})
    assert (chosen.status_code, chosen.json()["chosen"]) == (200, "pickup:near")
    assert client.get("/orders/shop/1/options").status_code == 404
    assert client.post("/orders/shop/1/options", json={"option": "cancel", "by": "Bo"}).status_code == 409
    assert client.post("/orders/shop/1/options", json={"option": "cancel"}).status_code == 422


def test_the_page_of_the_order_tells_what_was_proposed_and_what_became_of_it(client: Client) -> None:
    before = text(client.get("/order?name=1").text)
    assert "What was proposed instead 2026-03-02 09:00 UTC, 1 of RED missing: proposed variant:BLUE" in before
    assert client.post(link_of(client), json={"option": "variant:BLUE"}).status_code == 200
    after = client.get("/order?name=1").text
    assert "1 of RED missing: the customer chose variant:BLUE: BLUE by group caps" in text(after)
    assert not [word for word in PERSONAL if word in after]
