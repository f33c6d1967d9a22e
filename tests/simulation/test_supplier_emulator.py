"""The emulated supplier keeps its own books, whoever asks and in whatever order."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.transport import HttpRequest, HttpResponse
from simulation.platforms.supplier import SupplierEmulator

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def loaded(**options: Any) -> SupplierEmulator:
    emulator = SupplierEmulator(**options)
    emulator.load({"A": 5, "B": 3, "C": 0}, START)
    return emulator


def get(emulator: SupplierEmulator, path: str, seconds: float = 0, **headers: str) -> HttpResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return emulator.handle(HttpRequest("GET", path, named), at(seconds))


def order(emulator: SupplierEmulator, reference: str, seconds: float = 0, **units: int) -> int:
    lines = [{"line": sku.lower(), "supplier_sku": sku, "units": count} for sku, count in units.items()]
    body = json.dumps({"reference": reference, "lines": lines}).encode()
    return emulator.handle(HttpRequest("POST", "/orders", {}, body), at(seconds)).status


def rows(response: HttpResponse) -> dict[str, str]:
    read = csv.DictReader(io.StringIO(response.body.decode(), newline=""), delimiter=";")
    return {row["sku"]: row["stock"] for row in read}


def replies(emulator: SupplierEmulator, seconds: float, path: str = "/replies") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(get(emulator, path, seconds).body)["replies"]
    return found


def test_the_feed_is_a_publication_of_the_past() -> None:
    emulator = loaded(publish_every_seconds=600)
    assert emulator.sell("A", 2, at(1)) == 2
    assert emulator.stock() == {"A": 3, "B": 3, "C": 0}
    first = get(emulator, "/feed/stock.csv", 599)
    assert rows(first) == {"A": "5", "B": "3", "C": "0"}
    assert first.headers["last-modified"] == "Mon, 02 Mar 2026 09:00:00 GMT"
    second = get(emulator, "/feed/stock.csv", 600)
    assert rows(second) == {"A": "3", "B": "3", "C": "0"}
    assert second.headers["last-modified"] == "Mon, 02 Mar 2026 09:10:00 GMT"
    assert second.body.decode().splitlines()[1] == ("A;3000000000014;Thé n° 1;3;1,50;EUR;2;2026-03-02T09:10:00+00:00")


def test_an_unchanged_feed_is_not_sent_again() -> None:
    emulator = loaded(publish_every_seconds=600)
    first = get(emulator, "/feed/stock.csv")
    etag, modified = first.headers["etag"], first.headers["last-modified"]
    assert get(emulator, "/feed/stock.csv", 1, if_none_match=etag).status == 304
    assert get(emulator, "/feed/stock.csv", 1, if_modified_since=modified).status == 304
    assert get(emulator, "/feed/stock.csv", 600, if_none_match=etag).status == 200
    assert get(emulator, "/feed/stock.csv", 600, if_modified_since=modified).status == 200
    assert get(emulator, "/feed/stock.csv", 600, if_modified_since="nonsense").status == 200


def test_an_order_is_confirmed_then_ships_and_only_then_leaves_the_number() -> None:
    emulator = loaded(confirm_after_seconds=60, ship_after_seconds=3600, publish_every_seconds=1)
    assert order(emulator, "SO-1", A=2, C=1, B=4) == 201
    assert replies(emulator, 59) == []
    assert replies(emulator, 60) == [
        {
            "id": "1",
            "orderReference": "SO-1",
            "at": "2026-03-02T09:01:00+00:00",
            "carrier": None,
            "trackingNumber": None,
            "lines": [
                {"line": "a", "units": 2, "refusal": None},
                {"line": "c", "units": 0, "refusal": "no stock of C"},
                {"line": "b", "units": 3, "refusal": None},
            ],
        }
    ]
    assert rows(get(emulator, "/feed/stock.csv", 3659)) == {"A": "5", "B": "3", "C": "0"}
    assert emulator.shipped() == {}
    (notice,) = replies(emulator, 3660, "/replies?after=1")
    assert (notice["carrier"], notice["trackingNumber"], notice["at"]) == (
        "Colissimo",
        "SP0000000001FR",
        "2026-03-02T10:01:00+00:00",
    )
    assert notice["lines"] == [{"line": "a", "units": 2, "refusal": None}, {"line": "b", "units": 3, "refusal": None}]
    assert (emulator.shipped(), emulator.stock()) == ({"SO-1": 5}, {"A": 3, "B": 0, "C": 0})
    assert rows(get(emulator, "/feed/stock.csv", 3660)) == {"A": "3", "B": "0", "C": "0"}


def test_the_same_reference_again_has_no_second_effect() -> None:
    emulator = loaded()
    assert order(emulator, "SO-1", 0, A=2) == 201
    assert order(emulator, "SO-1", 0, A=2) == 409
    assert order(emulator, "SO-1", 9999, B=1) == 409
    emulator.advance(at(99_999))
    assert (emulator.shipped(), emulator.stock()) == ({"SO-1": 2}, {"A": 3, "B": 3, "C": 0})


def test_an_order_of_nothing_there_never_ships() -> None:
    emulator = loaded()
    order(emulator, "SO-1", C=1)
    order(emulator, "SO-2", UNKNOWN=1)
    assert [reply["lines"][0]["refusal"] for reply in replies(emulator, 99_999)] == [
        "no stock of C",
        "no stock of UNKNOWN",
    ]
    assert emulator.shipped() == {}


def test_others_cannot_take_what_is_promised_but_may_be_faster() -> None:
    emulator = loaded(confirm_after_seconds=60)
    order(emulator, "SO-1", A=4)
    assert emulator.sell("A", 2, at(59)) == 2  # before the confirmation: they were faster
    assert emulator.sell("A", 9, at(60)) == 0  # the 3 that are left are promised
    assert emulator.sell("UNKNOWN", 1, at(60)) == 0
    emulator.advance(at(99_999))
    assert (emulator.shipped(), emulator.stock()["A"]) == ({"SO-1": 3}, 0)


def test_what_stays_after_a_shipment_is_free_again() -> None:
    emulator = loaded(confirm_after_seconds=60, ship_after_seconds=3600)
    order(emulator, "SO-1", A=2)
    assert emulator.sell("A", 9, at(3660)) == 3
    assert (emulator.shipped(), emulator.stock()["A"]) == ({"SO-1": 2}, 0)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"not json", 400),
        (b'{"lines": []}', 400),
        (b'{"reference": "SO-1", "lines": []}', 400),
        (b'{"reference": "", "lines": [{"line": "1", "supplier_sku": "A", "units": 1}]}', 400),
        (b'{"reference": "SO-1", "lines": [{"line": "1", "supplier_sku": "A"}]}', 400),
        (b'{"reference": "SO-1", "lines": [{"line": "1", "supplier_sku": "A", "units": 0}]}', 422),
        (b'{"reference": "SO-1", "lines": [{"line": "1", "supplier_sku": "A", "units": true}]}', 422),
        (b"[1]", 400),
    ],
)
def test_an_order_that_cannot_be_read_has_no_effect(body: bytes, status: int) -> None:
    emulator = loaded()
    assert emulator.handle(HttpRequest("POST", "/orders", {}, body), START).status == status
    emulator.advance(at(99_999))
    assert (emulator.shipped(), replies(emulator, 99_999)) == ({}, [])


def test_replies_come_in_pages_until_they_are_taken_back() -> None:
    emulator = SupplierEmulator(confirm_after_seconds=0, ship_after_seconds=10**6)
    emulator.load({"A": 1000}, START)
    for number in range(101):
        order(emulator, f"SO-{number}", A=1)
    first = json.loads(get(emulator, "/replies", 1).body)
    assert (len(first["replies"]), first["next"]) == (100, "/replies?after=100")
    second = json.loads(get(emulator, first["next"], 1).body)
    assert ([reply["orderReference"] for reply in second["replies"]], second["next"]) == (["SO-100"], None)
    acknowledge = HttpRequest("POST", "/replies/101/ack")
    assert [emulator.handle(acknowledge, at(1)).status for _ in range(2)] == [204, 204]
    assert json.loads(get(emulator, "/replies?after=100", 1).body)["replies"] == []
    assert emulator.handle(HttpRequest("POST", "/replies/102/ack"), at(1)).status == 404
    assert get(emulator, "/replies?after=x", 1).status == 400


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("short", {"A": "5"}),
        ("all_zero", {"A": "0", "B": "0", "C": "0"}),
        ("mangled", {"A": "5", "B": "3", "C": "0"}),
    ],
)
def test_a_spoiled_feed_and_its_mending(kind: str, expected: dict[str, str]) -> None:
    emulator = loaded()
    whole = get(emulator, "/feed/stock.csv")
    emulator.spoil(kind)
    spoiled = get(emulator, "/feed/stock.csv")
    assert rows(spoiled) == expected
    assert ("E+12" in spoiled.body.decode()) == (kind == "mangled")
    assert spoiled.headers["etag"] != whole.headers["etag"]
    emulator.spoil("none")
    assert get(emulator, "/feed/stock.csv") == whole
    assert emulator.stock() == {"A": 5, "B": 3, "C": 0}


def test_an_unfinished_feed_has_no_marker_and_a_wrong_encoding_is_wrong() -> None:
    emulator = loaded()
    assert get(emulator, "/feed/stock.csv.done").status == 200
    emulator.spoil("unfinished")
    assert get(emulator, "/feed/stock.csv.done").status == 404
    assert get(emulator, "/feed/stock.csv").body.decode().splitlines()[-1] == "C;3000000000038;Th"
    emulator.spoil("wrong_encoding")
    with pytest.raises(UnicodeDecodeError):
        get(emulator, "/feed/stock.csv").body.decode()
    with pytest.raises(ValueError, match="eaten"):
        emulator.spoil("eaten")


def test_who_does_not_sign_in_gets_nothing() -> None:
    emulator = loaded(token="not-a-real-token")
    assert get(emulator, "/feed/stock.csv").status == 401
    assert order(emulator, "SO-1", A=1) == 401
    assert get(emulator, "/feed/stock.csv", authorization="Bearer not-a-real-token").status == 200
    assert get(emulator, "/else", authorization="Bearer not-a-real-token").status == 404
    assert emulator.requests_by_operation() == {"refused_sign_in": 2, "feed": 1, "unknown": 1}


def test_nothing_is_published_before_it_is_loaded() -> None:
    assert get(SupplierEmulator(), "/feed/stock.csv").status == 404
    with pytest.raises(ValueError, match="more than 0"):
        SupplierEmulator(publish_every_seconds=0)


MOVES = st.lists(
    st.tuples(st.sampled_from(["order", "sell"]), st.sampled_from("ABC"), st.integers(1, 4), st.integers(0, 5000)),
    max_size=30,
)


@given(moves=MOVES, is_watched=st.booleans())
def test_units_are_conserved_and_looking_changes_nothing(
    moves: list[tuple[str, str, int, int]], is_watched: bool
) -> None:
    emulator, seconds, sold = loaded(), 0, 0
    for number, (what, sku, units, wait) in enumerate(moves):
        seconds += wait
        if is_watched:
            get(emulator, "/feed/stock.csv", seconds)
        if what == "order":
            order(emulator, f"SO-{number}", seconds, **{sku: units})
        else:
            sold += emulator.sell(sku, units, at(seconds))
        assert min(emulator.stock().values()) >= 0
    emulator.advance(at(seconds + 99_999))
    assert sum(emulator.stock().values()) + sold + sum(emulator.shipped().values()) == 8
    assert min(emulator.stock().values()) >= 0
