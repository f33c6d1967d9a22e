"""A supplier's exchange over HTTP and folders, held against its emulator and real files."""

import errno
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.errors import (
    ContractError,
    CredentialsError,
    FeedHeldError,
    NoAnswerError,
    RefusedError,
    ScopeError,
    UnavailableError,
)
from connectors.feed_sources import LocalFiles
from connectors.records import Page, SupplierConnection
from connectors.registry import suppliers
from connectors.supplier_feed import SUPPLIER
from connectors.supplier_settings import SupplierFeedSettings
from connectors.transport import HttpRequest, HttpResponse, Runtime, Send
from mappings.supplier_feed import judge_feed, read_feed
from nervure.clock import ManualClock
from schemas.documents import RawDocument
from schemas.dropship import DropShipLine, DropShipOrder, SupplierReply
from schemas.stock import SupplierOffer
from simulation.platforms.supplier import SupplierEmulator

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
TOKEN = "not-a-real-token"
STOCK = {f"SKU-{number}": number for number in range(1, 21)}


def emulator_settings(**changes: Any) -> SupplierFeedSettings:
    """Settings under which the connector speaks the emulator's dialect."""
    return SupplierFeedSettings.model_validate(
        {
            "name": "grossiste",
            "ttl_seconds": 3600,
            "url": "https://supplier.test",
            "headers": {"Authorization": f"Bearer {TOKEN}"},
            "feed": {
                "source": "http",
                "path": "/feed/stock.csv",
                "has_done_marker": True,
                "format": "csv",
                "encoding": "utf-8",
                "decimal": ",",
                "columns": {
                    "supplier_sku": "sku",
                    "gtin": "ean",
                    "title": "title",
                    "units": "stock",
                    "unit_cost": "price",
                    "currency": "currency",
                    "lead_time_days": "lead_days",
                    "as_of": "as_of",
                },
            },
            "orders": {"source": "http", "path": "/orders"},
            "replies": {
                "source": "http",
                "path": "/replies",
                "format": "json",
                "rows": "replies",
                "within": "lines",
                "next_path": "next",
                "acknowledge_path": "/replies/{id}/ack",
                "columns": {
                    "reply_id": "id",
                    "reference": "orderReference",
                    "line": "line",
                    "units": "units",
                    "refusal": "refusal",
                    "carrier": "carrier",
                    "tracking_number": "trackingNumber",
                    "happened_at": "at",
                },
            },
            **changes,
        }
    )


@dataclass
class SupplierRig:
    """The record held against the emulator, under a clock moved by hand."""

    settings: SupplierFeedSettings = field(default_factory=emulator_settings)
    emulator: SupplierEmulator = field(default_factory=lambda: SupplierEmulator(token=TOKEN))
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    requests: list[HttpRequest] = field(default_factory=list)

    def wire(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        return self.emulator.handle(request, self.clock.now())

    def open(self, send: Send | None = None) -> AbstractContextManager[SupplierConnection]:
        runtime = Runtime(send or self.wire, self.clock.now, self.clock.sleep, lambda operation, seconds: 0.0)
        return SUPPLIER.connect(self.settings, runtime)


@pytest.fixture
def rig() -> SupplierRig:
    made = SupplierRig()
    made.emulator.load(STOCK, START)
    return made


def offers_of(documents: Sequence[RawDocument]) -> list[SupplierOffer]:
    facts = [fact for document in documents for fact in SUPPLIER.read(document, None, None).offers]
    return [fact for fact in facts if isinstance(fact, SupplierOffer)]


def pulled(connection: SupplierConnection) -> list[RawDocument]:
    return [document for page in connection.pull_offers() for document in page.documents]


def an_order(reference: str, **units: int) -> DropShipOrder:
    lines = tuple(
        DropShipLine(line=str(number), supplier_sku=sku.replace("_", "-"), units=count)
        for number, (sku, count) in enumerate(units.items(), start=1)
    )
    return DropShipOrder(reference=reference, placed_at=START, recipient={"name": "Zoé", "city": "Évry"}, lines=lines)


# --- the feed over HTTP


def test_the_record_is_found_and_reads_the_emulators_feed(rig: SupplierRig) -> None:
    assert suppliers()["supplier_feed"] is SUPPLIER
    with rig.open() as connection:
        assert connection.check() == "grossiste: feed '/feed/stock.csv' of 2026-03-02 09:00 UTC, 20 offers"
        (document,) = pulled(connection)
    offers = offers_of([document])
    assert {offer.supplier_sku: offer.units for offer in offers} == STOCK
    assert {offer.as_of for offer in offers} == {START}
    assert (document.topic, document.document_id, document.happened_at) == ("feed", "grossiste", START)
    assert len([offer for offer in offers if offer.gtin]) == 20
    assert [(str(offer.unit_cost.amount), offer.lead_time_days) for offer in offers[:1] if offer.unit_cost] == [
        ("1.50", 2)
    ]


def test_an_unchanged_feed_is_not_sent_again_and_a_new_one_is_another_event(rig: SupplierRig) -> None:
    with rig.open() as connection:
        (first,) = pulled(connection)
        assert pulled(connection) == []
        rig.clock.advance(900)
        (second,) = pulled(connection)
    with rig.open() as connection:
        (again,) = pulled(connection)
    assert second.event_id != first.event_id
    assert again == second
    assert {offer.as_of for offer in offers_of([second])} == {START + timedelta(seconds=900)}


def test_a_page_that_was_not_stored_comes_again(rig: SupplierRig) -> None:
    with rig.open() as connection:
        pages = connection.pull_offers()
        lost = next(iter(pages))  # the hub dies before it asks for more
        del pages
        (document,) = pulled(connection)
    assert document == lost.documents[0]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("mangled", "mangled codes in 20 of 20 rows"),
        ("unfinished", "the feed is unfinished: it has no .done marker"),
        ("wrong_encoding", "wrong encoding: the feed is not utf-8"),
    ],
)
def test_a_feed_that_is_visibly_wrong_is_held(rig: SupplierRig, kind: str, reason: str) -> None:
    rig.emulator.spoil(kind)
    with rig.open() as connection:
        for _ in range(2):  # held again every time: what was held was not taken
            with pytest.raises(FeedHeldError, match=reason):
                pulled(connection)
        rig.emulator.spoil("none")
        assert len(offers_of(pulled(connection))) == 20


def test_an_unfinished_feed_is_held_without_a_marker_too(rig: SupplierRig) -> None:
    rig.settings = emulator_settings(feed={**emulator_settings().feed.model_dump(), "has_done_marker": False})
    rig.emulator.spoil("unfinished")
    with rig.open() as connection, pytest.raises(FeedHeldError, match="unfinished: the feed breaks off in line 21"):
        pulled(connection)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("short", "8 offers where there were 20: 60% are gone"),
        ("all_zero", "all 20 stock figures are 0, and there were 210 units before"),
    ],
)
def test_what_only_the_hub_can_know_is_left_to_it(rig: SupplierRig, kind: str, reason: str) -> None:
    rig.emulator.spoil(kind)
    with rig.open() as connection:
        (document,) = pulled(connection)
    assert judge_feed(read_feed(document), 20, rig.settings.limits, previous_units=210) == reason


def _answers(response: HttpResponse) -> Send:
    return lambda request: response


CSV = b"sku;stock\nA;4\n"


def plain_settings(**feed: Any) -> SupplierFeedSettings:
    return SupplierFeedSettings.model_validate(
        {
            "name": "grossiste",
            "ttl_seconds": 3600,
            "url": "https://supplier.test",
            "feed": {
                "source": "http",
                "path": "/stock.csv",
                "format": "csv",
                "columns": {"supplier_sku": "sku", "units": "stock"},
                **feed,
            },
        }
    )


@pytest.mark.parametrize(
    ("headers", "as_of_header", "expected"),
    [
        ({"last-modified": "Mon, 02 Mar 2026 06:00:00 GMT"}, None, datetime(2026, 3, 2, 6, tzinfo=UTC)),
        ({"x-at": "2026-03-02T07:00:00+02:00"}, "X-At", datetime(2026, 3, 2, 5, tzinfo=UTC)),
        ({}, None, START),
        ({"last-modified": "yesterday"}, None, START),
    ],
)
def test_the_age_of_a_feed_without_times_is_its_headers(
    headers: dict[str, str], as_of_header: str | None, expected: datetime
) -> None:
    rig = SupplierRig(settings=plain_settings(as_of_header=as_of_header))
    with rig.open(_answers(HttpResponse(200, headers, CSV))) as connection:
        (offer,) = offers_of(pulled(connection))
    assert offer.as_of == expected


def test_the_same_figures_stated_again_later_are_a_newer_statement() -> None:
    rig = SupplierRig(settings=plain_settings())
    events = []
    for hour in (6, 7, 7):
        headers = {"last-modified": f"Mon, 02 Mar 2026 0{hour}:00:00 GMT"}
        with rig.open(_answers(HttpResponse(200, headers, CSV))) as connection:
            events += [document.event_id for document in pulled(connection)]
    assert len(events) == 3
    assert events[0] != events[1] == events[2]


def test_without_an_etag_the_date_is_asked() -> None:
    rig = SupplierRig(settings=plain_settings())
    seen: list[dict[str, str]] = []

    def send(request: HttpRequest) -> HttpResponse:
        seen.append(dict(request.headers))
        known = "if-modified-since" in request.headers
        return HttpResponse(304 if known else 200, {"last-modified": "Mon, 02 Mar 2026 06:00:00 GMT"}, CSV)

    with rig.open(send) as connection:
        assert [len(pulled(connection)) for _ in range(2)] == [1, 0]
        assert connection.check() == "grossiste: feed '/stock.csv' of 2026-03-02 06:00 UTC, 1 offers"
    assert seen == [{}, {"if-modified-since": "Mon, 02 Mar 2026 06:00:00 GMT"}, {}]


@pytest.mark.filterwarnings("ignore:The 'initial' parameter is deprecated")  # the shared client's own tenacity call
@pytest.mark.parametrize(
    ("response", "error", "reason"),
    [
        (HttpResponse(200, {"content-length": "99"}, CSV), FeedHeldError, "14 of 99 bytes came"),
        (HttpResponse(200, {}, b"<html>Please sign in</html>"), FeedHeldError, r"column 'sku' \(supplier_sku\) is not"),
        (HttpResponse(200, {}, b""), FeedHeldError, "the feed is empty"),
        (HttpResponse(302, {"location": "/login"}), ContractError, "answered 302: it has moved"),
        (HttpResponse(404), RefusedError, "answered 404 to GET /stock.csv"),
        (HttpResponse(401), CredentialsError, "sign-in refused"),
        (HttpResponse(500), NoAnswerError, "the platform failed"),
    ],
)
def test_an_answer_that_is_no_feed(response: HttpResponse, error: type[Exception], reason: str) -> None:
    rig = SupplierRig(settings=plain_settings())
    with rig.open(_answers(response)) as connection, pytest.raises(error, match=reason):
        pulled(connection)


def test_a_missing_declared_time_header_is_told() -> None:
    rig = SupplierRig(settings=plain_settings(as_of_header="X-At"))
    with (
        rig.open(_answers(HttpResponse(200, {"last-modified": "Mon, 02 Mar 2026 06:00:00 GMT"}, CSV))) as connection,
        pytest.raises(ContractError, match="header 'X-At' is missing"),
    ):
        pulled(connection)


def test_a_feed_from_the_future_is_held() -> None:
    rig = SupplierRig(settings=plain_settings())
    ahead = {"last-modified": "Mon, 02 Mar 2026 10:00:00 GMT"}
    with (
        rig.open(_answers(HttpResponse(200, ahead, CSV))) as connection,
        pytest.raises(FeedHeldError, match="figures are of 2026-03-02 10:00 UTC, which is still to come"),
    ):
        pulled(connection)
    skewed = {"last-modified": "Mon, 02 Mar 2026 09:15:00 GMT"}
    with rig.open(_answers(HttpResponse(200, skewed, CSV))) as connection:
        assert len(pulled(connection)) == 1


def test_no_secret_is_in_an_error() -> None:
    rig = SupplierRig(emulator=SupplierEmulator(token="another"))
    with rig.open() as connection, pytest.raises(CredentialsError) as refusal:
        pulled(connection)
    assert TOKEN not in str(refusal.value)
    assert TOKEN not in repr(rig.settings)


# --- the feed in a folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "in"
    made.mkdir()
    return made


def drop(folder: Path, name: str, body: bytes, at: datetime) -> None:
    path = folder / name
    path.write_bytes(body)
    os.utime(path, (at.timestamp(), at.timestamp()))


def folder_rig(folder: Path, **feed: Any) -> SupplierRig:
    return SupplierRig(settings=plain_settings(source="folder", path=str(folder), **feed))


HOUR = timedelta(hours=1)


def test_the_newest_complete_file_is_the_feed_and_its_time_the_files(folder: Path) -> None:
    drop(folder, "stock_1.csv", b"sku;stock\nOLD;1\n", START - 3 * HOUR)
    drop(folder, "stock_2.csv", CSV, START - 2 * HOUR)
    for name in ("stock_3.csv.part", "stock_3.tmp", ".stock_4.csv", "readme.txt", "stock_5.csv.filepart"):
        drop(folder, name, b"junk", START - HOUR)
    (folder / "stock_9.csv").mkdir()
    rig = folder_rig(folder, pattern="stock_*.csv")
    with rig.open() as connection:
        (offer,) = offers_of(pulled(connection))
        assert (offer.supplier_sku, offer.as_of) == ("A", START - 2 * HOUR)
        assert pulled(connection) == []
        drop(folder, "stock_3.csv", b"sku;stock\nA;5\n", START - HOUR)
        assert [offer.units for offer in offers_of(pulled(connection))] == [5]


def test_a_file_waits_for_its_marker_which_must_be_newer(folder: Path) -> None:
    rig = folder_rig(folder, has_done_marker=True)
    drop(folder, "stock.csv", CSV, START - 2 * HOUR)
    with rig.open() as connection:
        with pytest.raises(FeedHeldError, match=r"unfinished: 'stock.csv' in folder .* has no newer \.done marker"):
            pulled(connection)
        drop(folder, "stock.csv.done", b"", START - 3 * HOUR)  # of the file before this one
        with pytest.raises(FeedHeldError, match="unfinished"):
            pulled(connection)
        drop(folder, "stock.csv.done", b"", START - HOUR)
        assert len(pulled(connection)) == 1
        # A newer file without its marker: the complete one before it stays the feed.
        drop(folder, "stock2.csv", b"sku;stock\nA;9\n", START - HOUR)
        assert pulled(connection) == []


def test_a_file_that_was_just_written_waits(folder: Path) -> None:
    rig = folder_rig(folder, settle_seconds=60)
    drop(folder, "stock.csv", CSV, START - timedelta(seconds=59))
    with rig.open() as connection:
        with pytest.raises(FeedHeldError, match=r"unfinished: 'stock.csv' in folder .* is still being written"):
            pulled(connection)
        rig.clock.advance(1)
        assert len(pulled(connection)) == 1


def test_a_file_that_changes_while_it_is_read_is_held(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drop(folder, "stock.csv", CSV, START - HOUR)
    read = LocalFiles.read

    def read_and_grow(self: LocalFiles, where: str, name: str) -> bytes:
        body = read(self, where, name)
        drop(folder, "stock.csv", CSV + b"B;5\n", START - HOUR)
        return body

    monkeypatch.setattr(LocalFiles, "read", read_and_grow)
    with folder_rig(folder).open() as connection, pytest.raises(FeedHeldError, match="it changed while it was read"):
        pulled(connection)


def test_an_empty_or_missing_folder_is_told(folder: Path) -> None:
    with folder_rig(folder).open() as connection, pytest.raises(FeedHeldError, match="no complete feed named like"):
        pulled(connection)
    with folder_rig(folder / "no").open() as connection, pytest.raises(ContractError, match="is not there"):
        pulled(connection)


# --- orders


def test_an_order_reaches_the_supplier_once(rig: SupplierRig) -> None:
    order = an_order("SO/1é", SKU_5=2)
    with rig.open() as connection:
        connection.send_order(order)
        connection.send_order(order)
    rig.clock.advance(7200)
    rig.emulator.advance(rig.clock.now())
    assert rig.emulator.shipped() == {"SO/1é": 2}
    assert rig.emulator.requests_by_operation() == {"order": 2}
    assert rig.requests[0].headers["idempotency-key"] == "SO%2F1%C3%A9"
    assert json.loads(rig.requests[0].body)["reference"] == "SO/1é"


@pytest.mark.filterwarnings("ignore:The 'initial' parameter is deprecated")  # the shared client's own tenacity call
def test_an_order_whose_answer_was_lost_is_sent_again_and_counts_once(rig: SupplierRig) -> None:
    lost: list[HttpRequest] = []

    def loses_the_first_answer(request: HttpRequest) -> HttpResponse:
        response = rig.wire(request)
        if not lost:
            lost.append(request)
            raise NoAnswerError("gone")
        return response

    with rig.open(loses_the_first_answer) as connection:
        connection.send_order(an_order("SO-1", SKU_5=2))
    assert rig.emulator.requests_by_operation() == {"order": 2}
    rig.clock.advance(7200)
    rig.emulator.advance(rig.clock.now())
    assert (rig.emulator.shipped(), rig.emulator.stock()["SKU-5"]) == ({"SO-1": 2}, 3)


def test_an_order_that_the_supplier_cannot_read_is_refused(rig: SupplierRig) -> None:
    settings = emulator_settings().model_dump()
    rig.settings = emulator_settings(orders={**settings["orders"], "lines_name": "items"})
    with rig.open() as connection, pytest.raises(RefusedError, match="answered 400 to POST /orders"):
        connection.send_order(an_order("SO-1", SKU_5=2))
    rig.settings = emulator_settings(
        orders={**settings["orders"], "fields": {"r": "reference", "p": "recipient.phone"}}
    )
    before = len(rig.requests)
    with rig.open() as connection, pytest.raises(RefusedError, match="has no recipient 'phone'"):
        connection.send_order(an_order("SO-1", SKU_5=2))
    assert len(rig.requests) == before


def test_an_address_for_orders_that_moved_is_told() -> None:
    rig = SupplierRig()
    with rig.open(_answers(HttpResponse(301))) as connection, pytest.raises(ContractError, match="answered 301"):
        connection.send_order(an_order("SO-1", SKU_5=2))


def test_a_supplier_without_orders_takes_none() -> None:
    with SupplierRig(settings=plain_settings()).open() as connection:
        with pytest.raises(ContractError, match="takes no orders"):
            connection.send_order(an_order("SO-1", SKU_5=2))
        assert list(connection.pull_replies()) == []


def orders_in_folder(tmp_path: Path, **orders: Any) -> SupplierRig:
    (tmp_path / "orders").mkdir()
    place = {"source": "folder", "path": str(tmp_path / "orders"), **orders}
    return SupplierRig(settings=emulator_settings(orders=place))


def test_an_order_is_one_file_named_by_its_reference(tmp_path: Path) -> None:
    rig = orders_in_folder(tmp_path)
    with rig.open() as connection:
        connection.send_order(an_order("../SO 1", A=2))
        (file,) = list((tmp_path / "orders").iterdir())
        first = (file.read_bytes(), file.stat().st_ino)
        connection.send_order(an_order("../SO 1", A=2))
        (again,) = list((tmp_path / "orders").iterdir())
    assert file.name == "..%2FSO%201.json"
    assert (again.read_bytes(), again.stat().st_ino) == first  # the file of the first time, untouched
    assert json.loads(first[0])["lines"] == [{"line": "1", "supplier_sku": "A", "units": 2}]


def test_an_order_that_the_supplier_took_away_is_not_written_again(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    rig = orders_in_folder(tmp_path, taken_path=str(tmp_path / "taken"))
    with rig.open() as connection:
        connection.send_order(an_order("SO-1", A=2))
        (tmp_path / "orders" / "SO-1.json").rename(tmp_path / "taken" / "SO-1.json")
        connection.send_order(an_order("SO-1", A=2))
    assert list((tmp_path / "orders").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "error", "reason"),
    [
        (errno.ENOSPC, UnavailableError, "does not work: No space left on device"),
        (errno.EACCES, ScopeError, "may not be used by this program"),
    ],
)
def test_an_order_is_never_seen_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception], reason: str
) -> None:
    rig = orders_in_folder(tmp_path)

    def fails(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails)
        with rig.open() as connection, pytest.raises(error, match=reason):
            connection.send_order(an_order("SO-1", A=2))
    assert [path.name for path in (tmp_path / "orders").iterdir()] == [".SO-1.json.part"]
    with rig.open() as connection:
        connection.send_order(an_order("SO-1", A=2))
    assert [path.name for path in (tmp_path / "orders").iterdir()] == ["SO-1.json"]


# --- replies


def test_replies_come_with_what_was_confirmed_refused_and_shipped(rig: SupplierRig) -> None:
    rig.emulator.sell("SKU-3", 3, START)
    with rig.open() as connection:
        connection.send_order(an_order("SO-1", SKU_5=2, SKU_3=1, SKU_2=3))
        assert list(connection.pull_replies()) == []
        rig.clock.advance(60)
        (confirmation,) = list(connection.pull_replies())
        rig.clock.advance(3600)
        (notice,) = list(connection.pull_replies())
    assert confirmation == SupplierReply(
        reference="SO-1",
        confirmed={"1": 2, "3": 2},
        refused={"2": "no stock of SKU-3"},
        happened_at=START + timedelta(seconds=60),
    )
    assert notice == SupplierReply(
        reference="SO-1",
        confirmed={"1": 2, "3": 2},
        carrier="Colissimo",
        tracking_number="SP0000000001FR",
        happened_at=START + timedelta(seconds=3660),
    )


def test_a_reply_is_taken_back_only_after_the_caller_came_again(rig: SupplierRig) -> None:
    with rig.open() as connection:
        connection.send_order(an_order("SO-1", SKU_5=1))
        connection.send_order(an_order("SO-2", SKU_5=1))
        rig.clock.advance(60)
        replies: Iterator[SupplierReply] = iter(connection.pull_replies())
        assert [next(replies).reference, next(replies).reference] == ["SO-1", "SO-2"]
        del replies  # dies with SO-2 in its hands: only SO-1 is taken back
        assert [reply.reference for reply in connection.pull_replies()] == ["SO-2"]
        assert list(connection.pull_replies()) == []


def test_many_replies_come_page_by_page(rig: SupplierRig) -> None:
    rig.emulator.load({"MANY": 1000}, START)
    with rig.open() as connection:
        for number in range(250):
            connection.send_order(an_order(f"SO-{number}", MANY=1))
        rig.clock.advance(60)
        references = [reply.reference for reply in connection.pull_replies()]
    assert references == [f"SO-{number}" for number in range(250)]
    assert rig.emulator.requests_by_operation() == {"order": 250, "replies": 3, "acknowledge": 250}


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        ({"replies": [], "next": "/replies"}, "the pages of replies do not end"),
        ({"replies": [], "next": "https://elsewhere.test/x"}, "is not a path that starts with a slash"),
    ],
)
def test_pages_that_lead_nowhere_are_told(page: dict[str, Any], reason: str) -> None:
    response = HttpResponse(200, {}, json.dumps(page).encode())
    with SupplierRig().open(_answers(response)) as connection, pytest.raises(ContractError, match=reason):
        list(connection.pull_replies())


def test_a_bad_reply_does_not_hide_the_good_ones() -> None:
    page = {
        "replies": [
            {"id": "1", "lines": [{"line": "1", "units": 1}]},
            {"id": "2", "orderReference": "SO-2", "lines": [{"line": "1", "units": 1}]},
        ]
    }
    acknowledged: list[str] = []

    def send(request: HttpRequest) -> HttpResponse:
        if request.method == "POST":
            acknowledged.append(request.path)
            return HttpResponse(404)
        return HttpResponse(200, {}, json.dumps(page).encode())

    heard: list[str] = []
    with (
        SupplierRig().open(send) as connection,
        pytest.raises(RefusedError, match=r"2 problems .* line 1: no order reference; reply '2' is read but"),
    ):
        heard.extend(reply.reference for reply in connection.pull_replies())
    # extend keeps what came before the error
    assert (heard, acknowledged) == (["SO-2"], ["/replies/2/ack"])


REPLY_CSV = b"ref;line;qty\nSO-1;1;2\n"


def replies_in_folder(folder: Path, **replies: Any) -> SupplierRig:
    place = {
        "source": "folder",
        "path": str(folder),
        "format": "csv",
        "columns": {"reference": "ref", "line": "line", "units": "qty"},
        **replies,
    }
    return SupplierRig(settings=emulator_settings(replies=place))


def test_reply_files_move_away_only_after_the_caller_came_again(folder: Path) -> None:
    drop(folder, "r1.csv", REPLY_CSV, START - 2 * HOUR)
    drop(folder, "r2.csv", REPLY_CSV.replace(b"SO-1", b"SO-2"), START - HOUR)
    drop(folder, "r3.csv.part", b"junk", START)
    with replies_in_folder(folder).open() as connection:
        replies = iter(connection.pull_replies())
        first = next(replies)
        assert first == SupplierReply(reference="SO-1", confirmed={"1": 2}, happened_at=START - 2 * HOUR)
        assert (folder / "r1.csv").exists()
        assert next(replies).reference == "SO-2"
        assert not (folder / "r1.csv").exists()
        del replies
        assert [reply.reference for reply in connection.pull_replies()] == ["SO-2"]
        assert list(connection.pull_replies()) == []
    assert sorted(path.name for path in (folder / "done").iterdir()) == ["r1.csv", "r2.csv"]


def test_a_reply_file_of_a_known_name_overwrites_nothing(folder: Path) -> None:
    rig = replies_in_folder(folder)
    for number in (1, 2, 3):
        drop(folder, "r.csv", REPLY_CSV.replace(b"SO-1", f"SO-{number}".encode()), START)
        with rig.open() as connection:
            assert [reply.reference for reply in connection.pull_replies()] == [f"SO-{number}"]
    assert sorted(path.name for path in (folder / "done").iterdir()) == ["r.csv", "r.csv.2", "r.csv.3"]


def test_a_reply_file_that_cannot_be_read_stays_and_hides_no_other(folder: Path) -> None:
    drop(folder, "bad.csv", b"nonsense", START - 3 * HOUR)
    drop(folder, "half.csv", REPLY_CSV + b"SO-3;1;?\n", START - 2 * HOUR)
    drop(folder, "good.csv", REPLY_CSV.replace(b"SO-1", b"SO-2"), START - HOUR)
    heard: list[str] = []
    with replies_in_folder(folder).open() as connection, pytest.raises(RefusedError) as refusal:
        heard.extend(reply.reference for reply in connection.pull_replies())
    assert heard == ["SO-1", "SO-2"]
    assert str(refusal.value).startswith("grossiste: 2 problems with replies, which stay where they are: 'bad.csv': ")
    assert "'half.csv' line 3: '?' is not a number" in str(refusal.value)
    assert sorted(path.name for path in folder.iterdir()) == ["bad.csv", "done", "half.csv"]


# --- settings


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"url": ""}, "feed is exchanged over HTTP: say at which `url` the supplier's server is"),
        ({"url": "supplier.test"}, "it must start with https:// and name a server"),
        ({"feed": {"path": "stock.csv"}}, "path 'stock.csv' must start with a slash"),
        ({"feed": {"source": "folder", "path": "in"}}, "folder 'in' must be written in full, from the root on"),
        (
            {"feed": {"source": "sftp"}},
            "feed is exchanged over SFTP: the section `sftp` with host, user and host_key is",
        ),
        ({"feed": {"encoding": "utf-9"}}, "'utf-9' is not an encoding: write for example utf-8, cp1252 or latin-1"),
        ({"feed": {"separator": ";;"}}, "';;' is not one character"),
        ({"feed": {"trailer": "("}}, "'(' is not a regular expression"),
        ({"feed": {"rows": "products"}}, "rows are for JSON and XML, this feed is csv"),
        ({"feed": {"format": "json", "rows": "a..b"}}, "'a..b' is not a jmespath expression"),
        ({"feed": {"format": "json", "columns": {"supplier_sku": "a.[b"}}}, "'a.[b' is not a jmespath expression"),
        ({"feed": {"columns": {"supplier_sku": "s", "unit_cost": "p"}}}, "so declare their `currency`, or the column"),
        ({"feed": {"settle_seconds": -1}}, "greater than or equal to 0"),
        ({"limits": {"max_lost_share": 1.5}}, "less than or equal to 1"),
        (
            {
                "replies": {
                    "source": "http",
                    "path": "/r",
                    "format": "csv",
                    "columns": {"reference": "r"},
                    "acknowledge_path": "/a",
                }
            },
            "acknowledging replies needs the column `reply_id`, and {id} in `acknowledge_path`",
        ),
        ({"surprise": 1}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_cannot_work_say_what_to_write(changes: dict[str, Any], sentence: str) -> None:
    settings = plain_settings().model_dump()
    feed = {**settings["feed"], **changes.pop("feed", {})}
    with pytest.raises(ValidationError) as refusal:
        SupplierFeedSettings.model_validate({**settings, "feed": feed, **changes})
    assert sentence in str(refusal.value)


def test_a_page_is_the_whole_feed(rig: SupplierRig) -> None:
    with rig.open() as connection:
        pages: list[Page] = list(connection.pull_offers())
    assert [(len(page.documents), page.watermark) for page in pages] == [(1, None)]
