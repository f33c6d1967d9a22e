"""When the platform fails, the caller learns what to do next, nothing was done by halves, and nobody's data is told."""

import logging
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime

import pytest
from pydantic import SecretStr

from connectors.errors import (
    ConnectorError,
    ContractError,
    CredentialsError,
    NoAnswerError,
    RefusedError,
    RetriableError,
    ThrottledError,
    UnavailableError,
)
from connectors.records import ChannelConnection
from connectors.transport import HttpRequest, HttpResponse, Send
from schemas.levels import LevelAnswer, LevelWrite, WriteOutcome
from schemas.orders import Order
from tests.connectors.bench import CALLBACK, LONG_AGO, PERSONAL, A, B, Bench, Disturbed, Laws, Shelf, is_import, newest

Call = Callable[[ChannelConnection], object]
Fault = Callable[[HttpRequest, Send], HttpResponse]

WRITES = ("write_levels", "accept_order", "push_shipment", "push_cancellation", "ensure_webhooks")
HTML = b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Back soon</body></html>"


@dataclass
class Scene:
    """An account with an order on its way, and every call that it can be sent."""

    bench: Bench
    calls: Mapping[str, Call]
    shelf: Shelf
    shipped: Mapping[str, int]

    def is_untouched(self) -> bool:
        return (self.bench.shelf(), dict(self.bench.emulator.shipped())) == (self.shelf, self.shipped)


def answering(status: int, body: bytes = b"", **headers: str) -> Fault:
    """The platform says this, and does nothing."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request, wire: HttpResponse(status, named, body)


def unreachable(request: HttpRequest, wire: Send) -> HttpResponse:
    raise UnavailableError("connection refused")


def silent(request: HttpRequest, wire: Send) -> HttpResponse:
    raise NoAnswerError("no answer")


def cut_off(request: HttpRequest, wire: Send) -> HttpResponse:
    """The platform does what it was asked, and half of its answer arrives."""
    answer = wire(request)
    return HttpResponse(answer.status, answer.headers, answer.body[: len(answer.body) // 2])


def debug_page(request: HttpRequest, wire: Send) -> HttpResponse:
    """A broken platform shows the whole request, and whom it was about."""
    told = f"{dict(request.headers)} {request.path} {' '.join(PERSONAL)}".encode() + request.body
    return HttpResponse(500, {"content-type": "text/html"}, b"<html><pre>" + told + b"</pre></html>")


class FailureLaws(Laws):
    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            pytest.param(unreachable, UnavailableError, id="refused connection"),
            pytest.param(answering(503), UnavailableError, id="503"),
            pytest.param(answering(500), NoAnswerError, id="500"),
            pytest.param(answering(502, HTML), NoAnswerError, id="502"),
            pytest.param(answering(504), NoAnswerError, id="504"),
            pytest.param(silent, NoAnswerError, id="silence"),
            pytest.param(answering(401), CredentialsError, id="401"),
            pytest.param(answering(200, HTML, content_type="text/html"), ContractError, id="html"),
            pytest.param(answering(200, b'{"data": {"orders": [{"id'), ContractError, id="truncated"),
            pytest.param(answering(200, b'{"orders": [{"order_id": "1"'), ContractError, id="truncated list"),
            pytest.param(answering(200, b"\xff\xfe\x00"), ContractError, id="no text"),
            pytest.param(answering(200, b"[" * 100_000), ContractError, id="nested without end"),
            pytest.param(answering(200, b'"text"'), ContractError, id="a text"),
            pytest.param(answering(200, b"null"), ContractError, id="null"),
            pytest.param(answering(200, b"7"), ContractError, id="a number"),
        ],
    )
    def test_a_failure_is_the_right_error_and_nothing_was_done(self, fault: Fault, error: type[ConnectorError]) -> None:
        scene = self._scene()
        for name, call in scene.calls.items():
            try:
                found = call(Disturbed(scene.bench, fault).connect())
            except error:
                pass
            else:
                # What may have been written is not known: that is an answer, not an error.
                assert (name, error in (NoAnswerError, ContractError)) == ("write_levels", True)
                assert _outcomes(found) == {WriteOutcome.UNKNOWN}
            assert scene.is_untouched()

    def test_a_failure_in_the_middle_is_an_error_of_the_tree(self) -> None:
        """Whichever request of a call fails, on its second page or after its first write."""
        scene = self._scene()
        for name in scene.calls:
            requests = self._requests_of(name)
            for fault in (silent, cut_off, answering(200, HTML), answering(429, retry_after="120"), unreachable):
                for first in range(requests):
                    # A request that got through may have had its effect: then the next turn needs a fresh account.
                    if name in WRITES and (first or fault is cut_off):
                        scene = self._scene()
                    try:
                        found = scene.calls[name](Disturbed(scene.bench, fault, first).connect())
                    except (RetriableError, ContractError):
                        if name not in WRITES:
                            assert scene.is_untouched()
                    else:
                        # An answer that was cut behind its last needed byte is still an answer.
                        assert name in ("write_levels", "push_cancellation") or fault is cut_off
                        if name == "write_levels":
                            _answers_are_true(scene.bench, found)

    def test_a_wrong_credential_is_told_by_every_call(self) -> None:
        scene = self._scene()
        settings = scene.bench.rig.settings
        kinds = type(settings).model_fields
        signs = [name for name in kinds if isinstance(getattr(settings, name), SecretStr)]
        assert signs
        scene.bench.rig.settings = settings.model_copy(update={name: SecretStr("WRONGWRONGWRONG") for name in signs})
        for call in scene.calls.values():
            with pytest.raises(CredentialsError):
                call(scene.bench.rig.connect())
            assert scene.is_untouched()

    def test_a_short_wait_is_waited_for(self) -> None:
        for name in self._scene().calls:
            scene = self._scene()
            disturbed = Disturbed(scene.bench, answering(429, retry_after="2"), times=1)
            naps = len(scene.bench.rig.naps)
            found = scene.calls[name](disturbed.connect())
            assert 2.0 in scene.bench.rig.naps[naps:]
            assert disturbed.sent[0] == disturbed.sent[1]  # sent again as it was
            if name == "write_levels":
                assert _outcomes(found) == {WriteOutcome.SENT if is_import(scene.bench.capabilities) else CONFIRMED}

    def test_a_long_wait_is_the_callers_and_nothing_was_written(self) -> None:
        scene = self._scene()
        later = format_datetime(scene.bench.clock.now() + timedelta(seconds=90), usegmt=True)
        for value, seconds in (("120", 120.0), (later, None)):
            for name, call in scene.calls.items():
                disturbed = Disturbed(scene.bench, answering(429, retry_after=value))
                asked_at = scene.bench.clock.now()
                with pytest.raises(ThrottledError) as caught:
                    call(disturbed.connect())
                waited = (scene.bench.clock.now() - asked_at).total_seconds()
                assert len(disturbed.sent) == 1, name
                assert scene.is_untouched()
                if seconds is not None:
                    assert caught.value.retry_after_seconds == seconds
                elif waited == 0:
                    assert 10 < caught.value.retry_after_seconds <= 90
            if seconds is None:
                break

    def test_a_lasting_short_wait_ends_with_an_error(self) -> None:
        scene = self._scene()
        for name, call in scene.calls.items():
            disturbed = Disturbed(scene.bench, answering(429, retry_after="2"))
            with pytest.raises(ThrottledError) as caught:
                call(disturbed.connect())
            assert caught.value.retry_after_seconds == 2.0
            assert 1 < len(disturbed.sent) < 10, name
            assert scene.is_untouched()

    def test_a_reading_is_tried_again_after_a_failure(self) -> None:
        scene = self._scene()
        for fault in (silent, answering(500), answering(503), unreachable):
            for name in ("check", "pull_catalogue", "pull_stock", "pull_orders", "read_levels"):
                disturbed = Disturbed(scene.bench, fault, times=1)
                assert scene.calls[name](disturbed.connect()) is not None
                assert disturbed.sent[0] == disturbed.sent[1]

    def test_declared_ceilings_are_taken_before_anything_is_sent(self) -> None:
        scene = self._scene()
        taken: dict[str, list[tuple[str, float]]] = {}
        for name, call in scene.calls.items():
            slots = taken.setdefault(name, [])

            def reserve(operation: str, period_seconds: float, slots: list[tuple[str, float]] = slots) -> float:
                slots.append((operation, period_seconds))
                return 37.5

            disturbed = Disturbed(scene.bench, answering(503))
            with pytest.raises(RetriableError) as caught:
                call(scene.bench.rig.connect(disturbed, reserve))
            if slots:
                assert isinstance(caught.value, ThrottledError)
                assert caught.value.retry_after_seconds == 37.5
                assert disturbed.sent == []
                assert scene.is_untouched()
        periods = {name: [seconds for _, seconds in slots] for name, slots in taken.items() if slots}
        written = scene.bench.capabilities.write_period_seconds
        assert periods.get("write_levels", []) == ([written] if written else [])
        assert len({slots[0][0] for slots in taken.values() if slots}) == len(periods)
        if is_import(scene.bench.capabilities):
            assert "read_receipt" in periods

    def test_no_message_and_no_log_record_tells_a_secret_or_a_person(self) -> None:
        with _listening() as said:
            scene = self._scene()
            faults = (debug_page, cut_off, silent, unreachable, *map(answering, (400, 401, 403, 404, 409, 422, 500)))
            for fault in faults:
                for call in scene.calls.values():
                    try:
                        call(Disturbed(scene.bench, fault).connect())
                    except ConnectorError as error:
                        said.append("".join(traceback.format_exception(error)))
            scene.bench.rig.settings = scene.bench.rig.settings.model_copy()
            said += [repr(scene.bench.hub), str(scene.bench.hub), repr(scene.bench.rig.settings)]
            said += [str(scene.bench.rig.settings), repr(scene.bench.rig.record)]
        assert len(said) > 50
        hidden = [*scene.bench.secrets, *PERSONAL]
        hidden += [b64encode(f"{secret}:".encode()).decode() for secret in scene.bench.secrets]
        for text in said:
            assert [word for word in hidden if word.lower() in text.lower()] == []

    def _scene(self) -> Scene:
        bench = self.bench()
        bench.stock((A, 20), (B, 20))
        bought = [self.paid_order(bench, (A, 3), (B, 2)), self.paid_order(bench, (A, 1), (B, 1))]
        if bench.capabilities.must_accept_orders:
            bought.append(bench.buy((B, 1)))
        orders = newest(bench.facts(bench.pull(), Order))
        order, other, new = [*(orders[one] for one in bought), None][:3]
        assert order is not None
        assert other is not None
        writes = [LevelWrite(bench.key(sku), 11 + n, sku=sku) for n, sku in enumerate((A, B))]
        receipt = ""
        if is_import(bench.capabilities):
            receipt = str(bench.write_all(writes)[0].receipt)
            bench.clock.advance(120)
            bench.stock((A, 3), (B, 3))
        keys = [write.key for write in writes]
        calls: dict[str, Call] = {
            "check": lambda hub: hub.check(),
            "pull_places": lambda hub: list(hub.pull_places()),
            "pull_catalogue": lambda hub: list(hub.pull_catalogue()),
            "pull_stock": lambda hub: list(hub.pull_stock(bench.rig.stock_points)),
            "pull_orders": lambda hub: list(hub.pull_orders(LONG_AGO)),
            "read_levels": lambda hub: hub.read_levels(keys),
            "write_levels": lambda hub: hub.write_levels(writes, idempotency_key="write-2"),
            "push_shipment": lambda hub: hub.push_shipment(bench.shipment(order)),
            "push_cancellation": lambda hub: _told_or_refused(
                lambda: hub.push_cancellation(other.external_id, {line.external_id: line.units for line in other.lines})
            ),
        }
        if receipt:
            calls["read_receipt"] = lambda hub: hub.read_receipt(receipt, writes)
        if new is not None:
            lines = {line.external_id: True for line in new.lines}
            calls["accept_order"] = lambda hub: hub.accept_order(new.external_id, lines)
        if bench.capabilities.has_webhooks:
            calls["ensure_webhooks"] = lambda hub: hub.ensure_webhooks(CALLBACK)
        bench.clock.advance(400)
        return Scene(bench, calls, bench.shelf(), dict(bench.emulator.shipped()))

    def _requests_of(self, name: str) -> int:
        scene = self._scene()
        before = len(scene.bench.rig.requests)
        scene.calls[name](scene.bench.rig.connect())
        return min(4, len(scene.bench.rig.requests) - before)


CONFIRMED = WriteOutcome.CONFIRMED


def _told_or_refused(tell: Callable[[], None]) -> str:
    """Some platforms cannot be told at all: they read the order, and refuse."""
    try:
        tell()
    except RefusedError:
        return "refused"
    return "told"


def _outcomes(found: object) -> set[WriteOutcome]:
    assert isinstance(found, list)
    return {answer.outcome for answer in found if isinstance(answer, LevelAnswer)}


def _answers_are_true(bench: Bench, found: object) -> None:
    assert isinstance(found, list)
    for answer, sku, units in zip(found, (A, B), (11, 12), strict=True):
        if answer.outcome is WriteOutcome.CONFIRMED:
            assert bench.units(sku) == units
        if answer.outcome is WriteOutcome.NOT_APPLIED:
            assert bench.units(sku) != units
        assert answer.outcome in (WriteOutcome.CONFIRMED, WriteOutcome.UNKNOWN, WriteOutcome.NOT_APPLIED)


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Every log record of the process, at every level."""
    said: list[str] = []
    formatter = logging.Formatter("%(name)s %(message)s")

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(formatter.format(record))

    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    root.handlers[:] = [Ear()]  # alone: what a planted bug tells is not told on
    root.setLevel(logging.DEBUG)
    try:
        yield said
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
