"""Bugs that connectors have had, planted one by one: a suite that does not turn red at them proves nothing."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from connectors.errors import (
    ConnectorError,
    ContractError,
    CredentialsError,
    NoAnswerError,
    RefusedError,
    ThrottledError,
)
from connectors.records import ChannelSettings, IncomingWebhook, Page
from connectors.transport import HttpRequest, HttpResponse, Runtime
from mappings.errors import UnreadableDocumentError
from schemas.capabilities import DecrementMoment, StockMeaning
from schemas.documents import Fact, RawDocument, Translation
from schemas.levels import LevelKey, LevelReading, LevelWrite, WriteOutcome
from schemas.orders import Order, OrderState, Return
from schemas.publications import ChannelListing
from schemas.stock import StockObservation
from tests.connectors.planting import (
    EVERYWHERE,
    WITH_KEYS,
    WITH_PLACES,
    WITH_WEBHOOKS,
    Around,
    Bug,
    Edit,
    Record,
    around,
    declaring,
    on_answers,
    on_documents,
    on_every_call,
    on_facts,
    on_orders,
    on_page,
    on_pages,
    on_returns,
    on_webhooks,
    on_wire,
    on_writes,
    taking,
)


def _without_last_page(pages: list[Page], _: Runtime) -> list[Page]:
    full = [page for page in pages if page.documents]
    return [page for page in pages if not full or page is not full[-1]]


def _only_first_page(pages: list[Page], _: Runtime) -> list[Page]:
    return pages[:1]


def _without_first_rows(pages: list[Page], _: Runtime) -> list[Page]:
    return [replace(page, documents=page.documents[1:]) for page in pages]


def _ignoring_overlap(record: Record) -> Record:
    overlap = timedelta(seconds=record.capabilities.order_overlap_seconds)

    class IgnoresOverlap(Around):
        def pull_orders(self, since: datetime) -> Any:
            return self.inner.pull_orders(since + overlap)

    return around(IgnoresOverlap)(record)


class ExcludesSince(Around):
    def pull_orders(self, since: datetime) -> Any:
        return self.inner.pull_orders(since + timedelta(seconds=1))


class WatermarkFirst(Around):
    def pull_orders(self, since: datetime) -> Iterator[Page]:
        for page in self.inner.pull_orders(since):
            yield replace(page, watermark=self.runtime.now())


class NoWatermark(Around):
    def pull_orders(self, since: datetime) -> Iterator[Page]:
        for page in self.inner.pull_orders(since):
            yield replace(page, watermark=None)


class KeepsNoKey(Around):
    """Every call has a key of its own."""

    calls = count(1)

    def write_levels(self, writes: Sequence[LevelWrite], *, idempotency_key: str) -> Any:
        return self.inner.write_levels(writes, idempotency_key=f"call-{next(self.calls)}")


class ForgetsExpected(Around):
    def write_levels(self, writes: Sequence[LevelWrite], *, idempotency_key: str) -> Any:
        blind = [replace(write, expected_units=None) for write in writes]
        return self.inner.write_levels(blind, idempotency_key=idempotency_key)


class RaisesUnknown(Around):
    def write_levels(self, writes: Sequence[LevelWrite], *, idempotency_key: str) -> Any:
        answers = self.inner.write_levels(writes, idempotency_key=idempotency_key)
        if any(one.outcome is WriteOutcome.UNKNOWN for one in answers):
            raise NoAnswerError("no answer")
        return answers


class ReadsNothingAsZero(Around):
    def read_levels(self, keys: Sequence[LevelKey]) -> list[LevelReading]:
        return [replace(one, units=one.units or 0) for one in self.inner.read_levels(keys)]


class ReadsInAnyOrder(Around):
    def read_levels(self, keys: Sequence[LevelKey]) -> list[LevelReading]:
        return sorted(self.inner.read_levels(keys), key=lambda one: one.key.stock_id)


class ReadsOnePlace(Around):
    def pull_stock(self, stock_points: Sequence[str]) -> Any:
        return self.inner.pull_stock(stock_points[:1])


class TellsNoShipment(Around):
    def push_shipment(self, shipment: object) -> None:
        """Nothing."""


class AcceptsNothing(Around):
    def accept_order(self, order_external_id: str, accepted_lines: object) -> None:
        """Nothing."""


def _swallow(kind: type[ConnectorError]) -> Callable[[Any, Callable[[], Any]], Any]:
    def then(connection: Any, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except kind:
            return None

    return then


def _turn(kind: type[ConnectorError], into: type[Exception]) -> Callable[[Any, Callable[[], Any]], Any]:
    def then(connection: Any, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except kind as error:
            raise into(str(error)) from None

    return then


def _tell_secret(connection: Any, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except ConnectorError as error:
        error.args = (f"{error} with {connection.settings.model_dump()!r} {_plain(connection.settings)}",)
        raise


def _plain(settings: ChannelSettings) -> str:
    values = (getattr(settings, name) for name in type(settings).model_fields)
    return " ".join(value.get_secret_value() for value in values if hasattr(value, "get_secret_value"))


def _send_again_after_silence(request: HttpRequest, runtime: Runtime) -> HttpResponse:
    try:
        return runtime.send(request)
    except NoAnswerError:
        return runtime.send(request)


def _log_bodies(request: HttpRequest, runtime: Runtime) -> HttpResponse:
    answer = runtime.send(request)
    logging.getLogger("connectors").debug("%s answered %r", request.path, answer.body)
    return answer


def _log_headers(request: HttpRequest, runtime: Runtime) -> HttpResponse:
    logging.getLogger("connectors").debug("sending %r", dict(request.headers))
    return runtime.send(request)


def _ignoring_ceilings(record: Record) -> Record:
    """Slots are asked for, and what is answered is not heard."""

    def connect(settings: ChannelSettings, runtime: Runtime) -> Any:
        def reserve(operation: str, period_seconds: float) -> float:
            runtime.reserve(operation, period_seconds)
            return 0.0

        return record.connect(settings, replace(runtime, reserve=reserve))

    return replace(record, connect=connect)


def _verify_parsed(record: Record, settings: ChannelSettings, hook: IncomingWebhook) -> Sequence[RawDocument]:
    assert record.receive is not None
    bodies = [hook.body]
    try:
        parsed = json.loads(hook.body)
        bodies += [json.dumps(parsed).encode(), json.dumps(parsed, separators=(",", ":")).encode()]
    except ValueError:
        pass
    for body in bodies:
        try:
            return record.receive(settings, replace(hook, body=body))
        except RefusedError as error:
            refused = error
    raise refused


def _first_secret_only(record: Record, settings: ChannelSettings, hook: IncomingWebhook) -> Sequence[RawDocument]:
    assert record.receive is not None
    return record.receive(settings.model_copy(update={"webhook_secrets": settings.webhook_secrets[:1]}), hook)


_DELIVERIES = count(1)


def _new_event_each_time(record: Record, settings: ChannelSettings, hook: IncomingWebhook) -> Sequence[RawDocument]:
    assert record.receive is not None
    return [replace(one, event_id=f"delivery-{next(_DELIVERIES)}") for one in record.receive(settings, hook)]


_EVENTS = count(1)


def _remembering(record: Record) -> Record:
    seen: set[bytes] = set()

    def translate(document: RawDocument, translation: Translation) -> Sequence[Fact]:
        facts = record.translate(document, translation)
        if document.body in seen:
            return []
        seen.add(document.body)
        return facts

    return replace(record, translate=translate)


def _raw_errors(record: Record) -> Record:
    def translate(document: RawDocument, translation: Translation) -> Sequence[Fact]:
        try:
            return record.translate(document, translation)
        except UnreadableDocumentError as error:
            raise ValueError(str(error)) from None

    return replace(record, translate=translate)


def _quoting_errors(record: Record) -> Record:
    def translate(document: RawDocument, translation: Translation) -> Sequence[Fact]:
        try:
            return record.translate(document, translation)
        except UnreadableDocumentError as error:
            # A sentence is cut, but a traceback prints what it came from.
            raise UnreadableDocumentError(f"{error} in {document.body!r}") from ValueError(document.body)

    return replace(record, translate=translate)


def _reading_all_topics(record: Record) -> Record:
    def translate(document: RawDocument, translation: Translation) -> Sequence[Fact]:
        try:
            return record.translate(document, translation)
        except UnreadableDocumentError:
            return []

    return replace(record, translate=translate)


def _as_float(order: Order) -> object:
    return tuple(
        line.model_copy(
            update={"unit_price": Decimal(float(line.unit_price)), "line_total": Decimal(float(line.line_total))}
        )
        for line in order.lines
    )


def _lines(order: Order, **update: object) -> object:
    return tuple(line.model_copy(update=update) for line in order.lines)


def _twice(found: Return, _: RawDocument) -> Return:
    lines = tuple(line.model_copy(update={"units": 2 * line.units}) for line in found.lines)
    return found.model_copy(update={"lines": lines})


def _of_its_document(found: Return, document: RawDocument) -> Return:
    return found.model_copy(update={"external_id": f"{found.external_id}@{document.event_id}"})


def _negative(fact: Fact, _: RawDocument) -> Fact:
    return fact.model_copy(update={"units": -fact.units}) if isinstance(fact, StockObservation) else fact


def _by_sku(fact: Fact, _: RawDocument) -> Fact:
    return fact.model_copy(update={"stock_id": fact.external_id + "0"}) if isinstance(fact, ChannelListing) else fact


_PLACES: dict[str, str] = {
    "gid://shopify/Location/501": "gid://shopify/Location/502",
    "LMAIN0000001": "LSECOND00002",
}


def _elsewhere(writes: list[LevelWrite]) -> list[LevelWrite]:
    """Every number goes to the second place."""
    return [
        replace(one, key=replace(one.key, stock_point=_PLACES.get(one.key.stock_point, one.key.stock_point)))
        for one in writes
    ]


def _off_by_one(writes: list[LevelWrite]) -> list[LevelWrite]:
    return [replace(one, units=other.units) for one, other in zip(writes, [*writes[1:], *writes[:1]], strict=True)]


NUMBERS = "test_the_number_written_is_the_number_shown_and_no_other_moves"
WATERMARK = "test_a_watermark_never_passes_what_was_not_yielded"
HEARD = "test_everything_bought_is_heard_exactly_once_and_as_it_was"
CANCELED = "test_canceled_units_are_told_and_restocked_as_declared"
CAME_BACK = "test_goods_that_come_back_are_one_return"
SIGNED = "test_a_delivery_is_believed_only_as_it_was_signed"
SILENCE = "test_a_time_out_is_unknown_and_reading_back_tells"
LATE = "test_a_write_without_an_answer_takes_effect_by_the_time_declared"
UNKNOWN_ROW = "test_an_unknown_row_is_refused_and_holds_no_other_back"
LONG_WAIT = "test_a_long_wait_is_the_callers_and_nothing_was_written"
HIDDEN = "test_no_message_and_no_log_record_tells_a_secret_or_a_person"
FAILED = "test_a_failure_is_the_right_error_and_nothing_was_done"
HALF = "test_half_a_document_cannot_be_read"
READINGS = "test_readings_are_in_the_order_asked_with_none_for_the_unknown"
OBSERVED = "test_observations_are_the_shelf_of_every_listing_and_stock_point"

BUGS: tuple[Bug, ...] = (
    # reading lists
    Bug("drops the last page", HEARD, record=on_pages(_without_last_page)),
    Bug("stops after the first page", HEARD, record=on_pages(_only_first_page)),
    Bug("drops the first row of each page", HEARD, record=on_pages(_without_first_rows)),
    Bug("ignores the overlap", "test_an_old_change_within_the_overlap_is_pulled_again", record=_ignoring_overlap),
    Bug("takes since as excluded", "test_since_is_included", record=around(ExcludesSince)),
    Bug(
        "takes the watermark after the read",
        WATERMARK,
        record=on_page(
            lambda page, runtime: replace(page, watermark=page.watermark and runtime.now() + timedelta(seconds=1))
        ),
    ),
    Bug(
        "sets the watermark one second too late",
        WATERMARK,
        record=on_page(
            lambda page, _: replace(page, watermark=page.watermark and page.watermark + timedelta(seconds=1))
        ),
    ),
    Bug("gives every page the newest watermark", WATERMARK, record=around(WatermarkFirst)),
    Bug("never moves the watermark", WATERMARK, record=around(NoWatermark)),
    Bug(
        "makes event ids at random",
        "test_pulled_again_it_is_the_same_events",
        record=on_documents(lambda one: replace(one, event_id=f"event-{next(_EVENTS)}")),
    ),
    Bug(
        "makes event ids without a version",
        "test_a_change_of_the_same_second_is_a_new_event",
        record=on_documents(lambda one: replace(one, event_id=f"{one.topic}:{one.document_id}")),
    ),
    Bug(
        "makes event ids of whole minutes",
        "test_a_change_of_the_same_second_is_a_new_event",
        record=on_documents(lambda one: replace(one, event_id=f"{one.topic}:{one.document_id}:2026-03-02T09:00")),
    ),
    Bug("reads the first stock point only", OBSERVED, WITH_PLACES, record=around(ReadsOnePlace)),
    Bug(
        "reads what is on hand for what is available",
        OBSERVED,
        ("shopify",),
        edits={
            "shopify": Edit(
                "connectors.shopify:_polled_levels",
                "told = {**level,",
                "told = {**level, 'quantities': [{**q, 'quantity': q['quantity'] + 3} for q in level['quantities']],",
            )
        },
    ),
    Bug(
        "reads a product's sum as a sku",
        OBSERVED,
        ("prestashop",),
        edits={
            "prestashop": Edit(
                "mappings.prestashop_wire:leaves",
                "return [row for row in rows if",
                "return [row for row in rows if True or",
            )
        },
    ),
    Bug("observes with the wrong sign", OBSERVED, record=on_facts(_negative)),
    Bug("mistakes the stock id", NUMBERS, record=on_facts(_by_sku)),
    # orders
    Bug("reads money as float", HEARD, record=on_orders(lines=_as_float)),
    Bug(
        "takes the shop's local time as UTC",
        HEARD,
        record=on_orders(placed_at=lambda order: order.placed_at + timedelta(hours=1)),
    ),
    Bug(
        "takes the shop's local time as UTC (its own code)",
        HEARD,
        ("prestashop", "mirakl"),
        edits={
            "prestashop": Edit(
                "mappings.prestashop_wire:to_utc",
                "local.replace(tzinfo=zone, fold=fold)",
                "local.replace(tzinfo=UTC, fold=fold)",
            ),
            "mirakl": Edit(
                "mappings.mirakl:_moment",
                "return moment if",
                "return moment.replace(tzinfo=ZoneInfo(translation.time_zone)) if",
            ),
        },
    ),
    Bug(
        "gives orders without a zone",
        HEARD,
        record=on_orders(placed_at=lambda order: order.placed_at.replace(tzinfo=None)),
    ),
    Bug("names the platform for the channel", HEARD, record=on_orders(channel=lambda order: "platform")),
    Bug("drops the last line", HEARD, record=on_orders(lines=lambda order: order.lines[:-1] or order.lines)),
    Bug("counts one unit a line", HEARD, record=on_orders(lines=lambda order: _lines(order, units=1))),
    Bug(
        "ignores cancellations",
        CANCELED,
        record=on_orders(state=lambda order: OrderState.OPEN, lines=lambda order: _lines(order, units_canceled=0)),
    ),
    Bug("loses the canceled units", CANCELED, record=on_orders(lines=lambda order: _lines(order, units_canceled=0))),
    Bug(
        "takes what waits for open",
        "test_what_waits_for_payment_or_acceptance_says_so",
        record=on_orders(state=lambda order: OrderState.OPEN if "awaiting" in order.state else order.state),
    ),
    Bug("counts a return twice", CAME_BACK, record=on_returns(_twice)),
    Bug("gives a return a new id with every document", CAME_BACK, record=on_returns(_of_its_document)),
    Bug(
        "forgets whose order came back",
        CAME_BACK,
        record=on_returns(lambda one, _: one.model_copy(update={"order": None})),
    ),
    Bug("drops returns", CAME_BACK, record=on_returns(lambda one, _: None)),
    Bug("keeps a memory between documents", "test_the_same_document_gives_the_same_facts", record=_remembering),
    Bug("lets raw errors out of the mapping", HALF, record=_raw_errors),
    Bug("quotes the document in its errors", HALF, record=_quoting_errors),
    Bug("reads nothing where it cannot read", HALF, record=_reading_all_topics),
    # numbers
    Bug("takes unknown for confirmed", SILENCE, record=taking(WriteOutcome.UNKNOWN, as_=WriteOutcome.CONFIRMED)),
    Bug("takes unknown for not applied", SILENCE, record=taking(WriteOutcome.UNKNOWN, as_=WriteOutcome.NOT_APPLIED)),
    Bug(
        "takes stale for confirmed",
        "test_compare_and_set_writes_nothing_over_a_number_it_did_not_expect",
        ("shopify",),
        record=taking(WriteOutcome.STALE, as_=WriteOutcome.CONFIRMED),
    ),
    Bug("takes sent for confirmed", NUMBERS, ("mirakl",), record=taking(WriteOutcome.SENT, as_=WriteOutcome.CONFIRMED)),
    Bug(
        "takes not applied for confirmed",
        UNKNOWN_ROW,
        ("shopify", "prestashop"),
        also=(
            "test_a_failure_in_the_middle_is_an_error_of_the_tree",
            "test_no_number_is_sent_so_late_that_a_newer_one_may_be_there",
        ),
        record=taking(WriteOutcome.NOT_APPLIED, as_=WriteOutcome.CONFIRMED),
    ),
    Bug("takes refused for confirmed", UNKNOWN_ROW, record=taking(WriteOutcome.REFUSED, as_=WriteOutcome.CONFIRMED)),
    Bug("raises a time-out of a write", SILENCE, record=around(RaisesUnknown)),
    Bug("sends a write again after a time-out", SILENCE, record=on_wire(_send_again_after_silence)),
    Bug(
        "repeats every call after a time-out (its own code)",
        SILENCE,
        edits=dict.fromkeys(
            EVERYWHERE,
            Edit(
                "connectors.transport:_may_try_again",
                "(repeatable and isinstance(error, RetriableError))",
                "isinstance(error, RetriableError)",
            ),
        ),
    ),
    Bug(
        "forgets what was expected",
        "test_compare_and_set_writes_nothing_over_a_number_it_did_not_expect",
        ("shopify",),
        record=around(ForgetsExpected),
    ),
    Bug("keeps no idempotency key", "test_the_same_key_does_not_undo_a_sale", WITH_KEYS, record=around(KeepsNoKey)),
    Bug("writes the units of the next row", "test_a_full_batch_is_written_row_by_row", record=on_writes(_off_by_one)),
    Bug("answers in another order", UNKNOWN_ROW, record=on_answers(lambda answers: answers[::-1])),
    Bug(
        "answers with the neighbor's outcome",
        UNKNOWN_ROW,
        record=on_answers(
            lambda answers: [
                replace(one, outcome=other.outcome, reason=other.reason)
                for one, other in zip(answers, [*answers[1:], *answers[:1]], strict=True)
            ]
        ),
    ),
    Bug("drops rows of zero units", NUMBERS, record=on_writes(lambda writes: [one for one in writes if one.units])),
    Bug(
        "drops the last row of a batch",
        "test_a_full_batch_is_written_row_by_row",
        record=on_writes(lambda writes: writes[:-1] if len(writes) > 1 else writes),
    ),
    Bug(
        "writes negative units",
        NUMBERS,
        record=on_writes(lambda writes: [replace(one, units=-one.units) for one in writes]),
    ),
    Bug("writes to the wrong stock point", NUMBERS, WITH_PLACES, record=on_writes(_elsewhere)),
    Bug("reads what it does not know as 0", READINGS, record=around(ReadsNothingAsZero)),
    Bug("reads back in any order", READINGS, record=around(ReadsInAnyOrder)),
    Bug(
        "declares another decrement moment",
        "test_the_number_goes_down_when_declared",
        record=declaring(
            decrements_at=lambda now: (
                DecrementMoment.ORDER if now is DecrementMoment.PAYMENT else DecrementMoment.PAYMENT
            )
        ),
    ),
    Bug("declares restocking the other way", CANCELED, record=declaring(restocks_on_cancel=lambda now: not now)),
    Bug(
        "declares that an import is over at once",
        LATE,
        ("mirakl",),
        record=declaring(late_effect_seconds=lambda _: 0.0),
    ),
    Bug(
        "declares units on hand",
        "test_the_number_means_what_is_declared",
        record=declaring(stock_meaning=lambda now: StockMeaning.ON_HAND),
    ),
    # telling
    Bug("tells no shipment", "test_a_shipment_is_known_and_twice_is_once", record=around(TellsNoShipment)),
    Bug(
        "accepts no order",
        "test_an_order_waits_until_every_line_is_accepted",
        ("mirakl",),
        record=around(AcceptsNothing),
    ),
    Bug(
        "cancels again what is canceled",
        "test_a_cancellation_of_some_units_is_once_or_refused",
        ("shopify", "mirakl"),
        also=("test_a_cancellation_of_all_is_once_or_refused",),
        edits={
            "shopify": Edit(
                "connectors.shopify_orders:push_cancellation",
                "if units > settled[line].canceled:\n            missing[line] = units - settled[line].canceled",
                "if units:\n            missing[line] = units",
            ),
            "mirakl": Edit("connectors.mirakl_withdrawals:outstanding", "done = _withdrawn(line)", "done = 0"),
        },
    ),
    Bug(
        "takes any page for an answer to what it told",
        FAILED,
        ("mirakl",),
        edits={"mirakl": Edit("connectors.mirakl_api:MiraklApi.put", "if answer.body:", "if False:")},
    ),
    Bug(
        "goes on with a slow write",
        "test_no_number_is_sent_so_late_that_a_newer_one_may_be_there",
        ("prestashop",),
        values={"connectors.prestashop.WRITE_SECONDS": 1e9},
    ),
    # failures
    Bug("swallows throttling", LONG_WAIT, record=on_every_call(_swallow(ThrottledError))),
    Bug("sleeps through long waits", LONG_WAIT, values={"connectors.transport.MAX_WAIT_IN_CALL_SECONDS": 1000.0}),
    Bug(
        "never waits", "test_a_short_wait_is_waited_for", values={"connectors.transport.MAX_WAIT_IN_CALL_SECONDS": 0.0}
    ),
    Bug(
        "forgets how long to wait",
        LONG_WAIT,
        edits=dict.fromkeys(
            EVERYWHERE,
            Edit("connectors.transport:retry_after_seconds", "return max(0.0, float(value))", "return default"),
        ),
    ),
    Bug(
        "ignores declared ceilings",
        "test_declared_ceilings_are_taken_before_anything_is_sent",
        ("mirakl",),
        record=_ignoring_ceilings,
    ),
    Bug(
        "takes a wrong credential for an empty account",
        "test_a_wrong_credential_is_told_by_every_call",
        record=on_every_call(_swallow(CredentialsError)),
    ),
    Bug(
        "takes a wrong credential for a refused row",
        "test_a_wrong_credential_is_told_by_every_call",
        record=on_every_call(_turn(CredentialsError, RefusedError)),
    ),
    Bug("lets raw errors out of the connector", FAILED, record=on_every_call(_turn(ContractError, KeyError))),
    Bug("answers nothing where it is told nothing", FAILED, record=on_every_call(_swallow(ContractError))),
    Bug("tells its secret in errors", HIDDEN, record=on_every_call(_tell_secret)),
    Bug("logs bodies", HIDDEN, record=on_wire(_log_bodies)),
    Bug("logs headers", HIDDEN, record=on_wire(_log_headers)),
    # webhooks
    Bug(
        "checks no signature",
        SIGNED,
        WITH_WEBHOOKS,
        edits={
            "shopify": Edit("connectors.shopify_webhooks:_verify", "if not is_right:", "if False:"),
            "square": Edit("connectors.square_webhooks:_is_signed", "return any(", "return True or any("),
        },
    ),
    Bug(
        "believes what is not signed at all",
        SIGNED,
        WITH_WEBHOOKS,
        edits={
            "shopify": Edit("connectors.shopify_webhooks:_verify", "if not is_right:", "if given and not is_right:"),
            "square": Edit("connectors.square_webhooks:_is_signed", "return any(", "return not given or any("),
        },
    ),
    Bug("compares the parsed body", SIGNED, WITH_WEBHOOKS, record=on_webhooks(_verify_parsed)),
    Bug(
        "compares signatures without case",
        SIGNED,
        WITH_WEBHOOKS,
        edits={
            "shopify": Edit(
                "connectors.shopify_webhooks:_verify",
                "hmac.compare_digest(base64.b64encode(digest), given)",
                "base64.b64encode(digest).lower() == given.lower()",
            ),
            "square": Edit(
                "connectors.square_webhooks:_is_signed",
                "hmac.compare_digest(",
                "(lambda ours, theirs: ours.lower() == theirs.lower())(",
            ),
        },
    ),
    Bug(
        "knows the first secret only",
        "test_one_of_two_secrets_is_enough_and_another_is_not",
        WITH_WEBHOOKS,
        record=on_webhooks(_first_secret_only),
    ),
    Bug(
        "takes every delivery for a new event",
        "test_the_same_delivery_twice_is_the_same_event",
        WITH_WEBHOOKS,
        record=on_webhooks(_new_event_each_time),
    ),
    Bug(
        "subscribes again and again",
        "test_missing_subscriptions_are_made_once",
        WITH_WEBHOOKS,
        edits={
            "shopify": Edit(
                "connectors.shopify:ShopifyConnection.ensure_webhooks", "if topic not in there", "if topic"
            ),
            "square": Edit(
                "connectors.square_webhooks:subscribe",
                'ours = next((row for row in known if row.get("notification_url") == callback_url), None)',
                "ours = None",
            ),
        },
    ),
)
