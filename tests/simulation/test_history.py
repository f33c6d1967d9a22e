"""Real order history as events: every row is in an event, or refused with its reason."""

import gzip
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulation.history import COLUMNS, Event, EventKind, History, HistoryError, read_history
from tests.reference import shared

DAY = "2010-12-01"


def row(invoice: str, sku: str, units: object, **said: str) -> list[str]:
    """One row: `at` is the time of day, `who` the customer."""
    values = {"title": "WHITE LANTERN", "at": "08:00", "price": "2.55", "who": "17850", "country": "France"} | said
    return [
        invoice,
        sku,
        values["title"],
        str(units),
        f"{DAY} {values['at']}",
        values["price"],
        values["who"],
        "France",
    ]


def written(folder: Path, rows: Sequence[Sequence[str]], columns: Sequence[str] = COLUMNS) -> Path:
    path = folder / "history.csv"
    lines = [",".join(columns), *(",".join(f'"{value}"' for value in one) for one in rows)]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def read(folder: Path, *rows: Sequence[str]) -> History:
    return read_history([written(folder, rows)])


def told(history: History) -> list[tuple[EventKind, str, tuple[tuple[str, int], ...], str | None]]:
    return [(event.kind, event.invoice, event.lines, event.of) for event in history.events]


def test_an_invoice_is_one_sale_with_its_skus_summed(tmp_path: Path) -> None:
    history = read(
        tmp_path,
        row("536365", "85123A", 6),
        row("536365", "71053", 2, title="METAL LANTERN", price="3.39"),
        row("536365", "85123A", 4),
        row("536366", "71053", 1, at="07:59", who="13047"),
    )
    assert history.events == [
        Event(EventKind.SALE, datetime(2010, 12, 1, 7, 59, tzinfo=UTC), "536366", (("71053", 1),), "13047", "France"),
        Event(
            EventKind.SALE,
            datetime(2010, 12, 1, 8, 0, tzinfo=UTC),
            "536365",
            (("85123A", 10), ("71053", 2)),
            "17850",
            "France",
        ),
    ]
    assert history.rows_read == 4
    assert history.refused == {}
    assert history.prices == {"85123A": Decimal("2.55"), "71053": Decimal("2.55")}


def test_a_cancellation_takes_back_the_newest_purchase_first_and_in_part(tmp_path: Path) -> None:
    history = read(
        tmp_path,
        row("1", "85123A", 5, at="08:00"),
        row("2", "85123A", 3, at="09:00"),
        row("C3", "85123A", -4, at="10:00"),
        row("C4", "85123A", -9, at="11:00"),
    )
    assert told(history)[2:] == [
        (EventKind.TAKE_BACK, "C3-0", (("85123A", 1),), "1"),
        (EventKind.TAKE_BACK, "C3-1", (("85123A", 3),), "2"),
        (EventKind.TAKE_BACK, "C4-0", (("85123A", 4),), "1"),
        (EventKind.BLIND_RETURN, "C4", (("85123A", 5),), None),
    ]


@pytest.mark.parametrize("who", ["", "99999"])
def test_what_nobody_is_known_to_have_bought_is_a_blind_return(tmp_path: Path, who: str) -> None:
    history = read(tmp_path, row("1", "85123A", 5), row("C2", "85123A", -2, at="09:00", who=who))
    assert told(history)[1:] == [(EventKind.BLIND_RETURN, "C2", (("85123A", 2),), None)]


def test_only_the_same_customer_and_sku_are_matched(tmp_path: Path) -> None:
    history = read(
        tmp_path,
        row("1", "85123A", 5),
        row("1", "71053", 5),
        row("C2", "71053", -1, at="09:00", who="17850.0"),
        row("C3", "85123A", -1, at="09:00", who="13047"),
    )
    assert told(history)[1:] == [
        (EventKind.TAKE_BACK, "C2-0", (("71053", 1),), "1"),
        (EventKind.BLIND_RETURN, "C3", (("85123A", 1),), None),
    ]


def test_a_negative_row_that_is_no_cancellation_corrects_stock(tmp_path: Path) -> None:
    history = read(tmp_path, row("536589", "21777", -10, price="0", who="", title=""), row("536589", "71053", -1))
    assert told(history) == [(EventKind.ADJUSTMENT, "536589", (("21777", -10), ("71053", -1)), None)]


def test_a_mixed_invoice_is_a_sale_and_a_correction(tmp_path: Path) -> None:
    history = read(tmp_path, row("1", "85123A", 5), row("1", "71053", -1))
    assert [(kind, lines) for kind, _, lines, _ in told(history)] == [
        (EventKind.SALE, (("85123A", 5),)),
        (EventKind.ADJUSTMENT, (("71053", -1),)),
    ]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row("1", "POST", 1), "not goods: POST"),
        (row("1", "BANK CHARGES", 1), "not goods: BANK CHARGES"),
        (row("1", "", 1), "not goods: no stock code"),
        (row("", "85123A", 1), "no invoice number"),
        (row("1", "85123A", 1, at="25:00"), "time cannot be read"),
        (row("1", "85123A", "many"), "quantity or price is not a number"),
        (row("1", "85123A", "Infinity"), "quantity or price is not a number"),
        (row("1", "85123A", "NaN"), "quantity or price is not a number"),
        (row("1", "85123A", 1, price="free"), "quantity or price is not a number"),
        (row("1", "85123A", 0), "quantity is zero or a fraction, or the price is negative"),
        (row("1", "85123A", "1.5"), "quantity is zero or a fraction, or the price is negative"),
        (row("C1", "85123A", 1), "a cancellation that takes nothing back"),
        (row("1", "85123A", 1, price="-11062.06"), "quantity is zero or a fraction, or the price is negative"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_row_that_is_no_goods_is_refused_with_its_reason(tmp_path: Path, bad: list[str], reason: str) -> None:
    history = read(tmp_path, bad, row("2", "85123A", 1))
    assert (dict(history.refused), history.rows_read, len(history.events)) == ({reason: 1}, 2, 1)


def test_one_sku_is_one_sku_however_it_is_written(tmp_path: Path) -> None:
    history = read(tmp_path, row("1", "85123a ", 5), row("c2", "85123A", -2, at="09:00"))
    assert told(history)[1] == (EventKind.TAKE_BACK, "C2-0", (("85123A", 2),), "1")
    assert list(history.titles) == ["85123A"]


def test_a_blank_description_is_named_by_a_later_one_and_else_by_its_sku(tmp_path: Path) -> None:
    history = read(
        tmp_path,
        row("1", "85123A", 5, title="", price="0"),
        row("2", "85123A", 1, at="09:00", title="WHITE HEART"),
        row("3", "71053", 1, title=""),
    )
    assert history.titles == {"85123A": "WHITE HEART", "71053": "71053"}


@pytest.mark.parametrize("form", ["12/1/2010 8:26", "2010-12-01 08:26:00", "2010-12-01 08:26", "2010-12-01T08:26:00"])
def test_every_form_of_a_time_is_utc(tmp_path: Path, form: str) -> None:
    one = row("1", "85123A", 1)
    one[4] = form
    assert read(tmp_path, one).events[0].at == datetime(2010, 12, 1, 8, 26, tzinfo=UTC)


def test_several_files_and_gzip_are_one_history(tmp_path: Path) -> None:
    plain = written(tmp_path, [row("2", "85123A", 1, at="09:00")])
    packed = tmp_path / "more.csv.gz"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + plain.read_bytes().replace(b'"2"', b'"1"')))
    history = read_history([plain, packed])
    assert (history.rows_read, [event.invoice for event in history.events]) == (2, ["1", "2"])


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, [row("1", "85123A", 1)[:-1]], COLUMNS[:-1])
    with pytest.raises(HistoryError, match=r"^history\.csv has no column 'Country': it needs InvoiceNo, "):
        read_history([path])


@pytest.mark.parametrize("damage", ["cut", "noise", "absent", "folder"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "broken.csv.gz"
    packed = gzip.compress(written(tmp_path, [row("1", "85123A", n) for n in range(1, 400)]).read_bytes())
    if damage == "cut":
        path.write_bytes(packed[: len(packed) // 2])
    elif damage == "noise":
        path.write_bytes(packed[:30] + b"\xff" * 200)
    elif damage == "folder":
        path.mkdir()
    with pytest.raises(HistoryError, match=r"^broken\.csv\.gz cannot be read: "):
        read_history([path])


@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["1", "2", "C3", "C4", "5", ""]),
            st.sampled_from(["85123A", "71053", "POST", "85123a"]),
            st.integers(-6, 6),
            st.sampled_from(["08:00", "09:00", "10:00", "nine"]),
            st.sampled_from(["17850", "13047", ""]),
        ),
        max_size=25,
    )
)
def test_every_unit_of_every_row_is_in_an_event_or_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, int, str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    history = read(folder, *(row(invoice, sku, units, at=at, who=who) for invoice, sku, units, at, who in rows))
    assert history.rows_read == len(rows)
    taken = [
        one
        for one in rows
        if one[0] and one[1] != "POST" and one[3] != "nine" and one[2] and not (one[0][0] == "C" and one[2] > 0)
    ]
    moved = sum(-units if invoice.startswith("C") else units for invoice, _, units, _, _ in taken)
    assert sum(units for event in history.events for _, units in event.lines) == moved
    assert history.refused.total() == len(rows) - len(taken)
    bought = {event.invoice: dict(event.lines) for event in history.events if event.kind is EventKind.SALE}
    for event in history.events:
        if event.kind is EventKind.TAKE_BACK:
            for sku, units in event.lines:
                bought[event.of or ""][sku] -= units
    assert all(units >= 0 for lines in bought.values() for units in lines.values())


def test_a_real_day_is_accounted_for_row_by_row() -> None:
    history = read_history([shared("data", "online_retail", "2010-12-23.csv.gz")])
    assert history.rows_read == 963
    assert history.refused == {
        "not goods: POST": 2,
        "not goods: GIFT_0001_50": 1,
        "not goods: DOT": 1,
        "not goods: C2": 1,
        "not goods: M": 1,
    }
    assert Counter(event.kind.value for event in history.events) == {"sale": 27, "blind_return": 10, "adjustment": 1}
