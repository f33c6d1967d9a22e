"""The pages of the store desk: whose they are, what a form must carry, and that they say nothing to anybody else."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest

from nervure import service
from nervure.operations import giving_up
from nervure.operations.desk import Refusal
from nervure.operations.desk_users import add_user
from nervure.operations.hub import Hub
from nervure.orders.rules import Routing
from nervure.service.desk_pages import GROUPS, NOTES
from nervure.service.desk_texts import TEXTS, wanted
from nervure.store.handling import HandlingStore
from nervure.store.routing import RoutingStore
from nervure.store.tables.catalogue import LOCATION
from nervure.store.tables.desk import FULFILLMENT_EVENT
from schemas.fulfillment import FulfillmentState, RejectReason, StepKind
from schemas.locations import Address
from schemas.orders import Customer, Delivery, DeliveryMethod
from tests.nervure.operations.scripted import hear, looking, order_of
from tests.nervure.service.test_app import Client, hub, served
from tests.nervure.world import a_till_sale, an_order

__all__ = ["hub"]

HOME = Address(country="FR", postal_code="75002", city="Paris", lines=("1 rue de la Paix",))
TEMPLATES = Path(service.__file__).parent / "templates"
EVIL = "<script>alert(1)</script>"


class Tablet:
    """A browser without a window or a script: it keeps cookies and sends the forms that it was shown."""

    def __init__(self, client: Client, language: str = "en") -> None:
        self._client = client
        self.cookies: dict[str, str] = {}
        self.form_code = ""
        self.language = language

    def _ask(self, method: str, path: str, **said: Any) -> httpx.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"cookie": cookie, "accept-language": self.language}
        answer = self._client.request(method, path, headers=headers, **said)
        self.cookies |= dict(answer.cookies)
        found = re.search(r'name="form_code" value="(\w+)"', answer.text)
        self.form_code = found[1] if found else self.form_code
        return answer

    def get(self, path: str) -> httpx.Response:
        return self._ask("GET", path)

    def post(self, path: str, **fields: str) -> httpx.Response:
        return self._ask("POST", path, data={"form_code": self.form_code} | fields)

    def sign_in(self, place: str = "paris") -> "Tablet":
        self.get("/desk/sign-in")
        answer = self.post("/desk/sign-in", place=place, name="Bo", password="correct horse")
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk")
        self.get("/desk")
        return self


@pytest.fixture
def client(hub: Hub) -> Client:
    for place in ("paris", "lyon"):
        add_user(hub, place, "Bo", "correct horse")
    return served(hub, "the-token")


@pytest.fixture
def tablet(client: Client) -> Tablet:
    return Tablet(client).sign_in()


def bought(hub: Hub, name: str = "Jane Doe") -> None:
    order = an_order("1", {"BOLT": 2}, delivery=Delivery(method=DeliveryMethod.SHIP, address=HOME))
    hear(hub, "shop", order_of(order.model_copy(update={"customer": Customer(name=name)})))


def events(hub: Hub) -> int:
    with looking(hub) as world:
        return world.rows(FULFILLMENT_EVENT)


def test_whoever_is_not_signed_in_is_asked_to_and_sees_nothing(hub: Hub, client: Client) -> None:
    bought(hub)
    for path in ("/desk", "/desk/orders/1", "/desk/orders/1/slip"):
        answer = Tablet(client).get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk/sign-in")
        assert "Jane" not in answer.text
    stranger = Tablet(client)
    stranger.get("/desk/sign-in")
    for step in (
        "accept",
        "picking",
        "scan",
        "pack",
        "ship",
        "ready",
        "told",
        "hand-over",
        "return",
        "put-back",
        "reject",
    ):
        answer = stranger.post(f"/desk/orders/1/{step}", reason="other", code="1", scanned="BOLT")
        assert (answer.status_code, answer.headers["location"]) == (303, "/desk/sign-in"), step
    assert events(hub) == 0


def test_a_form_of_another_site_does_nothing(hub: Hub, tablet: Tablet) -> None:
    bought(hub)
    good = tablet.form_code
    for wrong in ("", "0" * 64, good[:-1]):
        tablet.form_code = wrong
        answer = tablet.post("/desk/orders/1/accept")
        assert answer.status_code == 403
        assert "This page had been open for too long." in answer.text
    other = Tablet(tablet._client).sign_in("lyon")
    tablet.form_code = other.form_code
    assert tablet.post("/desk/orders/1/accept").status_code == 403, "nor one of somebody else"
    assert events(hub) == 0
    tablet.form_code = good
    answer = tablet.post("/desk/orders/1/accept")
    assert (answer.status_code, answer.headers["location"]) == (303, "/desk/orders/1?note=done")
    assert tablet.post("/desk/orders/1/accept").headers["location"] == "/desk/orders/1?note=before"
    assert events(hub) == 1
    with looking(hub) as world:
        [event] = HandlingStore(world.connection, world.now).events(1)
        assert event.by == "Bo"


def test_a_sign_in_needs_a_form_too_and_gives_a_new_token(client: Client) -> None:
    tablet = Tablet(client)
    tablet.get("/desk/sign-in")
    before, code = tablet.cookies["nervure_desk"], tablet.form_code
    tablet.form_code = "wrong"
    assert tablet.post("/desk/sign-in", place="paris", name="Bo", password="correct horse").status_code == 403
    tablet.form_code = code
    wrong = tablet.post("/desk/sign-in", place="paris", name="Bo", password="correct horsf")
    assert wrong.status_code == 403
    assert "Location, name or password are wrong." in wrong.text
    assert "correct horsf" not in wrong.text
    answer = tablet.post("/desk/sign-in", place="paris", name="Bo", password="correct horse")
    assert answer.status_code == 303
    assert tablet.cookies["nervure_desk"] != before
    [cookie] = [one for one in answer.headers.get_list("set-cookie") if one.startswith("nervure_desk=")]
    for part in ("HttpOnly", "SameSite=strict", "Path=/desk"):
        assert part in cookie


def offered_to_two(hub: Hub) -> None:
    """An order that paris holds, and that lyon may accept as well."""
    with hub.database.write() as connection:
        connection.execute(LOCATION.update().values(kind="store", accept_seconds=600.0))
        RoutingStore(connection, hub.clock.now()).put(Routing(None, {}, 2))
    bought(hub)
    giving_up.keep_times(hub)


def test_an_offer_is_seen_by_all_and_accepted_by_one(hub: Hub, client: Client) -> None:
    offered_to_two(hub)
    paris, lyon = Tablet(client).sign_in("paris"), Tablet(client).sign_in("lyon")
    for tablet in (paris, lyon):
        page = tablet.get("/desk").text
        assert "Offered: first to accept" in page
        assert "one other store has it too" in page
        assert "Item BOLT" in tablet.get("/desk/orders/1").text
    asked = lyon.get("/desk/orders/1").text
    assert "Jane Doe" not in asked, "who is asked does not learn for whom it is"
    assert "paris" not in asked
    assert "Jane Doe" in paris.get("/desk/orders/1").text
    assert lyon.post("/desk/orders/1/accept").headers["location"] == "/desk/orders/1?note=done"
    assert lyon.get("/desk/orders/1?note=done").headers["location"] == "/desk/orders/2?note=done"
    mine = lyon.get("/desk/orders/2?note=done").text
    assert "Done." in mine
    assert "Jane Doe" in mine
    assert lyon.post("/desk/orders/1/accept").headers["location"] == "/desk/orders/1?note=before"
    late = paris.post("/desk/orders/1/accept")
    assert late.status_code == 409
    assert "Another store has accepted it first." in late.text
    assert "another store was faster" in paris.get("/desk/orders/1").text
    assert "#1" not in paris.get("/desk").text


def test_who_is_asked_too_late_reads_why(hub: Hub, client: Client) -> None:
    offered_to_two(hub)
    paris, lyon = Tablet(client).sign_in("paris"), Tablet(client, "fr").sign_in("lyon")
    paris.post("/desk/orders/1/accept")
    late = lyon.post("/desk/orders/1/accept")
    assert late.status_code == 409
    assert "Un autre magasin l&#39;a acceptée avant vous." in late.text
    assert lyon.get("/desk/orders/1").status_code == 404


def test_a_store_that_is_asked_may_decline(hub: Hub, client: Client) -> None:
    offered_to_two(hub)
    lyon = Tablet(client).sign_in("lyon")
    assert lyon.post("/desk/orders/1/reject", reason="").status_code == 409, "it needs a reason"
    answer = lyon.post("/desk/orders/1/reject", reason="no_time", **{"keeps:BOLT": "0"})
    assert answer.headers["location"] == "/desk/orders/1?note=gone"
    page = lyon.get("/desk/orders/1?note=gone")
    assert (page.status_code, "It is not yours any more" in page.text) == (200, True)
    assert "#1" not in lyon.get("/desk").text


def test_a_location_never_sees_what_is_anothers(hub: Hub, client: Client) -> None:
    bought(hub)
    lyon = Tablet(client).sign_in("lyon")
    assert "#1" not in lyon.get("/desk").text
    for path in ("/desk/orders/1", "/desk/orders/1/slip", "/desk/orders/77"):
        answer = lyon.get(path)
        assert (answer.status_code, "Jane" in answer.text) == (404, False)
    assert lyon.post("/desk/orders/1/reject", reason="other").status_code == 404
    assert events(hub) == 0


def test_pages_are_kept_by_nobody_and_run_no_script_of_a_customers_name(hub: Hub, tablet: Tablet) -> None:
    bought(hub, EVIL)
    for path in ("/desk", "/desk/orders/1", "/desk/orders/1/slip", f"/desk/orders/1?note=picked&about={EVIL}"):
        answer = tablet.get(path)
        assert answer.status_code == 200
        assert EVIL not in answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-security-policy"].startswith(
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self';"
        )
        assert re.findall("<script[^>]*>", answer.text) == ['<script src="/desk/desk.js" type="module">']
    assert "&lt;script&gt;" in tablet.get("/desk/orders/1").text
    refused = tablet.post("/desk/orders/1/scan", scanned=EVIL)
    assert (refused.status_code, EVIL in refused.text) == (409, False)


def test_what_cannot_be_done_is_said_in_the_language_of_the_page(hub: Hub, client: Client) -> None:
    bought(hub)
    tablet = Tablet(client, "de-DE, fr;q=0.8, en;q=0.5").sign_in()
    assert "À accepter" in tablet.get("/desk").text
    tablet.post("/desk/orders/1/picking")
    answer = tablet.post("/desk/orders/1/scan", scanned="4711")
    assert answer.status_code == 409
    assert "Pas dans cette commande, à remettre en rayon : 4711" in answer.text
    assert 'href="/desk/orders/1?lang=en"' in answer.text, "a language is asked of a page, not of a form"
    assert "To accept" not in tablet.get("/desk?lang=fr").text
    assert "Nothing to do" not in tablet.get("/desk").text
    assert "Being picked" in tablet.get("/desk?lang=en").text
    assert "Being picked" in tablet.get("/desk").text, "it is remembered"


def test_who_packs_is_told_that_a_part_was_canceled(hub: Hub, tablet: Tablet) -> None:
    bought(hub)
    tablet.post("/desk/orders/1/picking")
    tablet.post("/desk/orders/1/pack", unscanned="1")
    assert "The customer has canceled a part." not in tablet.get("/desk/orders/1").text
    order = an_order("1", {"BOLT": 1}, minute=1, delivery=Delivery(method=DeliveryMethod.SHIP, address=HOME))
    hear(hub, "shop", order_of(order))
    page = tablet.get("/desk/orders/1").text
    assert "The customer has canceled a part." in page
    assert "canceled in part, units: 1" in page


def test_a_long_form_is_refused(tablet: Tablet) -> None:
    assert tablet.post("/desk/orders/1/scan", scanned="9" * 70_000).status_code == 413


def test_the_stylesheet_is_ours(client: Client) -> None:
    answer = Tablet(client).get("/desk/desk.css")
    assert answer.headers["content-type"].startswith("text/css")
    assert "http" not in answer.text.replace("https", "http").replace("http-equiv", ""), "it loads nothing"


def test_an_order_that_was_planned_anew_has_its_page(hub: Hub, tablet: Tablet) -> None:
    bought(hub)
    with hub.database.write() as connection:
        HandlingStore(connection, hub.clock.now()).note(1, StepKind.REPLANNED, by="Bo")
    page = tablet.get("/desk/orders/1")
    assert page.status_code == 200
    assert "planned anew together with other orders" in page.text


def test_what_a_till_has_sold_has_its_page(hub: Hub, client: Client) -> None:
    hear(hub, "till", order_of(a_till_sale("1", {"BOLT": 1}, "counter", channel="till")))
    page = Tablet(client).sign_in("lyon").get("/desk/orders/1")
    assert page.status_code == 200
    assert "Taken along" in page.text


def test_both_languages_say_everything() -> None:
    assert TEXTS["en"].keys() == TEXTS["fr"].keys()
    assert all(text.strip() for texts in TEXTS.values() for text in texts.values())


LOOKED_UP: dict[str, Iterable[str]] = {
    '"e_" ~ event.kind': StepKind,
    '"s_" ~ state': FulfillmentState,
    '"s_" ~ job.state': FulfillmentState,
    '"r_" ~ reason': RejectReason,
    '"r_" ~ event.reason': RejectReason,
    '"q_" ~ name': GROUPS,
    "job.delivery": DeliveryMethod,
}
"""What the templates ask the texts for by a name that they put together, and every end of such a name."""


def test_every_name_that_a_page_puts_together_has_its_text() -> None:
    pages = [page.read_text("utf-8") for page in TEMPLATES.glob("desk_*.html")]
    names = {name for page in pages for name in re.findall(r"\bt\[([^\]]+)\]", page) if name != '"return"'}
    assert names == LOOKED_UP.keys()
    wanted_texts = [
        (name.split('"')[1] if '"' in name else "") + end for name, ends in LOOKED_UP.items() for end in ends
    ]
    wanted_texts += [f"d_{note}" for note in (*NOTES, "picked")] + [f"x_{kind}" for kind in get_args(Refusal)]
    assert [name for name in wanted_texts if name not in TEXTS["en"]] == []


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("fr", "fr"),
        ("fr-CA,fr;q=0.9,en;q=0.8", "fr"),
        ("de, en;q=0.5, fr;q=0.7", "fr"),
        ("fr;q=0", "en"),
        ("fr;q=oops, en", "en"),
    ],
)
def test_the_language_is_the_first_that_the_browser_wants(header: str, language: str) -> None:
    assert wanted(header) == language
