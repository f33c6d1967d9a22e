"""Orders in the supplier's words, and its replies in ours."""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from mappings.errors import UnreadableDocumentError
from mappings.supplier_orders import OrderTemplate, ReplyReading, ReplyShape, order_document, read_replies
from schemas.dropship import DropShipLine, DropShipOrder, RefusedRow, SupplierReply

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ORDER = DropShipOrder(
    reference="SO-1",
    placed_at=AT,
    recipient={"name": 'Zoé "Z"; Ünal', "city": "Évry", "street": "1 rue A\nbât. B"},
    lines=(
        DropShipLine(line="1", supplier_sku="A", units=2),
        DropShipLine(line="2", supplier_sku="B;C", units=1),
    ),
)


def test_an_order_as_json_by_default() -> None:
    assert json.loads(order_document(ORDER, OrderTemplate())) == {
        "reference": "SO-1",
        "placed_at": "2026-03-02T09:00:00+00:00",
        "recipient": {"name": 'Zoé "Z"; Ünal', "city": "Évry", "street": "1 rue A\nbât. B"},
        "lines": [{"line": "1", "supplier_sku": "A", "units": 2}, {"line": "2", "supplier_sku": "B;C", "units": 1}],
    }


def test_an_order_in_the_suppliers_words() -> None:
    template = OrderTemplate(
        fields={"order.no": "reference", "order.to.city": "recipient.city", "order.to.phone": "recipient.phone?"},
        line_fields={"sku": "supplier_sku", "qty": "units"},
        lines_name="items",
        constants={"customer": "4711"},
    )
    assert json.loads(order_document(ORDER, template)) == {
        "customer": "4711",
        "order": {"no": "SO-1", "to": {"city": "Évry"}},
        "items": [{"sku": "A", "qty": 2}, {"sku": "B;C", "qty": 1}],
    }


def test_an_order_as_csv_has_a_row_for_each_line_and_always_the_same_columns() -> None:
    template = OrderTemplate(
        format="csv",
        fields={
            "ref": "reference",
            "name": "recipient.name",
            "phone": "recipient.phone?",
            "street": "recipient.street",
        },
        line_fields={"sku": "supplier_sku", "qty": "units"},
    )
    text = order_document(ORDER, template).decode()
    assert list(csv.reader(io.StringIO(text, newline=""), delimiter=";")) == [
        ["ref", "name", "phone", "street", "sku", "qty"],
        ["SO-1", 'Zoé "Z"; Ünal', "", "1 rue A\nbât. B", "A", "2"],
        ["SO-1", 'Zoé "Z"; Ünal', "", "1 rue A\nbât. B", "B;C", "1"],
    ]


def test_an_order_without_what_the_supplier_needs_is_refused_without_personal_data() -> None:
    template = OrderTemplate(fields={"ref": "reference", "phone": "recipient.phone"})
    with pytest.raises(UnreadableDocumentError) as refusal:
        order_document(ORDER, template)
    assert str(refusal.value) == "order 'SO-1' has no recipient 'phone', which the supplier needs"


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ({"fields": {"date": "placed_at"}}, "the order document must carry our `reference`"),
        ({"fields": {"ref": "reference", "x": "total"}}, "an order has no word 'total'"),
        ({"line_fields": {"sku": "supplier_sku"}}, "must carry `supplier_sku` and `units`"),
        ({"format": "csv"}, "a CSV order names each part of the recipient"),
    ],
)
def test_a_template_that_cannot_work_is_refused(template: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        OrderTemplate.model_validate(template)


FLAT = {
    "reference": "ref",
    "line": "line",
    "units": "qty",
    "refusal": "reason",
    "carrier": "carrier",
    "tracking_number": "tracking",
    "happened_at": "at",
}


def flat(text: str, **options: Any) -> ReplyReading:
    shape = ReplyShape.model_validate({"format": "csv", "columns": FLAT, **options})
    return read_replies(text.encode(), shape, "Europe/Paris", AT)


def test_rows_of_one_reply_belong_together() -> None:
    reading = flat(
        "ref;line;qty;reason;carrier;tracking;at\n"
        "SO-1;1;2;;;;2026-03-02T10:00:00\n"
        "SO-1;2;0;sold out;;;2026-03-02T10:00:00\n"
        "SO-2;1;1;;;;\n"
        "SO-1;1;2;;DHL;JD1;2026-03-03T10:00:00\n"
    )
    assert [heard.reply for heard in reading.replies] == [
        SupplierReply(
            reference="SO-1",
            confirmed={"1": 2},
            refused={"2": "sold out"},
            happened_at=datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
        ),
        SupplierReply(reference="SO-2", confirmed={"1": 1}, happened_at=AT),
        SupplierReply(
            reference="SO-1",
            confirmed={"1": 2},
            carrier="DHL",
            tracking_number="JD1",
            happened_at=datetime(2026, 3, 3, 9, 0, tzinfo=UTC),
        ),
    ]
    assert reading.refused == ()


def test_fewer_units_than_ordered_with_a_reason_are_confirmed() -> None:
    (heard,) = flat("ref;line;qty;reason;carrier;tracking;at\nSO-1;1;1;only one left;;;\n").replies
    assert (heard.reply.confirmed, heard.reply.refused) == ({"1": 1}, {})


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (";1;2;;;;", "no order reference"),
        ("SO-1;;2;;;;", "units or a refusal without the line they are about"),
        ("SO-1;;;sold out;;;", "units or a refusal without the line they are about"),
        ("SO-1;1;;;;;", "line '1' is neither confirmed nor refused"),
        ("SO-1;1;-2;;;;", "'-2' is not a number of units"),
        ("SO-1;1;2+;;;;", "'2+' is not a number of units"),
        ("SO-1;1;two;;;;", "'two' is not a number with '.' as its decimal mark"),
        ("SO-1;1;2", "the row has 3 cells, the header has 7"),
        ("SO-1;1;2;;;;yesterday", "'yesterday' is not a time written as ISO 8601"),
    ],
)
def test_a_bad_row_refuses_its_reply_and_no_other(row: str, reason: str) -> None:
    reading = flat(f"ref;line;qty;reason;carrier;tracking;at\n{row}\nSO-2;1;1;;;;\n")
    assert reading.refused == (RefusedRow(2, reason),)
    assert [heard.reply.reference for heard in reading.replies] == ["SO-2"]


def test_a_reply_with_one_bad_line_is_not_half_heard() -> None:
    reading = flat("ref;line;qty;reason;carrier;tracking;at\nSO-1;1;2;;;;\nSO-1;1;3;;;;\nSO-1;2;1;;;;\n")
    assert reading.replies == ()
    assert reading.refused == (RefusedRow(3, "line '1' stands twice in one reply"),)


def test_nested_replies_and_a_bare_ship_notice() -> None:
    document = {
        "replies": [
            {"order": {"ref": "SO-1"}, "no": 7, "at": "2026-03-02T09:30:00Z", "items": [{"line": "1", "qty": 2}]},
            {"order": {"ref": "SO-2"}, "no": 8, "tracking": "JD2", "items": []},
        ]
    }
    shape = ReplyShape.model_validate(
        {
            "format": "json",
            "rows": "replies",
            "within": "items",
            "columns": {
                "reference": "order.ref",
                "reply_id": "no",
                "line": "line",
                "units": "qty",
                "tracking_number": "tracking",
                "happened_at": "at",
            },
        }
    )
    reading = read_replies(json.dumps(document).encode(), shape, "UTC", AT)
    assert [(heard.reply_id, heard.reply) for heard in reading.replies] == [
        (
            "7",
            SupplierReply(reference="SO-1", confirmed={"1": 2}, happened_at=datetime(2026, 3, 2, 9, 30, tzinfo=UTC)),
        ),
        ("8", SupplierReply(reference="SO-2", tracking_number="JD2", happened_at=AT)),
    ]


def test_an_empty_answer_has_no_replies() -> None:
    assert flat("") == ReplyReading((), ())
    assert flat("ref;line;qty;reason;carrier;tracking;at\n") == ReplyReading((), ())


def test_a_file_that_breaks_off_is_not_half_heard() -> None:
    with pytest.raises(UnreadableDocumentError, match="unfinished: the feed breaks off in line 3"):
        flat("ref;line;qty;reason;carrier;tracking;at\nSO-1;1;2;;;;\nSO-2;1")
