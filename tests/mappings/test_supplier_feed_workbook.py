"""Feeds as XLSX workbooks: what a spreadsheet does to codes, and what may be undone."""

import io
import zipfile
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from openpyxl import Workbook

from mappings.errors import UnreadableDocumentError
from mappings.feed_workbook import read_sheet
from mappings.supplier_feed import FeedLimits, FeedReading, RowRemark, judge_feed
from schemas.base import Money
from schemas.dropship import RefusedRow
from schemas.stock import SupplierOffer
from tests.mappings.test_supplier_feed import AS_OF, COLUMNS, read, stock

CODES = {**COLUMNS, "gtin": "ean"}


def workbook(*rows: list[object], sheet: str = "Stock") -> bytes:
    book = Workbook()
    page = book.active
    assert page is not None
    page.title = sheet
    for row in rows:
        page.append(row)
    other = book.create_sheet("Notes")
    other.append(["nothing here"])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def read_rows(*rows: list[object], **options: object) -> FeedReading:
    return read(workbook(["sku", "ean", "stock"], *rows), CODES, format="xlsx", **options)


def test_a_workbook_is_read_exactly() -> None:
    columns = {**CODES, "unit_cost": "cost", "as_of": "at"}
    body = workbook(
        ["sku", "ean", "stock", "cost", "at"],
        ["A", "3000000000328", 4, 12.34, datetime(2026, 3, 2, 7, 30)],  # noqa: DTZ001 - a sheet's times have no zone
        [],
        [4711, 3000000000328, 0, "9,95", None],
    )
    reading = read(body, columns, format="xlsx", currency="EUR", time_zone="Europe/Paris")
    assert reading.offers == (
        SupplierOffer(
            supplier="acme",
            supplier_sku="A",
            gtin="3000000000328",
            units=4,
            unit_cost=Money(amount=Decimal("12.34"), currency="EUR"),
            as_of=datetime(2026, 3, 2, 6, 30, tzinfo=UTC),
        ),
        SupplierOffer(
            supplier="acme",
            supplier_sku="4711",
            gtin="3000000000328",
            units=0,
            unit_cost=Money(amount=Decimal("9.95"), currency="EUR"),
            as_of=AS_OF,
        ),
    )
    assert reading.rows == 2


@pytest.mark.parametrize(
    ("cell", "gtin", "remark"),
    [
        (7622210449283, "07622210449283", None),
        (62020000743, "00062020000743", "GTIN '62020000743' had lost its leading zeros: read as '062020000743'"),
        (62020000744, None, "GTIN '62020000744' has 11 digits: loaded without it"),
        (7622300000000, None, "GTIN '7622300000000' was turned into a number by a spreadsheet"),
        ("7,6223E+12", None, "GTIN '7,6223E+12' was turned into a number by a spreadsheet"),
        (2.0**53, None, "GTIN '9.00720E+15' was turned into a number by a spreadsheet"),
        (3000000000328.5, None, "'3000000000328.5' is not a GTIN: loaded without it"),
    ],
)
def test_a_code_kept_as_a_number_is_repaired_only_where_nothing_was_lost(
    cell: object, gtin: str | None, remark: str | None
) -> None:
    reading = read_rows(["A", cell, 4])
    assert [offer.gtin for offer in reading.offers] == [gtin]
    assert reading.remarks == (() if remark is None else (RowRemark(2, remark),))


def test_skus_kept_as_numbers() -> None:
    reading = read_rows([9007199254740991, None, 1], [2.0**53, None, 1], [12.5, None, 1], [True, None, 1])
    assert stock(reading) == {"9007199254740991": 1, "true": 1}
    assert reading.refused == (
        RefusedRow(3, "supplier sku '9.00720E+15' is a number in scientific notation: the code is lost"),
        RefusedRow(4, "supplier sku 12.5 is a number that has lost its form: write the column as text"),
    )
    assert judge_feed(reading, None, FeedLimits()) is not None


def test_a_fraction_of_a_unit_is_refused() -> None:
    assert read_rows(["A", None, 2.5]).refused == (RefusedRow(2, "'2.5' units: a unit cannot be a fraction"),)


def test_the_sheet_is_the_declared_one_or_the_first() -> None:
    assert stock(read_rows(["A", None, 4], sheet="Stock")) == {"A": 4}
    with pytest.raises(UnreadableDocumentError, match=r"no sheet 'Lager', it has \['Stock', 'Notes'\]"):
        read_rows(["A", None, 4], sheet="Lager")


def test_lines_count_from_the_top_of_the_sheet() -> None:
    body = workbook([], ["Our stock"], ["sku", "stock"], ["A", 4], ["B", "?"])
    reading = read(body, format="xlsx", skip_lines=2)
    assert stock(reading) == {"A": 4}
    assert [row.line for row in reading.refused] == [5]


def test_a_broken_workbook_is_refused() -> None:
    whole = workbook(["sku", "stock"], ["A", 4])
    for body in (whole[: len(whole) // 2], b"PK\x03\x04 garbage", b"sku;stock\nA;4\n"):
        with pytest.raises(UnreadableDocumentError, match="not a complete XLSX workbook"):
            read(body, format="xlsx")


def test_another_archive_is_no_workbook() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("stock.csv", "sku;stock\nA;4\n")
    with pytest.raises(UnreadableDocumentError, match="the feed is not an XLSX workbook"):
        read(file.getvalue(), format="xlsx")


def test_a_stray_cell_at_the_far_end_does_not_take_all_memory() -> None:
    book = Workbook()
    page = book.active
    assert page is not None
    page["A1"], page["XFD1048576"] = "sku", "x"
    file = io.BytesIO()
    book.save(file)
    with pytest.raises(UnreadableDocumentError, match="spans 1048576 rows and 16384 columns: remove the stray cells"):
        read_sheet(file.getvalue(), None)
