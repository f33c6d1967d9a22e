"""The pages for the office in a real browser, as wide as a phone and as wide as a desk."""

from pathlib import Path

import pytest

from nervure.operations.hub import Hub
from schemas.documents import Heard, RawDocument
from schemas.orders import Delivery, DeliveryMethod
from tests.nervure.operations.scripted import hear, looking, order_of
from tests.nervure.service import test_app
from tests.nervure.service.browser import CHROMIUM, browser
from tests.nervure.service.desk_days import served
from tests.nervure.service.test_app import HOME
from tests.nervure.world import an_order

hub = test_app.hub

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")

LONG = "gid://shopify/Order/" + "7" * 120
"""Nothing in it tells a browser where it may go on in the next line."""

OUTSIDE = """[...document.querySelectorAll('body *')]
    .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1
                 || e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'visible')
    .map(e => e.tagName + ': ' + e.textContent.slice(0, 60))"""
"""What of a page lies beyond its right edge, or must be scrolled to."""


def busy(hub: Hub) -> None:
    """An order that lacks units, a dead letter and a task, each with a text that is long."""
    home = Delivery(method=DeliveryMethod.SHIP, address=HOME)
    hear(hub, "shop", order_of(an_order("1001", {"PAIR": 1, "BOLT": 400}, delivery=home)))
    hear(hub, "shop", RawDocument("facts", LONG, "broken", b"no order", Heard.POLL))
    with looking(hub) as world:
        world.tasks.open("stuck_import", f"import:{LONG}", f"shop has not finished import {LONG}: ask the operator")
        world.connection.exec_driver_sql("UPDATE channel SET problem = 'sign-in refused' WHERE name = 'shop'")


@pytest.mark.parametrize("width", [390, 1280])
def test_everything_is_within_the_screen(hub: Hub, tmp_path: Path, width: int) -> None:
    busy(hub)
    with served(hub, is_open=True) as url, browser(tmp_path / "profile", width=width, height=844) as page:
        for path, words in (("/", ("sign-in refused", LONG, "#1001")), ("/order?name=1001", ("BOLT", "Why"))):
            page.open(url + path)
            page.looks(f"console{path.partition('?')[0].replace('/', '_')}{width}")
            assert [word for word in words if word not in page.text()] == []
            assert page.run(OUTSIDE) == []
        assert page.run("document.documentElement.scrollWidth") <= width
