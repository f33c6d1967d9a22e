"""What a script adds to the store desk, in a real browser: scans without page loads, a queue that renews itself."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nervure.operations import desk, giving_up, offers
from nervure.operations.desk import Actor
from nervure.operations.desk_users import add_user
from nervure.operations.hub import Hub
from nervure.service import desk_pages
from nervure.store.picking import PickingStore
from schemas.orders import Delivery, DeliveryMethod
from tests.nervure.operations.scripted import hear, looking, order_of
from tests.nervure.service.browser import CHROMIUM, Browser, browser
from tests.nervure.service.desk_days import BOLT, HOME, NUT, Way, a_day, on_the_way, sign_in
from tests.nervure.service.test_app import hub
from tests.nervure.world import an_order, must_hold

__all__ = ["hub"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")

WATCH = """
window.violations = [];
document.addEventListener('securitypolicyviolation', e => violations.push(e.violatedDirective + ' ' + e.blockedURI));
"""
SAME_PAGE = "window.mark === 'this one'"
HAS_CURSOR = "document.activeElement.name === 'scanned'"
NOTHING_ON_ITS_WAY = "!document.querySelector('.htmx-request')"
PICKED = "[...document.querySelectorAll('.picks tbody tr')].map(e => e.querySelector('td.n').innerText)"
MESSAGES = "[...document.querySelectorAll('#said .message')].filter(e => e.offsetHeight).map(e => e.innerText)"


@contextmanager
def at_work(
    hub: Hub, folder: Path, *, number: int | None = 1, language: str = "en", width: int = 1024
) -> Iterator[tuple[Browser, Way]]:
    """Ana's browser, in which nothing breaks the page's policy: at an order that she picks, or at the queue (None)."""
    a_day(hub)
    if number is not None:
        desk.start_picking(hub, number, Actor("Ana", "lyon"))
    height = {1024: 768, 390: 844}[width]
    with on_the_way(hub) as (url, way), browser(folder / "profile", width=width, height=height) as page:
        page.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        sign_in(page, url)
        where = "/desk" if number is None else f"/desk/orders/{number}"
        page.open(f"{url}{where}?lang={language}")
        page.run("window.mark = 'this one'")
        yield page, way
        assert page.run("window.violations") == []


def picked(hub: Hub, number: int = 1) -> dict[str, int]:
    """Units by sku that count as taken."""
    with looking(hub) as world:
        must_hold(world)
        found: Counter[str] = Counter()
        for one in PickingStore(world.connection, world.now).picks(number):
            found[one.sku] += one.picked
        return dict(+found)


def is_offline(page: Browser, *, offline: bool) -> None:
    """Takes the browser off the network, or brings it back."""
    page.call("Network.enable")
    page.call(
        "Network.emulateNetworkConditions", offline=offline, latency=0, downloadThroughput=-1, uploadThroughput=-1
    )


def many(hub: Hub) -> int:
    """The number of a fulfillment order of many bolts and nuts, which Ana picks."""
    home = Delivery(method=DeliveryMethod.SHIP, address=HOME)
    hear(hub, "shop", order_of(an_order("2001", {"BOLT": 6, "NUT": 6}, delivery=home)))
    with looking(hub) as world:
        number = world.connection.exec_driver_sql("SELECT max(id) FROM fulfillment_order").scalar_one()
    desk.start_picking(hub, number, Actor("Ana", "lyon"))
    return int(number)


def test_scans_typed_faster_than_the_desk_answers_count_once_each(hub: Hub, tmp_path: Path) -> None:
    with at_work(hub, tmp_path, number=None) as (page, way):
        number = many(hub)
        page.open(page.run("location.origin") + f"/desk/orders/{number}")
        page.run("window.mark = 'this one'")
        way.is_open.clear()
        page.keys("".join(f"{code}\r" for code in (BOLT, NUT, BOLT, BOLT, NUT, BOLT)) + "40063")
        assert page.run("document.querySelector('#scan').className") == "scan htmx-request"
        assert page.run("[...document.querySelectorAll('main button')].filter(e => !e.disabled).map(e => e.id)") == [
            "count"
        ], "while a scan is on its way nothing else is pressed"
        assert picked(hub, number) == {}
        way.is_open.set()
        page.until(NOTHING_ON_ITS_WAY)
        assert (page.run(SAME_PAGE), page.run(HAS_CURSOR)) == (True, True)
        assert page.run("document.querySelector('[name=scanned]').value") == "40063", "what was begun goes on"
        assert page.run(PICKED) == ["4 / 6", "2 / 6"]
        page.keys("81333931\r")
        page.until(NOTHING_ON_ITS_WAY)
        assert page.run(PICKED) == ["5 / 6", "2 / 6"]
        page.keys("\r \r")
        page.until(NOTHING_ON_ITS_WAY)
        assert way.passed == {"sign-in": 1, "scan": 7}, "an empty field is no scan"
        assert picked(hub, number) == {"BOLT": 5, "NUT": 2}
        assert page.run("[...document.querySelectorAll('main button')].filter(e => e.disabled).length") == 0


def test_a_scan_that_is_refused_among_many_is_still_there_to_be_read(hub: Hub, tmp_path: Path) -> None:
    with at_work(hub, tmp_path, language="fr") as (page, way):
        page.keys("".join(f"{code}\r" for code in (BOLT, "4711", "4712", NUT)))
        page.until(f"{NOTHING_ON_ITS_WAY} && {PICKED}.join() === '1 / 2,1 / 2'")
        assert page.run(MESSAGES) == [
            "Compté : NUT",
            "Pas dans cette commande, à remettre en rayon : 4712",
            "Pas dans cette commande, à remettre en rayon : 4711",
        ]
        assert (page.run(SAME_PAGE), page.run(HAS_CURSOR)) == (True, True)
        assert way.passed["scan"] == 4
        page.looks("script_refused_fr")
    assert picked(hub) == {"BOLT": 1, "NUT": 1}


def test_after_a_button_of_the_list_a_scanner_is_heard(hub: Hub, tmp_path: Path) -> None:
    with at_work(hub, tmp_path) as (page, way):
        page.run("document.querySelector('[name=scanned]').value = '40063'")
        page.run("document.querySelector('#progress button').focus()")
        page.click("Count one")
        page.until(f"{PICKED}.join() === '1 / 2,0 / 2'")
        assert page.run("document.querySelector('[name=scanned]').value") == "40063", "it is no scan"
        assert not page.run(HAS_CURSOR)
        page.keys("81333931\r")
        page.until(f"{PICKED}.join() === '2 / 2,0 / 2'")
        assert page.run(HAS_CURSOR)
        page.click("Take one off")
        page.until(f"{PICKED}.join() === '1 / 2,0 / 2'")
        page.run("document.activeElement.blur()")
        page.keys(f"{NUT}\r")
        page.until(f"{PICKED}.join() === '1 / 2,1 / 2'")
        assert page.run(SAME_PAGE)
        assert way.passed["scan"] == 4
    assert picked(hub) == {"BOLT": 1, "NUT": 1}


def test_codes_that_wait_are_not_left_behind(hub: Hub, tmp_path: Path) -> None:
    with at_work(hub, tmp_path) as (page, way):
        way.is_open.clear()
        page.keys(f"{BOLT}\r{NUT}\r{NUT}\r")
        page.run("void setTimeout(() => document.querySelector('.back a').click(), 100)")
        page.answer_dialog("beforeunload", accept=False)
        way.is_open.set()
        page.until(f"{NOTHING_ON_ITS_WAY} && {PICKED}.join() === '1 / 2,2 / 2'")
        assert page.run(SAME_PAGE)
        page.press("← All orders")
        assert way.passed["scan"] == 3


def test_a_step_that_is_pressed_twice_is_asked_once(hub: Hub, tmp_path: Path) -> None:
    with at_work(hub, tmp_path, number=None) as (page, way):
        page.press("#1001")
        page.run("window.mark = 'this one'")
        way.is_open.clear()
        page.click("Accept")
        assert page.run("[...document.querySelectorAll('main button')].every(e => e.disabled)")
        page.click("Accept")
        page.click("Start picking")
        way.is_open.set()
        page.until("document.querySelector('.course .here').innerText === 'Accepted'")
        assert page.run(MESSAGES) == ["Done."]
        assert page.run(SAME_PAGE)
        assert way.passed == {"sign-in": 1, "accept": 1}
        page.press("Start picking")
        assert page.run(HAS_CURSOR), "the field is new, and has the cursor"
        page.keys(f"{BOLT}\r")
        page.until(f"{PICKED}.join() === '1 / 2,0 / 2'")
        assert page.run(SAME_PAGE)


def test_what_was_typed_stays_where_it_was_refused(hub: Hub, tmp_path: Path) -> None:
    with at_work(hub, tmp_path, number=2, language="fr") as (page, _):
        desk.pack(hub, 2, Actor("Ana", "lyon"), unscanned=True)
        page.press("Emballée sans tout scanner")
        assert "C'était déjà fait." in page.text()
        page.press("Prête au retrait")
        page.run("window.scrollTo(0, 9999)")
        page.type("takes:BOLT", "1")
        page.type("code", "000000x")
        page.keys("\r")
        page.until("document.querySelector('form .said .message')")
        shown = page.run("document.querySelector('[name=code]').form.querySelector('.said').innerText")
        assert shown == "Ce n'est pas le code de cette commande."
        fields = "[...document.querySelectorAll('[name=code], [name=\"takes:BOLT\"]')].map(e => e.value)"
        assert page.run(fields) == ["000000x", "1"]
        assert page.run("document.activeElement.name") == "code"
        assert page.run(MESSAGES) == [], "what was said of another step is over"
        seen = "(({top, bottom}) => top > 0 && bottom < innerHeight)"
        assert page.run(f"{seen}(document.querySelector('form .said .message').getBoundingClientRect())")
        assert page.run(SAME_PAGE)
        assert "code erroné" in page.text(), "what happened is told, too"
        page.looks("script_wrong_code_fr")
        page.keys("1")
        assert page.run(fields) == ["1", "1"], "it is typed over"


def test_an_order_that_is_not_what_the_page_shows_is_shown_as_it_is(hub: Hub, tmp_path: Path) -> None:
    with at_work(hub, tmp_path, language="fr") as (page, _):
        desk.pack(hub, 1, Actor("Bo", "lyon"), unscanned=True)
        page.keys(f"{BOLT}\r")
        page.until("document.querySelector('.course .here').innerText === 'Emballée'")
        assert page.run(MESSAGES) == ["Ce n'est pas possible dans l'état actuel."]
        assert page.run("document.querySelector('#scan')") is None
        assert page.run(SAME_PAGE)
    assert picked(hub) == {}


def test_where_no_answer_comes_nothing_pretends_to_have_happened(hub: Hub, tmp_path: Path) -> None:
    with at_work(hub, tmp_path, language="fr") as (page, way):
        way.is_broken = True
        page.keys(f"{BOLT}\r{NUT}\r")
        page.until(f"{MESSAGES}.length === 2 && {NOTHING_ON_ITS_WAY}")
        lost = "Pas de réponse : on ne sait pas si c'est compté. Rechargez la page et comparez la liste :"
        assert page.run(MESSAGES) == [f"{lost} {NUT}", f"{lost} {BOLT}"]
        assert "Bad Gateway" not in page.text()
        assert page.run(PICKED) == ["0 / 2", "0 / 2"]
        page.looks("script_no_answer_fr")
        page.call("Network.enable")
        page.call(
            "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )
        page.press("Emballée sans tout scanner")
        assert page.run("document.querySelector('#progress .said').innerText") == (
            "Pas de réponse : on ne sait pas si c'est fait. Rechargez la page avant de recommencer."
        )
        assert page.run("document.querySelector('.course .here').innerText") == "Préparation"
        assert page.run("[...document.querySelectorAll('main button')].filter(e => e.disabled).length") == 0
        assert picked(hub) == {}
        is_offline(page, offline=False)
        way.is_broken = False
        page.keys(f"{NUT}\r")
        page.until(f"{PICKED}.join() === '0 / 2,1 / 2'")
        assert page.run(MESSAGES) == ["Compté : NUT", f"{lost} {NUT}", f"{lost} {BOLT}"]
        assert page.run(SAME_PAGE)


def test_the_queue_renews_its_list_alone(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_pages, "QUEUE_SECONDS", 1)
    with at_work(hub, tmp_path, number=None) as (page, _):
        page.run(
            "window.renewed = 0;"
            "document.addEventListener('htmx:afterRequest', () => { renewed++ });"
            "document.querySelector('.bar').insertAdjacentHTML('beforeend', '<input name=note>');"
            "document.querySelector('.job').kept = true"
        )
        page.type("note", "call Jane at 5")
        page.run("document.body.style.paddingBottom = '900px'; window.scrollTo(0, 120)")
        page.until("renewed >= 2")
        assert page.run("document.querySelector('.job').kept"), "what is as it was is not even drawn anew"
        assert page.run("document.querySelector('#news').innerText") == ""
        home = Delivery(method=DeliveryMethod.SHIP, address=HOME)
        hear(hub, "shop", order_of(an_order("1005", {"NUT": 1}, delivery=home)))
        giving_up.keep_times(hub)
        page.until("document.querySelector('#news').innerText !== ''")
        assert page.run("document.querySelector('#news').innerText.split(' · ')[1]") == "#1005"
        assert page.run("document.querySelector('#news').getAttribute('role')") == "status"
        assert "#1005" in page.run("document.querySelector('#queue').innerText")
        assert page.run("document.querySelector('[name=note]').value") == "call Jane at 5"
        assert page.run("[document.activeElement.name, window.scrollY]") == ["note", 120]
        assert page.run(SAME_PAGE)
        page.looks("script_queue")
        page.run("document.querySelector('#order-1').focus(); window.scrollTo(0, 120)")
        offers.accept(hub, 3, Actor("Bo", "lyon"))
        page.until("!document.querySelector('.allocated').innerText.includes('3')")
        assert page.run("[document.activeElement.id, window.scrollY]") == ["order-1", 120]
        page.call("Network.enable")
        page.call(
            "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )
        page.until("document.querySelector('#queue .said').innerText.startsWith('No answer: this list may be out of')")
        is_offline(page, offline=False)
        page.until("document.querySelector('#queue .said').innerText === ''")


def test_a_page_of_a_session_that_ended_goes_to_the_sign_in(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_pages, "QUEUE_SECONDS", 1)
    with at_work(hub, tmp_path) as (page, way):
        assert "Jane Doe" in page.text()
        add_user(hub, "lyon", "Ana", "another horse")
        page.keys(f"{BOLT}\r{BOLT}\r")
        page.until("location.pathname === '/desk/sign-in' && document.readyState === 'complete'")
        assert "Jane Doe" not in page.text()
        assert page.run("window.mark") is None, "it is another page as a whole"
        assert picked(hub) == {}
        for name, text in (("place", "lyon"), ("name", "Ana"), ("password", "another horse")):
            page.type(name, text)
        page.press("Sign in")
        assert "#1001" in page.text()
        add_user(hub, "lyon", "Ana", "third horse")
        page.until("location.pathname === '/desk/sign-in' && document.readyState === 'complete'")
        assert "#1001" not in page.text()
        assert way.passed["scan"] == 1, "what waited behind it is not sent"


def test_the_browser_keeps_nothing_of_a_page(hub: Hub, tmp_path: Path) -> None:
    with at_work(hub, tmp_path) as (page, _):
        page.scan(BOLT)
        page.press("Packed, not all scanned")
        page.press("← All orders")
        page.press("#1002")
        page.press("Start picking")
        assert page.run("localStorage.length") == 0
        assert page.run("({...sessionStorage})") == {"htmx-current-path-for-history": "/desk/orders/2"}
        names = page.run("performance.getEntriesByType('resource').map(e => new URL(e.name).pathname)")
        assert sorted(set(names)) == [
            "/desk/desk.css",
            "/desk/desk.js",
            "/desk/htmx-2.0.11.min.js",
            "/desk/orders/2/picking",
        ]


def test_everything_works_without_a_script(hub: Hub, tmp_path: Path) -> None:
    a_day(hub)
    with on_the_way(hub) as (url, way), browser(tmp_path / "profile") as page:
        page.call("Emulation.setScriptExecutionDisabled", value=True)
        sign_in(page, url)
        assert page.run("document.querySelector('head meta[http-equiv=refresh]').content") == "30;url=/desk"
        page.press("#1001")
        page.press("Accept")
        assert "Done." in page.text()
        page.press("Start picking")
        page.scan("4711")
        assert "Not in this order, put it back: 4711" in page.text()
        page.scan(BOLT)
        assert page.run("location.search") == "?note=picked&about=BOLT"
        page.press("Count one")
        assert page.run(PICKED) == ["2 / 2", "0 / 2"]
        page.press("Take one off")
        assert page.run(PICKED) == ["1 / 2", "0 / 2"]
        for code in (BOLT, NUT, NUT):
            page.scan(code)
        page.press("Packed")
        page.type("tracking", "6A1")
        page.press("Shipped")
        assert "shipped" in page.text()
        assert way.passed == {"sign-in": 1, "accept": 1, "picking": 1, "scan": 7, "pack": 1, "ship": 1}
        page.press("← All orders")
        page.press("#1003")
        page.run("document.querySelector('details').open = true")
        page.run("document.querySelector('[name=reason]').value = 'no_time'")
        page.press("Give up the rest")
        assert "It is not yours any more" in page.text()
        page.press("Sign out")
        assert "Password" in page.text()
    with looking(hub) as world:
        assert world.served("1001") == {("1001-1", "lyon", "shipped"): 1, ("1001-2", "lyon", "shipped"): 1}
        must_hold(world)


@pytest.mark.parametrize("width", [1024, 390])
def test_how_it_looks(hub: Hub, tmp_path: Path, width: int) -> None:
    with at_work(hub, tmp_path, language="fr", width=width) as (page, _):
        page.scan(BOLT)
        page.looks(f"script_scan_{width}")
        page.scan("4711")
        page.looks(f"script_error_{width}")
        assert page.run("document.documentElement.scrollWidth") == width
        page.press("← Toutes les commandes")
        page.looks(f"script_queue_{width}")
        assert page.run("document.documentElement.scrollWidth") == width
