"""A day at the store desk in a real browser: sign in, pick with a scanner, ship, hand over, in two languages."""

from pathlib import Path

import pytest

from nervure.operations import giving_up, offers
from nervure.operations.desk import Actor
from nervure.operations.desk_users import add_user
from nervure.operations.hub import Hub
from nervure.operations.messages import send_messages
from nervure.operations.staff import receive
from nervure.orders.rules import Routing
from nervure.store.routing import RoutingStore
from nervure.store.tables.catalogue import ITEM, LOCATION
from schemas.locations import Address
from schemas.orders import Delivery, DeliveryMethod
from tests.nervure.operations.scripted import hear, looking, order_of
from tests.nervure.service.browser import CHROMIUM, browser
from tests.nervure.service.desk_days import BOLT, JANE, NUT, a_day, served, sign_in
from tests.nervure.service.test_app import hub
from tests.nervure.world import an_order, must_hold

__all__ = ["hub"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")


def test_a_day_at_the_desk(hub: Hub, tmp_path: Path) -> None:
    a_day(hub)
    with served(hub) as url, browser(tmp_path / "profile") as page:
        page.open(f"{url}/desk?at=lyon")
        page.looks("sign_in")
        for name, text in (("place", "lyon"), ("name", "Ana"), ("password", "wrong horse")):
            page.type(name, text)
        page.press("Sign in")
        assert "Location, name or password are wrong." in page.text()
        page.type("password", "correct horse")
        page.press("Sign in")
        assert "Lyon Bellecour" in page.text()
        page.looks("queue")

        page.press("#1001")
        page.press("Accept")
        page.press("Start picking")
        page.scan("4711")
        assert "Not in this order, put it back: 4711" in page.text()
        page.looks("wrong_scan")
        page.scan(BOLT)
        assert "Counted: BOLT" in page.text()
        for code in (BOLT, NUT, NUT):
            page.scan(code)
        page.scan(NUT)
        assert "All units are picked already: NUT" in page.text()
        page.looks("picking")
        page.press("Packed")
        page.looks("packed")
        page.press("Packing slip")
        assert "1 rue de la Paix" in page.text()
        page.looks("slip")
        page.press("← Order #1001")
        page.type("carrier", "Colissimo")
        page.type("tracking", "6A12345678901")
        page.press("Shipped")
        assert "shipped" in page.text()
        assert "Colissimo 6A12345678901" in page.text()
        page.looks("shipped")

        page.press("FR")
        page.press("← Toutes les commandes")
        page.press("#1002")
        page.press("Commencer la préparation")
        page.scan(BOLT)
        page.scan(BOLT)
        page.press("Emballée")
        page.press("Prête au retrait")
        shown = page.text()
        page.looks("to_tell_fr")
        send_messages(hub)
        page.press("FR")
        assert "La boutique n'a pas pu être prévenue : prévenez le client vous-même." in page.text()
        page.looks("not_notified_fr")
        page.press("Client prévenu")
        page.type("code", "000000x")
        page.press("Remettre")
        assert "Ce n'est pas le code de cette commande." in page.text()
        page.looks("ready_fr")
        with looking(hub) as world:
            [code] = world.connection.exec_driver_sql(
                "SELECT pickup_code FROM fulfillment_order WHERE state = 'ready_for_pickup'"
            ).scalars()
        assert f"Code pour le client {code}" in " ".join(shown.split())
        assert code not in page.text(), "once it is told, only the customer knows it"
        page.type("code", code)
        page.press("Remettre")
        assert "Remise" in page.text()
        page.press("← Toutes les commandes")
        page.looks("queue_fr")

        page.press("#1003")
        page.run("document.querySelector('details').open = true")
        page.run("document.querySelector('[name=reason]').value = 'not_found'")
        page.type("keeps:NUT", "1")
        page.looks("problem_fr")
        page.press("Refuser le reste")
        page.looks("rejected_fr")
        page.press("Se déconnecter")
        page.open(f"{url}/desk/orders/1")
        assert "Mot de passe" in page.text()

        links = page.run("[...document.querySelectorAll('[src], link')].map(e => e.src || e.href)")
        assert links == [f"{url}/desk/desk.css"], "nothing is loaded from elsewhere"
    with looking(hub) as world:
        assert world.served("1001") == {("1001-1", "lyon", "shipped"): 1, ("1001-2", "lyon", "shipped"): 1}
        assert world.served("1002") == {("1002-1", "lyon", "handed_over"): 2}
        assert world.lines("1003") == {"1003-1": (3, 1, 2)}
        assert world.on_hand("NUT", "lyon") == 20 - 2 - 2
        must_hold(world)


def test_an_offer_goes_to_the_first_of_several_stores(hub: Hub, tmp_path: Path) -> None:
    """Lyon and paris are asked; paris holds the units. Lyon is faster once, and once too late."""
    with hub.database.write() as connection:
        connection.execute(LOCATION.update().values(kind="store", accept_seconds=3600.0))
        connection.execute(
            LOCATION.update().where(LOCATION.c.code == "lyon").values(name="Lyon Bellecour", time_zone="Europe/Paris")
        )
        connection.execute(ITEM.update().where(ITEM.c.sku == "BOLT").values(gtin=BOLT, title="Hex bolt M8 × 40"))
        RoutingStore(connection, hub.clock.now()).put(Routing(None, {}, 3))
    add_user(hub, "lyon", "Ana", "correct horse")
    for place in ("paris", "lyon"):
        receive(hub, "BOLT", place, 20, document=f"D-{place}")
    near_paris = Address(country="FR", postal_code="75002", city="Paris", lines=("1 rue de la Paix",))
    home = Delivery(method=DeliveryMethod.SHIP, address=near_paris)
    for name in ("1001", "1002"):
        made = an_order(name, {"BOLT": 2}, delivery=home).model_copy(update={"customer": JANE})
        hear(hub, "shop", order_of(made))
    giving_up.keep_times(hub)
    with served(hub) as url, browser(tmp_path / "profile", width=820, height=1000) as page:
        sign_in(page, url)
        assert "Offered: first to accept" in page.text()
        assert "one other store has it too" in page.text()
        page.looks("offers")
        page.press("#1001")
        assert "Jane Doe" not in page.text()
        page.looks("offer")
        page.press("Accept")
        assert "Done." in page.text()
        assert "Jane Doe" in page.text(), "now it is theirs"
        page.looks("offer_accepted")
        page.press("FR")
        page.press("← Toutes les commandes")
        page.press("#1002")
        page.looks("offer_fr")
        offers.accept(hub, 2, Actor("Bo", "paris"))
        page.press("Accepter")
        assert "Un autre magasin l'a acceptée avant vous." in page.text()
        page.looks("offer_too_late_fr")
        page.press("Toutes les commandes")
        assert "#1002" not in page.text()
        page.looks("offers_after_fr")
        page.press("#1001")
        page.press("Commencer la préparation")
        page.scan(BOLT)
        assert "Compté : BOLT" in page.text()
    with looking(hub) as world:
        assert world.served("1001") == {("1001-1", "lyon", "picking"): 2}
        assert world.served("1002") == {("1002-1", "paris", "accepted"): 2}
        must_hold(world)


def test_on_a_phone_nothing_is_cut_off(hub: Hub, tmp_path: Path) -> None:
    a_day(hub)
    with served(hub) as url, browser(tmp_path / "profile", width=390, height=844) as page:
        sign_in(page, url)
        page.press("#1001")
        page.press("Start picking")
        page.looks("phone")
        assert page.run("document.documentElement.scrollWidth") == 390
