"""Pieces of the store desk's pages, as a script asks for them: what is in them, where they belong, what never is."""

import hashlib
import json
import re
from pathlib import Path

import httpx
import pytest

from nervure import service
from nervure.operations import giving_up
from nervure.operations.desk_users import add_user
from nervure.operations.hub import Hub
from nervure.service.desk_pages import HTMX
from nervure.store.picking import PickingStore
from schemas.orders import Delivery, DeliveryMethod
from tests.nervure.operations.scripted import hear, looking, order_of
from tests.nervure.service.test_app import Client, hub
from tests.nervure.service.test_desk_pages import EVIL, HOME, Tablet, bought, client, events, offered_to_two
from tests.nervure.world import an_order

__all__ = ["client", "hub"]

STATIC = Path(service.__file__).parent / "static"
TEMPLATES = Path(service.__file__).parent / "templates"


class Script(Tablet):
    """A tablet whose page has a script, once it is signed in."""

    asks = False

    def _ask(self, method: str, path: str, **said: object) -> httpx.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if not self.asks:
            return super()._ask(method, path, **said)
        headers = {"cookie": cookie, "accept-language": self.language, "hx-request": "true"}
        return self._client.request(method, path, headers=headers, **said)


def script(client: Client, place: str = "paris", *, language: str = "en") -> Script:
    found = Script(client, language)
    found.sign_in(place)
    found.asks = True
    return found


def place(answer: httpx.Response) -> tuple[str | None, str | None]:
    return answer.headers.get("hx-retarget"), answer.headers.get("hx-reswap")


def picked(hub: Hub) -> list[int]:
    with looking(hub) as world:
        return [one.picked for one in PickingStore(world.connection, world.now).picks(1)]


def test_a_step_is_answered_by_the_middle_of_its_page(hub: Hub, client: Client) -> None:
    bought(hub)
    page = script(client)
    answer = page.post("/desk/orders/1/accept")
    assert (answer.status_code, place(answer)) == (200, ("main", "innerHTML show:window:top"))
    assert answer.headers["vary"] == "HX-Request"
    assert "set-cookie" not in answer.headers, "a late answer brings nobody back who has signed out"
    for outside in ("<html", "<main", "<script", "Sign out"):
        assert outside not in answer.text
    assert '<p class="message good" role="status">Done.</p>' in answer.text
    page.asks = False
    whole = page.get("/desk/orders/1?note=done")
    assert whole.headers["vary"] == "HX-Request"
    middle = re.search(r"<main[^>]*>\n(.*?)\n*</main>", whole.text, re.DOTALL)
    assert middle is not None
    assert middle[1].strip() == answer.text.strip(), "it is written once"
    page.asks = True
    assert "That had been done." in page.post("/desk/orders/1/accept").text
    assert events(hub) == 1


def test_a_scan_is_answered_by_what_it_changes(hub: Hub, client: Client) -> None:
    bought(hub)
    page = script(client)
    page.post("/desk/orders/1/picking")
    answer = page.post("/desk/orders/1/scan", scanned="BOLT")
    assert (answer.status_code, place(answer)) == (200, ("#said", "afterbegin"))
    assert answer.text.startswith('<p class="message good" role="status">Counted: BOLT</p>')
    assert re.findall(r'hx-swap-oob="([^"]*)"', answer.text) == ["innerHTML:#progress", "innerHTML:#history"]
    assert "<b>1</b> / 2" in answer.text
    for outside in ('id="scan"', "autofocus", "Jane Doe"):
        assert outside not in answer.text
    assert set(re.findall(r'name="form_code" value="([^"]*)"', answer.text)) == {page.form_code}
    wrong = page.post("/desk/orders/1/scan", scanned=EVIL)
    assert (wrong.status_code, place(wrong)) == (409, ("#said", "afterbegin"))
    assert 'role="alert">Not in this order, put it back: &lt;script&gt;' in wrong.text
    assert EVIL not in wrong.text
    assert "Done." in page.post("/desk/orders/1/scan", scanned="", take_out="BOLT").text
    none = page.post("/desk/orders/1/scan", scanned="BOLT", take_out="BOLT")
    assert (none.status_code, "None is picked: BOLT" in none.text) == (409, True)
    assert picked(hub) == [0]


def test_a_scan_of_what_is_not_picked_any_more_shows_the_order(hub: Hub, client: Client) -> None:
    bought(hub)
    answer = script(client, language="fr").post("/desk/orders/1/scan", scanned="BOLT")
    assert (answer.status_code, place(answer)) == (409, ("main", "innerHTML show:window:top"))
    assert "Ce n&#39;est pas possible dans l&#39;état actuel." in answer.text
    assert "<h1>#1</h1>" in answer.text


def test_whose_session_has_ended_gets_no_piece_and_a_whole_page(hub: Hub, client: Client) -> None:
    bought(hub)
    page = script(client)
    page.post("/desk/orders/1/picking")
    done = events(hub)
    add_user(hub, "paris", "Bo", "another horse")
    said = [page.get("/desk"), page.get("/desk/orders/1"), page.get("/desk/orders/1/slip")]
    said += [page.post("/desk/orders/1/scan", scanned="BOLT"), page.post("/desk/orders/1/pack", unscanned="1")]
    for answer in said:
        assert (answer.status_code, answer.headers["hx-redirect"], answer.text) == (401, "/desk/sign-in", "")
        assert "location" not in answer.headers, "a browser would follow it, and show its page as a piece"
    assert (events(hub), picked(hub)) == (done, [0])


def test_after_signing_out_no_piece_is_given(hub: Hub, client: Client) -> None:
    bought(hub)
    page = script(client)
    page.asks = False
    assert page.post("/desk/sign-out").headers["location"] == "/desk/sign-in"
    page.asks = True
    answer = page.get("/desk/orders/1")
    assert (answer.status_code, answer.headers["hx-redirect"], answer.text) == (401, "/desk/sign-in", "")


def test_the_sign_in_is_never_a_piece(client: Client) -> None:
    stranger = Script(client)
    stranger.asks = True
    answer = stranger.get("/desk/sign-in")
    assert (answer.status_code, answer.headers["hx-redirect"], answer.text) == (200, "/desk/sign-in", "")
    stranger.asks = False
    stranger.get("/desk/sign-in")
    stranger.asks = True
    wrong = stranger.post("/desk/sign-in", place="paris", name="Bo", password="correct horsf")
    assert (wrong.status_code, "correct horsf" in wrong.text) == (403, False)
    right = stranger.post("/desk/sign-in", place="paris", name="Bo", password="correct horse")
    assert (right.headers["hx-redirect"], "nervure_desk" in right.cookies) == ("/desk", True)


def test_what_a_page_cannot_send_is_refused_in_its_language(hub: Hub, client: Client) -> None:
    bought(hub)
    page = script(client, language="fr")
    long = page.post("/desk/orders/1/scan", scanned="9" * 70_000)
    assert (long.status_code, "C&#39;est trop long." in long.text) == (413, True)
    for path in ("/desk/orders/x", f"/desk/orders/{2**63}", "/desk?seen=%00"):
        answer = page.get(path)
        assert (answer.status_code, place(answer)[0]) == (422, "main")
        assert '<p class="message bad">Demande non comprise : rien n&#39;a été fait.</p>' in answer.text
    assert page.get("/desk/orders/77").status_code == 404
    page.form_code = "0" * 64
    stale = page.post("/desk/orders/1/accept")
    assert (stale.status_code, place(stale)[0]) == (403, "main")
    assert "Cette page était ouverte depuis trop longtemps." in stale.text
    page.asks = False
    whole = page.get("/desk/orders/x")
    assert (whole.status_code, "</html>" in whole.text, "non comprise" in whole.text) == (422, True, True)
    assert events(hub) == 0


def test_who_is_asked_learns_nothing_of_the_other_store_by_a_refusal(hub: Hub, client: Client) -> None:
    offered_to_two(hub)
    lyon = script(client, "lyon")
    refused = lyon.post("/desk/orders/1/reject", reason="")
    assert (refused.status_code, place(refused)) == (409, ("find .said", "innerHTML"))
    assert refused.text.strip() == (
        '<p class="message bad" role="alert">That cannot be done as things stand now.</p>'
    ), "its shelves and steps are not ours"


def test_who_declines_all_but_some_units_reads_that_it_is_not_theirs(hub: Hub, client: Client) -> None:
    offered_to_two(hub)
    lyon = script(client, "lyon")
    declined = lyon.post("/desk/orders/1/reject", reason="no_time", **{"keeps:BOLT": "1"})
    assert (declined.status_code, place(declined)[0]) == (200, "main")
    assert "It is not yours any more: it is served from elsewhere." in declined.text
    assert "#1" not in lyon.get("/desk?seen=").text


def test_an_order_that_gets_another_number_is_another_page(hub: Hub, client: Client) -> None:
    offered_to_two(hub)
    lyon = script(client, "lyon")
    answer = lyon.post("/desk/orders/1/accept")
    assert (answer.status_code, answer.headers["hx-redirect"]) == (200, "/desk/orders/2?note=done")
    assert answer.text == ""
    paris = script(client, "paris", language="fr")
    late = paris.post("/desk/orders/1/accept")
    assert (late.status_code, place(late)[0]) == (409, "main")
    assert "Un autre magasin l&#39;a acceptée avant vous." in late.text


def marks(text: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(seen|urgent)" value="([^"]*)">', text))


def test_the_queue_is_sent_again_where_it_has_changed(hub: Hub, client: Client) -> None:
    bought(hub)
    page = script(client, language="fr")
    page.asks = False
    whole = page.get("/desk").text
    assert 'hx-trigger="every 10s"' in whole
    assert '<noscript><meta http-equiv="refresh" content="30;url=/desk"></noscript>' in whole
    page.asks = True
    shown = marks(whole)
    assert shown["urgent"] == ""
    same = page.get(f"/desk?seen={shown['seen']}&urgent=")
    assert (same.status_code, place(same), same.text) == (200, ("find .said", "innerHTML"), "")
    page.post("/desk/orders/1/picking")
    other = page.get(f"/desk?seen={shown['seen']}&urgent=")
    assert (other.status_code, place(other)) == (200, ("#queue", "innerHTML"))
    assert "En préparation" in other.text
    assert marks(other.text)["seen"] != shown["seen"]
    assert "#news" not in other.text, "nothing of it is urgent"
    assert page.get(f"/desk?seen={marks(other.text)['seen']}&lang=en").text != "", "another language is another list"


def test_what_is_newly_urgent_is_told_once(hub: Hub, client: Client) -> None:
    offered_to_two(hub)
    page = script(client)
    first = page.get("/desk?seen=&urgent=").text
    assert re.findall(
        r'<div hx-swap-oob="innerHTML:#news">Urgent since [^<]*<a href="/desk/orders/1">#1</a></div>', first
    )
    shown = marks(first)
    assert shown["urgent"] == "1"
    assert page.get(f"/desk?seen={shown['seen']}&urgent=1").text == ""
    home = Delivery(method=DeliveryMethod.SHIP, address=HOME)
    hear(hub, "shop", order_of(an_order("2", {"BOLT": 1}, delivery=home)))
    giving_up.keep_times(hub)
    second = page.get(f"/desk?seen={shown['seen']}&urgent=1").text
    assert re.findall('#news">[^<]*(<a.*</a>)</div>', second) == ['<a href="/desk/orders/2">#2</a>']
    assert "#news" not in page.get("/desk?seen=&urgent=2,1").text


def test_the_script_is_the_released_one_and_is_kept(client: Client) -> None:
    answer = Tablet(client).get(f"/desk/{HTMX}")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert hashlib.sha256(answer.content).hexdigest() == (
        "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
    ), "not the file of the release that its name says"
    assert "Zero-Clause BSD" in (STATIC / HTMX.replace(".min.js", ".LICENSE.txt")).read_text("utf-8")
    ours = Tablet(client).get("/desk/desk.js")
    assert ours.headers["content-type"].startswith("text/javascript")
    assert re.findall('^import "(.*)";$', ours.text, re.MULTILINE) == [f"/desk/{HTMX}"]


def test_a_page_allows_the_script_what_it_needs_and_no_more(hub: Hub, client: Client) -> None:
    page = script(client)
    page.asks = False
    answer = page.get("/desk")
    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    found = re.search(r"<meta name=\"htmx-config\" content='([^']*)'>", answer.text)
    assert found is not None
    told = json.loads(found[1])
    asked = {
        "allowEval": False,
        "allowScriptTags": False,
        "includeIndicatorStyles": False,
        "selfRequestsOnly": True,
        "historyEnabled": False,
        "historyCacheSize": 0,
        "defaultSwapStyle": "none",
        "defaultSettleDelay": 0,
    }
    assert told | asked == told
    assert "<script" not in Tablet(client).get("/desk/sign-in").text, "it needs none"


@pytest.mark.parametrize("pattern", ["hx-on", r"\bjs:", r"\bstyle=", "<style", "<script>", r'hx-trigger="[^"]*\['])
def test_no_template_asks_for_what_the_policy_forbids(pattern: str) -> None:
    assert [one.name for one in TEMPLATES.glob("desk_*.html") if re.search(pattern, one.read_text("utf-8"))] == []
