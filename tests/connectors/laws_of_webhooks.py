"""What the platform sends by itself: believed only when signed, and the same as what polling tells."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from connectors.errors import RefusedError
from connectors.records import IncomingWebhook
from schemas.documents import Heard, RawDocument
from schemas.orders import Order
from schemas.stock import StockObservation
from tests.connectors.bench import CALLBACK, A, B, Bench, Laws, basket, newest


class WebhookLaws(Laws):
    @pytest.mark.requirement("R24")
    def test_missing_subscriptions_are_made_once(self) -> None:
        bench = self.bench()
        made = bench.hub.ensure_webhooks(CALLBACK)
        assert bool(made) is bench.capabilities.has_webhooks
        assert len(set(made)) == len(made)
        assert bench.rig.connect().ensure_webhooks(CALLBACK) == []
        if not bench.capabilities.has_webhooks:
            assert bench.rig.record.receive is None
            return
        bench.stock((A, 5))
        bench.buy((A, 1))
        events = [one.event_id for hook in bench.deliveries() for one in bench.receive(hook)]
        assert len(set(events)) == len(events) > 0  # each is told once: there is no second subscription
        assert bench.rig.connect().ensure_webhooks(f"{CALLBACK}/other") == made

    def test_webhooks_alone_tell_every_order_as_polling_does(self) -> None:
        """An order comes whole, or as a document about it without facts, after which it is fetched."""
        bench, heard, bought = self._heard()
        if not bench.capabilities.has_webhooks:
            return
        about: dict[str, list[RawDocument]] = {order: [] for order in bought}
        for document in heard:
            assert document.heard is Heard.WEBHOOK
            if document.document_id in about:
                about[document.document_id].append(document)
        assert all(about.values())
        polled = newest(bench.facts(bench.pull(), Order))
        told = newest(bench.facts([one for found in about.values() for one in found], Order))
        assert set(told) in (set(bought), set())
        assert {order: polled[order] for order in told} == told

    def test_webhooks_alone_tell_the_numbers(self) -> None:
        bench, heard, _ = self._heard()
        shown = {(one.listing_external_id, one.stock_point): one.units for one in bench.facts(heard, StockObservation)}
        for sku in (A, B):
            listing = bench.listings()[sku]
            told = [units for (name, _), units in shown.items() if name in (listing.external_id, listing.stock_id)]
            assert told == ([bench.units(sku)] if bench.capabilities.has_webhooks else [])

    def test_a_delivery_is_believed_only_as_it_was_signed(self) -> None:
        bench, hooks = self._hooks()
        for hook in hooks:
            assert bench.receive(hook)
            for body in _other_bodies(hook.body):
                _refused(bench, replace(hook, body=body))
            signatures = [name for name in hook.headers if "hmac" in name or "signature" in name]
            assert len(signatures) == 1
            unsigned = {name: value for name, value in hook.headers.items() if name not in signatures}
            _refused(bench, replace(hook, headers=unsigned))
            for wrong in ("", "x", "é", hook.headers[signatures[0]][::-1], hook.headers[signatures[0]].lower()):
                _refused(bench, replace(hook, headers={**unsigned, signatures[0]: wrong}))

    def test_one_of_two_secrets_is_enough_and_another_is_not(self) -> None:
        bench, hooks = self._hooks()
        for hook in hooks[:1]:
            right = self._right_secret(bench, hook)
            expected = bench.receive(hook)
            assert bench.receive(hook, right) == expected
            assert bench.receive(hook, "another", right) == expected
            assert bench.receive(hook, right, "another") == expected
            _refused(bench, hook, "another")
            _refused(bench, hook, "another", "and another")
            _refused(bench, hook, "")
            none = bench.rig.settings.model_copy(update={"webhook_secrets": ()})
            assert bench.rig.record.receive is not None
            with pytest.raises(RefusedError):
                bench.rig.record.receive(none, hook)

    def _right_secret(self, bench: Bench, hook: IncomingWebhook) -> str:
        found = []
        for secret in bench.secrets:
            try:
                bench.receive(hook, secret)
            except RefusedError:
                continue
            found.append(secret)
        [right] = found
        return right

    def test_what_is_signed_but_no_document_is_refused(self) -> None:
        bench, hooks = self._hooks()
        for hook in hooks[:1]:
            empty = dict.fromkeys(hook.headers, "")
            _refused(bench, IncomingWebhook(CALLBACK, {}, b""))
            _refused(bench, IncomingWebhook(CALLBACK, empty, b""))
            _refused(bench, IncomingWebhook(CALLBACK, empty, b"\xff\xfe"))

    @pytest.mark.requirement("R22")
    def test_the_same_delivery_twice_is_the_same_event(self) -> None:
        bench = self.bench()
        if not bench.capabilities.has_webhooks:
            return
        bench.hub.ensure_webhooks(CALLBACK)
        bench.stock((A, 5))
        bench.buy((A, 1))
        first = _events(bench, _offered(bench))
        bench.clock.advance(600)  # nobody took them: they come again
        again = _events(bench, _offered(bench))
        assert first
        assert again == first

    def test_two_events_of_one_thing_are_two(self) -> None:
        bench = self.bench()
        if not bench.capabilities.has_webhooks:
            return
        bench.hub.ensure_webhooks(CALLBACK)
        bench.stock((A, 5))
        first = _events(bench, bench.deliveries())
        bench.stock((A, 6))
        second = _events(bench, bench.deliveries())
        assert first
        assert second
        assert not set(first) & set(second)

    def _hooks(self) -> tuple[Bench, list[IncomingWebhook]]:
        """Deliveries of a sale; none where the platform has no webhooks."""
        bench = self.bench()
        if not bench.capabilities.has_webhooks:
            return bench, []
        bench.hub.ensure_webhooks(CALLBACK)
        bench.stock((A, 5))
        bench.buy((A, 1))
        hooks = bench.deliveries()
        assert hooks
        return bench, hooks

    def _heard(self) -> tuple[Bench, list[RawDocument], list[str]]:
        """Everything that webhooks tell of some orders, one of them canceled in part, one whole."""
        bench = self.bench()
        if not bench.capabilities.has_webhooks:
            return bench, [], []
        bench.hub.ensure_webhooks(CALLBACK)
        bench.stock((A, 50), (B, 50))
        bought = [bench.buy((A, 2), (B, 1)), self.paid_order(bench, (A, 4))]
        for units in (((A, 1),), ()):
            bench.clock.advance(5)
            order_id = bench.buy((A, 3))
            bench.clock.advance(5)
            if bench.emulator.cancel(order_id, basket(*units), bench.clock.now()):
                bought.append(order_id)
        bench.clock.advance(5)
        return bench, [document for hook in bench.deliveries() for document in bench.receive(hook)], bought


def _offered(bench: Bench) -> list[IncomingWebhook]:
    """Deliveries that nobody takes."""
    found = bench.emulator.due_webhooks(bench.clock.now())
    return [IncomingWebhook(CALLBACK, dict(one.request.headers), one.request.body) for one in found]


def _events(bench: Bench, hooks: Sequence[IncomingWebhook]) -> list[str]:
    return [one.event_id for hook in hooks for one in bench.receive(hook)]


def _other_bodies(body: bytes) -> list[bytes]:
    """Bodies that differ in a byte, and one that says the same in other bytes."""
    changed = [body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :] for at in range(0, len(body), 97)]
    parsed = json.loads(body)
    same = [json.dumps(parsed, indent=1).encode(), json.dumps(parsed, separators=(", ", " : ")).encode(), body + b" "]
    return [*changed, *same, body[:-1], b""]


def _refused(bench: Bench, hook: IncomingWebhook, *secrets: str) -> None:
    with pytest.raises(RefusedError):
        bench.receive(hook, *secrets)
