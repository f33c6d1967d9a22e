"""Feeds to offers, and whether they may be believed."""

import codecs
import gzip
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings import supplier_feed
from mappings.errors import UnreadableDocumentError
from mappings.feed_shape import FeedShape
from mappings.supplier_feed import (
    FeedDeclaration,
    FeedLimits,
    FeedReading,
    RowRemark,
    feed_document,
    judge_feed,
    read_feed,
)
from schemas.base import Money
from schemas.documents import Heard, RawDocument
from schemas.dropship import RefusedRow
from schemas.stock import SupplierOffer
from tests.reference import shared

AS_OF = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
COLUMNS = {"supplier_sku": "sku", "units": "stock"}
FULL = {
    "supplier_sku": "sku",
    "gtin": "ean",
    "title": "title",
    "units": "stock",
    "unit_cost": "price",
    "currency": "currency",
    "lead_time_days": "days",
    "as_of": "as_of",
}


def declared(columns: Mapping[str, str] | None = None, **options: Any) -> FeedDeclaration:
    of_shape = {name: options.pop(name) for name in list(options) if name in FeedShape.model_fields}
    shape = FeedShape.model_validate({"format": "csv", "columns": columns or COLUMNS, **of_shape})
    return FeedDeclaration.model_validate({"supplier": "acme", "shape": shape, "as_of": AS_OF, **options})


def read(file: str | bytes, columns: Mapping[str, str] | None = None, **options: Any) -> FeedReading:
    body = file.encode() if isinstance(file, str) else file
    return read_feed(feed_document(declared(columns, **options), body))


def stock(reading: FeedReading) -> dict[str, int | None]:
    return {offer.supplier_sku: offer.units for offer in reading.offers}


def judged(reading: FeedReading, previous_rows: int | None = None, **more: Any) -> str | None:
    return judge_feed(reading, previous_rows, more.pop("limits", FeedLimits()), **more)


# --- rows to offers


def test_a_full_row_is_read_exactly() -> None:
    text = (
        "sku;ean;title;stock;price;currency;days;as_of\r\n"
        "A-1;3000000000328;Crème brûlée;1.250;1.234,50;eur;2-3;2026-03-02T07:30:00\r\n"
        "B-2;;;0;;;;\r\n"
    )
    reading = read(text, FULL, time_zone="Europe/Paris")
    assert reading.offers == (
        SupplierOffer(
            supplier="acme",
            supplier_sku="A-1",
            gtin="3000000000328",
            title="Crème brûlée",
            units=1250,
            unit_cost=Money(amount=Decimal("1234.50"), currency="EUR"),
            lead_time_days=3,
            as_of=datetime(2026, 3, 2, 6, 30, tzinfo=UTC),
        ),
        SupplierOffer(supplier="acme", supplier_sku="B-2", units=0, as_of=AS_OF),
    )
    assert (reading.rows, reading.refused, reading.remarks, reading.damage) == (2, (), (), ())
    assert judged(reading) is None


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
def test_the_separator_is_found_by_the_declared_columns(separator: str) -> None:
    # The title's own commas and semicolons outnumber the separators.
    text = f'title{separator}sku{separator}stock\n"a,b;c,d;e,f;g"{separator}A{separator}4\n'
    assert stock(read(text)) == {"A": 4}


def test_a_declared_separator_wins() -> None:
    with pytest.raises(UnreadableDocumentError, match=r"column 'sku' \(supplier_sku\) is not in the header"):
        read("sku;stock\nA;4\n", separator=",")


def test_a_preamble_and_columns_by_position() -> None:
    assert stock(read("Stock list\n\nsku;stock\nA;4\n", skip_lines=2)) == {"A": 4}
    assert stock(read("A;4\nB;5\n", {"supplier_sku": "1", "units": "2"}, has_header=False)) == {"A": 4, "B": 5}


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (";4", "no supplier sku"),
        ("A;", "no stock figure"),
        ("A;some", "'some' is not a number with '.' as its decimal mark"),
        ("A;2.5", "'2.5' units: a unit cannot be a fraction"),
        ("A;1.234", "'1.234' may be a thousand or a fraction: declare `decimal`"),
        ("A;99999999999", "99999999999 units cannot be believed"),
        ("A;1e3", "'1e3' is not a number with '.' as its decimal mark"),
        ("A;٣", "'٣' is not a number with '.' as its decimal mark"),
        ("7,6223E+12;4", "supplier sku '7,6223E+12' is a number in scientific notation: the code is lost"),
        ("A\x07;4", "supplier sku 'A\\x07' is longer than 255 characters or holds control characters"),
        (f"{'x' * 256};4", f"supplier sku {'x' * 30!r} is longer than 255 characters or holds control characters"),
        ("A", "the row has 1 cells, the header has 2"),
        ("A;4;5", "the row has 3 cells, the header has 2"),
    ],
)
def test_a_bad_row_is_refused_with_its_line_and_the_others_are_kept(cells: str, reason: str) -> None:
    reading = read(f"sku;stock\nfirst;1\n\n{cells}\nlast;2\n", separator=";")
    assert reading.refused == (RefusedRow(4, reason),)
    assert stock(reading) == {"first": 1, "last": 2}
    assert reading.rows == 3


@pytest.mark.parametrize(
    ("cell", "units", "remark"),
    [
        ("10+", 10, "'10+' read as 10"),
        (">10", 10, "'>10' read as 10"),
        ("-3", 0, "-3 units read as 0"),
        ("12,0", 12, None),
        ("In Stock", 5, None),
        ("", 0, None),
    ],
)
def test_units_are_never_more_than_stated(cell: str, units: int, remark: str | None) -> None:
    reading = read(f"sku;stock;x\nA;{cell};1\n", units_words={"in stock": 5, "": 0}, decimal=",")
    assert stock(reading) == {"A": units}
    assert reading.remarks == (() if remark is None else (RowRemark(2, remark),))


COSTS = {**COLUMNS, "unit_cost": "price", "currency": "currency"}


@pytest.mark.parametrize(
    ("cell", "currency", "amount"),
    [("12,50 €", "EUR", "12.50"), ("€ 0,01", "", "0.01"), ("1 234,50", "EUR", "1234.50"), ("7 USD", "", "7")],
)
def test_costs_are_exact(cell: str, currency: str, amount: str) -> None:
    (offer,) = read(f"sku;stock;price;currency\nA;1;{cell};{currency}\n", COSTS, decimal=",").offers
    expected_currency = "USD" if "USD" in cell else "EUR"
    assert offer.unit_cost == Money(amount=Decimal(amount), currency=expected_currency)
    assert str(offer.unit_cost.amount) == amount


@pytest.mark.parametrize(
    ("cell", "currency", "reason"),
    [
        ("12,50", "", "cost '12,50' has no currency"),
        ("12,50 €", "USD", "cost '12,50 €' is not in USD"),
        ("-1,00", "EUR", "cost '-1,00' is not an amount of 0 or more"),
        ("12.50", "EUR", "'12.50' is not a number with ',' as its decimal mark"),
        ("on request", "EUR", "cost 'on request' is not an amount"),
        ("5", "EURO", "'EURO' is not a currency code"),
    ],
)
def test_a_cost_that_cannot_be_believed_refuses_its_row(cell: str, currency: str, reason: str) -> None:
    reading = read(f"sku;stock;price;currency\nA;1;{cell};{currency}\n", COSTS, decimal=",")
    assert (reading.offers, reading.refused) == ((), (RefusedRow(2, reason),))


def test_the_decimal_mark_is_detected_only_where_the_figures_prove_it() -> None:
    columns = {**COLUMNS, "unit_cost": "price"}
    (first, second) = read("sku;stock;price\nA;1.250;9,95\nB;1;1.000\n", columns, currency="EUR").offers
    assert (first.units, first.unit_cost, second.unit_cost) == (
        1250,
        Money(amount=Decimal("9.95"), currency="EUR"),
        Money(amount=Decimal(1000), currency="EUR"),
    )
    with pytest.raises(UnreadableDocumentError, match=r"both decimal marks \('9,95' and '9\.95'\)"):
        read("sku;stock;price\nA;1;9,95\nB;1;9.95\n", columns, currency="EUR")


@given(
    whole=st.integers(0, 10**9), cents=st.integers(0, 99), mark=st.sampled_from([".", ","]), is_grouped=st.booleans()
)
def test_an_amount_written_in_a_declared_convention_comes_back(
    whole: int, cents: int, mark: str, is_grouped: bool
) -> None:
    group = "," if mark == "." else "."
    figure = f"{whole:,}".replace(",", group) if is_grouped else str(whole)
    columns = {**COLUMNS, "unit_cost": "price"}
    reading = read(f"sku;stock;price\nA;1;{figure}{mark}{cents:02d}\n", columns, decimal=mark, currency="EUR")
    assert [offer.unit_cost for offer in reading.offers] == [
        Money(amount=Decimal(whole) + Decimal(cents) / 100, currency="EUR")
    ]


# --- codes

CODES = {**COLUMNS, "gtin": "ean"}


@pytest.mark.parametrize(
    ("cell", "gtin", "remark"),
    [
        ("3000000000328", "03000000000328", None),
        ("'3000000000328", "03000000000328", None),
        ('"=""3000000000328"""', "03000000000328", None),
        ("3000000000328.0", "03000000000328", None),
        ("3 000000-000328", "03000000000328", None),
        ("62020000743", "00062020000743", "GTIN '62020000743' had lost its leading zeros: read as '062020000743'"),
        ("62020000744", None, "GTIN '62020000744' has 11 digits: loaded without it"),
        ("17", None, "GTIN '17' has 2 digits: loaded without it"),
        ("3000000000327", None, "GTIN '3000000000327' has a wrong check digit: loaded without it"),
        ("0000000000000", None, "'0000000000000' is not a GTIN: loaded without it"),
        ("n/a", None, "'n/a' is not a GTIN: loaded without it"),
        ("7,6223E+12", None, "GTIN '7,6223E+12' was turned into a number by a spreadsheet"),
        ("7622300000000", None, "GTIN '7622300000000' was turned into a number by a spreadsheet"),
    ],
)
def test_a_gtin_is_loaded_only_when_its_check_digit_is_right(cell: str, gtin: str | None, remark: str | None) -> None:
    reading = read(f"sku;ean;stock\nA;{cell};4\n", CODES)
    assert [(offer.gtin, offer.units) for offer in reading.offers] == [(gtin, 4)]
    assert reading.remarks == (() if remark is None else (RowRemark(2, remark),))
    assert [mark.remark for mark in reading.mangled] == ([cell] if "spreadsheet" in (remark or "") else [])


def test_a_sku_that_only_looks_scientific_is_a_sku() -> None:
    reading = read("sku;stock\n12E5;1\n4E3;2\n")
    assert (stock(reading), reading.mangled) == ({"12E5": 1, "4E3": 2}, ())


def _feed_of(codes: list[str]) -> str:
    return "sku;ean;stock\n" + "".join(f"S{number};{code};1\n" for number, code in enumerate(codes))


def test_mangled_codes_above_a_small_share_hold_the_feed() -> None:
    few = read(_feed_of(["3000000000328"] * 99 + ["7,6223E+12"]), CODES)
    assert (len(few.mangled), judged(few)) == (1, None)
    more = read(_feed_of(["3000000000328"] * 98 + ["7,6223E+12"] * 2), CODES)
    assert judged(more) == (
        "mangled codes in 2 of 100 rows (line 100: 7,6223E+12): "
        "the file went through a spreadsheet, ask for the export as it was"
    )


# --- encodings


@pytest.mark.parametrize(
    ("encoding", "encoding_declared"),
    [(name, declared) for name in ("utf-8", "utf-8-sig", "cp1252", "latin-1", "utf-16") for declared in (name, None)]
    + [("cp437", "cp437")],  # an old code page can only be declared
)
def test_encodings_are_read(encoding: str, encoding_declared: str | None) -> None:
    body = "sku;titre;stock\nA;Thé à la crème;4\n".encode(encoding)
    reading = read(body, {"supplier_sku": "sku", "title": "titre", "units": "stock"}, encoding=encoding_declared)
    assert [offer.title for offer in reading.offers] == ["Thé à la crème"]
    assert judged(reading) is None


def test_windows_text_that_is_utf8_in_one_place_by_chance_is_windows_text() -> None:
    titles = ["CAFÉ»"] + ["Crème brûlée à l\u2019œuf"] * 3
    body = ("sku;stock;titre\n" + "".join(f"S{n};4;{title}\n" for n, title in enumerate(titles))).encode("cp1252")
    reading = read(body, {**COLUMNS, "title": "titre"}, limits=FeedLimits())
    assert reading.damage == ()
    assert [offer.title for offer in reading.offers] == titles


@pytest.mark.parametrize(
    ("written", "declared_as", "reason"),
    [
        ("cp1252", "utf-8", "wrong encoding: the feed is not utf-8 (byte at position 18)"),
        ("utf-8", "cp1252", "wrong encoding: the feed is declared as cp1252, but it is UTF-8"),
        ("utf-8", "ascii", "wrong encoding: the feed is not ascii (byte at position 18)"),
    ],
)
def test_a_wrong_declared_encoding_holds_the_feed(written: str, declared_as: str, reason: str) -> None:
    body = "sku;stock;t\nA;4;Thé à\n".encode(written)
    assert judged(read(body, encoding=declared_as)) == reason


def test_mixed_encodings_hold_the_feed() -> None:
    body = "sku;stock;t\nA;4;Thé\n".encode() + "B;4;Thé\n".encode("cp1252")
    assert judged(read(body)) == ("mixed encodings: 1 characters are UTF-8, 1 are not (first at byte 27)")


@pytest.mark.parametrize("title", ["Thé", "Crème brûlée", "l\u2019œuf"])
def test_text_read_in_a_wrong_encoding_before_it_came_holds_the_feed(title: str) -> None:
    columns = {**COLUMNS, "title": "title"}
    broken = title.encode().decode("cp1252")
    assert judged(read(f"sku;stock;title\nA;4;{broken}\n", columns)) == (
        "broken characters in 1 of 1 rows (first in line 2): the text was saved in a wrong encoding"
    )
    assert judged(read(f"sku;stock;title\nA;4;{title}\n", columns)) is None


def test_a_replacement_character_is_broken_text() -> None:
    reading = read("sku;stock;title\nA;4;Th\ufffd\n", {**COLUMNS, "title": "title"})
    assert reading.damaged_text_lines == (2,)


# --- unfinished


def test_a_feed_that_breaks_off_is_held() -> None:
    assert judged(read("sku;stock;t\nA;4;x\nB;5")) == "unfinished: the feed breaks off in line 3; " + (
        "1 of 2 rows cannot be used (line 3: the row has 2 cells, the header has 3)"
    )
    assert (
        judged(read('sku;stock\nA;4\n"B;5\nC;6\n'))
        == "unfinished: the feed breaks off within quotes that open in line 3"
    )
    assert judged(read("")) == "the feed is empty"
    assert judged(read("sku;stock\n")) == "the feed has no rows"


def test_a_stray_quote_does_not_swallow_rows() -> None:
    with pytest.raises(UnreadableDocumentError, match="CSV is broken in line 3"):
        read('sku;stock\nA;4\n"B"x;5\nC;6\n')
    assert stock(read('sku;stock\n"B"x;5\n', quote="")) == {'"B"x': 5}


TRAILER = r"EOF;(?P<rows>\d+)"


def test_a_control_total_is_compared() -> None:
    complete = read("sku;stock\nA;4\nB;5\nEOF;2\n", trailer=TRAILER)
    assert (stock(complete), judged(complete)) == ({"A": 4, "B": 5}, None)
    assert judged(read("sku;stock\nA;4\nEOF;2\n", trailer=TRAILER)) == (
        "unfinished: the last line announces 2 rows, the feed has 1"
    )
    assert judged(read("sku;stock\nA;4\nB;5\n", trailer=TRAILER)) == (
        "unfinished: the line that ends a complete feed is missing"
    )


def test_a_compressed_feed_is_unpacked_and_its_cut_noticed() -> None:
    text = "sku;stock\n" + "".join(f"S{number};{number}\n" for number in range(5000))
    body = gzip.compress(text.encode())
    assert len(read(body).offers) == 5000
    cut = judged(read(body[: len(body) // 2]))
    assert cut is not None
    assert cut.startswith("the compressed file breaks off: it was taken before it was complete")


# --- duplicates


def test_the_same_row_twice_is_one_offer_and_different_figures_hold_the_feed() -> None:
    same = read("sku;stock\nA;4\nA;4\n")
    assert (stock(same), judged(same)) == ({"A": 4}, None)
    assert same.remarks == (RowRemark(3, "supplier sku 'A' stands in line 2 already, with the same figures"),)
    rows = "".join(f"S{number};1\n" for number in range(40))
    different = read(f"sku;stock\nA;4\nA;5\nA;6\n{rows}")
    assert len(different.offers) == 40
    assert "A" not in stock(different)
    assert different.refused == (
        RefusedRow(2, "supplier sku 'A' stands in lines 2 and 3 with different figures"),
        RefusedRow(3, "supplier sku 'A' stands in lines 2 and 3 with different figures"),
        RefusedRow(4, "supplier sku 'A' stands in lines 2 and 4 with different figures"),
    )
    assert judged(different) == "1 supplier skus stand twice with different figures ('A')"


# --- time


@pytest.mark.parametrize(
    ("cell", "form", "expected"),
    [
        ("2026-03-02T08:00:00+01:00", None, datetime(2026, 3, 2, 7, 0, tzinfo=UTC)),
        ("2026-10-25 02:30:00", None, datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # twice that night: the earlier
        ("02/03/2026 08:00", "%d/%m/%Y %H:%M", datetime(2026, 3, 2, 7, 0, tzinfo=UTC)),
        ("1772434800", "epoch", datetime(2026, 3, 2, 7, 0, tzinfo=UTC)),
        ("", None, AS_OF),
    ],
)
def test_the_time_of_a_row_is_the_suppliers(cell: str, form: str | None, expected: datetime) -> None:
    columns = {**COLUMNS, "as_of": "at"}
    (offer,) = read(f"sku;stock;at\nA;4;{cell}\n", columns, time_zone="Europe/Paris", as_of_format=form).offers
    assert offer.as_of == expected


def test_a_time_in_an_undeclared_form_is_not_guessed() -> None:
    reading = read("sku;stock;at\nA;4;02/03/2026\nB;4;20260302\n", {**COLUMNS, "as_of": "at"})
    assert reading.offers == ()
    assert reading.refused == (
        RefusedRow(2, "'02/03/2026' is not a time written as ISO 8601"),
        RefusedRow(3, "'20260302' is not a time written as ISO 8601"),
    )


def test_without_any_time_rows_are_refused() -> None:
    reading = read("sku;stock\nA;4\n", as_of=None)
    assert reading.refused == (
        RefusedRow(2, "of what time the figures are is stated neither in the row nor for the file"),
    )


# --- JSON and XML


def test_json_with_paths() -> None:
    document = {
        "meta": {"generated": "2026-03-02T05:00:00Z"},
        "products": [
            {
                "title": "T-shirt",
                "variants": [{"ref": "TS-S", "stock": {"free": 3}}, {"ref": "TS-M", "stock": {"free": 0}}],
            },
            {"title": "Cap", "ref": 4711, "stock": {"free": 7}},
            "surprise",
            {"title": "Box", "ref": {"no": 1}, "stock": {"free": 7}},
            {"title": "Bool", "ref": "BO", "stock": {"free": True}},
        ],
    }
    columns = {"supplier_sku": "ref", "title": "title", "units": "stock.free"}
    shape = {"format": "json", "rows": "products", "within": "variants", "as_of_path": "meta.generated"}
    reading = read(json.dumps(document), columns, **shape)
    at = datetime(2026, 3, 2, 5, 0, tzinfo=UTC)
    assert [(offer.supplier_sku, offer.title, offer.units, offer.as_of) for offer in reading.offers] == [
        ("TS-S", "T-shirt", 3, at),
        ("TS-M", "T-shirt", 0, at),
        ("4711", "Cap", 7, at),
    ]
    assert reading.refused == (
        RefusedRow(3, "the row is not an object with named fields"),
        RefusedRow(4, "'ref' (supplier_sku) is not a single value"),
        RefusedRow(5, "'true' is not a number with '.' as its decimal mark"),
    )


def test_json_amounts_are_never_floats() -> None:
    columns = {**COLUMNS, "unit_cost": "prix HT"}
    (offer,) = read('[{"sku": "A", "stock": 1, "prix HT": 0.10}]', columns, format="json", currency="EUR").offers
    assert str(offer.unit_cost and offer.unit_cost.amount) == "0.10"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"sku": "A", "stock": 4}', "not complete JSON"),
        ('{"sku": "A"}', "the document is not a list of rows"),
        ('[{"sku": "A", "stock": NaN}]', "NaN is not a number"),
        ('[{"sku": "A"}]', r"no row has 'stock' \(units\)"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_json_that_is_no_feed_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UnreadableDocumentError, match=reason):
        read(text, format="json")


def test_xml_with_attributes_namespaces_and_one_row() -> None:
    text = (
        '<?xml version="1.0" encoding="ISO-8859-1"?><c:catalog xmlns:c="urn:x" at="2026-03-02T05:00:00Z">'
        '<c:item ref="A"><c:name>Thé</c:name><c:price currency="EUR">9.95</c:price><c:stock>4</c:stock></c:item>'
        "</c:catalog>"
    )
    columns = {
        "supplier_sku": "@ref",
        "title": "name",
        "units": "stock",
        "unit_cost": "price",
        "currency": 'price."@currency"',
    }
    shape = {"format": "xml", "rows": "catalog.item", "as_of_path": 'catalog."@at"'}
    assert read(text.encode("latin-1"), columns, **shape).offers == (
        SupplierOffer(
            supplier="acme",
            supplier_sku="A",
            title="Thé",
            units=4,
            unit_cost=Money(amount=Decimal("9.95"), currency="EUR"),
            as_of=datetime(2026, 3, 2, 5, 0, tzinfo=UTC),
        ),
    )
    two = "<feed><row><sku>A</sku><stock>1</stock></row><row><sku>B</sku><stock>2</stock></row></feed>"
    assert stock(read(two, format="xml")) == {"A": 1, "B": 2}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<feed><row><sku>A</sku>", "not complete XML"),
        ('<!DOCTYPE f [<!ENTITY a "aaaa">]><feed><row><sku>&a;</sku></row></feed>', "declares entities"),
        (f"<feed>{'<a>' * 200}{'</a>' * 200}</feed>", "nested too deeply"),
    ],
)
def test_xml_that_is_hostile_or_broken_is_refused(text: str, reason: str) -> None:
    with pytest.raises(UnreadableDocumentError, match=reason):
        read(text, format="xml")


def test_a_declared_encoding_wins_over_the_one_in_the_xml() -> None:
    text = '<?xml version="1.0" encoding="utf-8"?><f><row><sku>É</sku><stock>1</stock></row></f>'.encode("cp1252")
    assert stock(read(text, format="xml", encoding="cp1252")) == {"É": 1}
    with pytest.raises(UnreadableDocumentError, match="not complete XML in its declared encoding"):
        read(text, format="xml")


# --- the whole


def _good(rows: int, units: int = 1) -> FeedReading:
    return read("sku;stock\n" + "".join(f"S{number};{units}\n" for number in range(rows)))


@pytest.mark.parametrize(("rows", "is_held"), [(71, False), (70, True), (100, False), (500, False)])
def test_a_feed_that_lost_thirty_percent_is_held(rows: int, is_held: bool) -> None:
    verdict = judged(_good(rows), 100)
    assert verdict == ("70 offers where there were 100: 30% are gone" if is_held else None)
    assert judged(_good(rows), None) is None


def test_the_merchants_own_limit_counts() -> None:
    assert judged(_good(70), 100, limits=FeedLimits(max_lost_share=0.5)) is None
    assert judged(_good(95), 100, limits=FeedLimits(max_lost_share=0.05)) == (
        "95 offers where there were 100: 5% are gone"
    )


def test_everything_zero_is_believed_only_where_it_was_zero_or_few() -> None:
    assert judged(_good(10, units=0), 10, previous_units=55) == (
        "all 10 stock figures are 0, and there were 55 units before"
    )
    assert judged(_good(10, units=0), 10, previous_units=0) is None
    assert judged(_good(10, units=0), 10) is None
    assert judged(_good(9, units=0), 9, previous_units=55) is None
    assert judged(_good(10, units=1), 10, previous_units=55) is None


def test_too_many_refused_rows_hold_the_feed() -> None:
    good = "".join(f"S{number};1\n" for number in range(9))
    assert judged(read(f"sku;stock\n{good}X;?\n")) is None
    assert judged(read(f"sku;stock\n{good[5:]}X;?\nY;?\n")) == (
        "2 of 10 rows cannot be used (line 10: '?' is not a number with '.' as its decimal mark)"
    )
    assert judged(read("sku;stock\nX;?\n"), limits=FeedLimits(max_refused_share=1.0)) == (
        "1 of 1 rows cannot be used (line 2: '?' is not a number with '.' as its decimal mark)"
    )


# --- the document


def test_the_same_file_is_the_same_event_and_another_reading_of_it_is_not() -> None:
    file = b"sku;stock\nA;4\n"
    first = feed_document(declared(), file)
    assert first.event_id.startswith("feed:")
    assert len(first.event_id) == len("feed:") + 64
    assert (first.topic, first.document_id, first.heard, first.happened_at) == ("feed", "acme", Heard.POLL, AS_OF)
    assert feed_document(declared(), file).event_id == first.event_id
    assert feed_document(declared(), b"sku;stock\nA;5\n").event_id != first.event_id
    assert feed_document(declared(units_words={"x": 1}), file).event_id != first.event_id
    later = datetime(2026, 3, 3, tzinfo=UTC)
    assert feed_document(declared(as_of=later), file).event_id != first.event_id


def test_a_feed_that_states_its_time_is_the_same_event_whenever_it_is_fetched() -> None:
    columns = {**COLUMNS, "as_of": "at"}
    file = b"sku;stock;at\nA;4;2026-03-02T05:00:00Z\n"
    later = datetime(2026, 3, 3, tzinfo=UTC)
    again = feed_document(declared(columns, as_of=later), file)
    assert again.event_id == feed_document(declared(columns), file).event_id
    assert [offer.as_of for offer in read_feed(again).offers] == [datetime(2026, 3, 2, 5, 0, tzinfo=UTC)]


def test_the_verdict_holds_the_good_offers_and_the_refused_rows() -> None:
    good = "".join(f"S{number};1\n" for number in range(9))
    document = feed_document(declared(), f"sku;stock\n{good}X;?\n".encode())
    verdict = supplier_feed.read(document, None, None)
    assert [offer.supplier_sku for offer in verdict.offers] == [f"S{n}" for n in range(9)]
    assert [row.line for row in verdict.refused] == [11]
    assert verdict.held_reason is None


def test_the_verdict_compares_with_the_last_feed() -> None:
    document = feed_document(declared(), b"sku;stock\nA;1\n")
    assert supplier_feed.read(document, 10, 10).held_reason == "1 offers where there were 10: 90% are gone"


def test_the_verdict_holds_a_feed_of_wrong_encoding() -> None:
    document = feed_document(declared(encoding="utf-8"), "sku;stock;t\nA;4;é\n".encode("cp1252"))
    assert (supplier_feed.read(document, None, None).held_reason or "").startswith("wrong encoding")


@pytest.mark.parametrize("body", [b"", b"sku;stock\nA;4\n", b"{}\nsku\n", b'{"supplier": "acme"}\n', b"\xff\xfe\n"])
def test_a_document_that_is_no_feed_is_refused(body: bytes) -> None:
    document = RawDocument("feed", "acme", "feed:x", body, Heard.POLL)
    with pytest.raises(UnreadableDocumentError, match="declaration"):
        read_feed(document)


def test_an_unknown_topic_is_refused() -> None:
    with pytest.raises(UnreadableDocumentError, match="topic 'order' is not known"):
        supplier_feed.read(RawDocument("order", "1", "1", b"", Heard.POLL), None, None)


@given(body=st.binary(max_size=300), form=st.sampled_from(["csv", "xlsx", "json", "xml"]))
def test_whatever_comes_is_read_or_refused(body: bytes, form: str) -> None:
    try:
        reading = read(body, format=form)
    except UnreadableDocumentError:
        return
    assert len(reading.offers) + len(reading.refused) <= reading.rows or reading.conflicting_skus


@given(
    rows=st.dictionaries(
        st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20),
        st.integers(0, 10**6),
        max_size=30,
    )
)
def test_every_row_is_an_offer_or_refused_with_its_line(rows: Mapping[str, int]) -> None:
    text = "stock\tsku\r\n" + "".join(f"{units}\t{sku}\r\n" for sku, units in rows.items())
    reading = read(text, quote="", separator="\t", encoding="utf-8")
    refused = {row.line for row in reading.refused}
    kept = [offer.units for offer in reading.offers]
    assert len(kept) + len(refused) == len(rows) == reading.rows
    assert kept == [units for line, units in enumerate(rows.values(), start=2) if line not in refused]


# --- real files


def test_the_real_feed_mangled_by_excel_is_held_with_all_its_reasons() -> None:
    body = shared("data", "catalogue", "supplier_feed_mangled_by_excel.csv").read_bytes()
    columns = {"supplier_sku": "code", "gtin": "code", "title": "product_name_fr"}
    document = feed_document(declared(columns), body)
    reading = read_feed(document)
    assert (reading.rows, len(reading.mangled), len(reading.damaged_text_lines)) == (397, 367, 116)
    assert judged(reading) == (
        "mixed encodings: 146693 characters are UTF-8, 3521 are not (first at byte 5565); "
        "mangled codes in 367 of 397 rows (line 2: 7,6223E+12): the file went through a spreadsheet, "
        "ask for the export as it was; "
        "broken characters in 116 of 397 rows (first in line 4): the text was saved in a wrong encoding; "
        "368 of 397 rows cannot be used (line 2: supplier sku '7,6223E+12' is a number in scientific notation: "
        "the code is lost)"
    )
    assert supplier_feed.read(document, None, None).held_reason == judged(reading)


def test_a_real_catalogue_loads_without_stock_and_its_invalid_gtins_are_reported() -> None:
    body = shared("data", "catalogue", "openfoodfacts_products.csv").read_bytes()
    columns = {"supplier_sku": "code", "gtin": "code", "title": "product_name"}
    reading = read(body, columns)
    assert (len(reading.offers), reading.refused, judged(reading, 3236)) == (3236, (), None)
    assert {offer.units for offer in reading.offers} == {None}
    # 106 codes are not GTINs; two of them are UPCs that lost their zeros, which their check digits prove.
    assert len(reading.remarks) == 106
    assert sum(offer.gtin is None for offer in reading.offers) == 104
    assert [remark for remark in reading.remarks if "lost" in remark.remark] == [
        RowRemark(383, "GTIN '1000001592' had lost its leading zeros: read as '001000001592'"),
        RowRemark(1597, "GTIN '62020000743' had lost its leading zeros: read as '062020000743'"),
    ]
    assert reading.remarks[0] == RowRemark(4, "GTIN '0000605132457' has a wrong check digit: loaded without it")


def test_forty_thousand_real_eans_load() -> None:
    body = shared("data", "catalogue", "fr_eans_40k.csv.gz").read_bytes()
    reading = read(body, {"supplier_sku": "gtin", "gtin": "gtin", "title": "name"})
    assert (reading.rows, len(reading.offers), reading.refused) == (40_000, 39_999, ())
    assert sum(offer.gtin is None for offer in reading.offers) == 17
    assert len(reading.remarks) == 18  # the 17, and one code that stands twice
    assert judged(reading) is None


def test_two_thousand_real_invalid_codes_are_each_reported() -> None:
    body = shared("data", "catalogue", "invalid_gtins_2k.csv").read_bytes()
    reading = read(body, {"supplier_sku": "code", "gtin": "code", "title": "name"})
    assert (len(reading.offers), len(reading.remarks), reading.refused) == (2000, 2000, ())
    repaired = [offer.gtin for offer in reading.offers if offer.gtin is not None]
    assert len(repaired) == 145  # 9 to 11 digits whose check digit proves the lost zeros
    assert all(code.startswith("000") for code in repaired)


def test_a_byte_order_mark_is_no_part_of_the_first_column() -> None:
    assert stock(read(codecs.BOM_UTF8 + b"sku;stock\nA;4\n", encoding="utf-8")) == {"A": 4}
