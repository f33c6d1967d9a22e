"""Webhooks are verified, stored, and nothing else."""

import pytest

from nervure.operations.hub import Hub
from nervure.operations.webhooks import WebhookRefusedError, callback_url, take_webhook
from nervure.store.database import Database
from nervure.store.inbox import BODY, InboxStore
from schemas.documents import Heard
from tests.nervure.operations.scripted import ScriptedShop, looking, order_of, scripted_hub
from tests.nervure.world import an_order

BODY_BYTES = order_of(an_order("1", {"BOLT": 1})).body


def signed(event: str = "e1") -> dict[str, str]:
    return {"x-signature": "right", "x-event": event}


def waiting(hub: Hub) -> int:
    with looking(hub) as world:
        return InboxStore(world.connection, world.now).open_count()


@pytest.mark.requirement("R22")
def test_a_webhook_is_stored_once_as_it_came(both: Database) -> None:
    hub = scripted_hub(both, {"shop": ScriptedShop()})
    assert [take_webhook(hub, "shop", signed(), BODY_BYTES) for _ in range(3)] == [1, 0, 0]
    assert take_webhook(hub, "shop", signed("e2"), BODY_BYTES) == 1
    assert waiting(hub) == 2
    with looking(hub) as world:
        assert {row.body for row in world.connection.execute(BODY.select())} == {BODY_BYTES}
        assert world.rows(BODY) == 2
    with both.write() as connection:
        leased = InboxStore(connection, hub.clock.now()).lease(1)
        assert leased[0].document.heard is Heard.WEBHOOK


def test_a_wrong_signature_is_refused_and_nothing_is_stored(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    for headers in ({}, {"x-signature": "wrong", "x-event": "e1"}):
        with pytest.raises(WebhookRefusedError, match="the signature is wrong") as refused:
            take_webhook(hub, "shop", headers, BODY_BYTES)
        assert refused.value.status == 401
    assert waiting(hub) == 0


def test_an_unknown_channel_is_refused(filled: Database) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    with pytest.raises(WebhookRefusedError, match=r"^no channel 'shoq' takes webhooks$") as refused:
        take_webhook(hub, "shoq", signed(), BODY_BYTES)
    assert refused.value.status == 404


@pytest.mark.parametrize("address", ["https://hub.example", "https://hub.example/"])
def test_the_address_of_a_channel_has_its_name(filled: Database, address: str) -> None:
    hub = scripted_hub(filled, {"shop": ScriptedShop()})
    hub.callback_url = address
    assert callback_url(hub, "shop") == "https://hub.example/webhooks/shop"
