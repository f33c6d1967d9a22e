"""Whatever a platform puts in the place of a field: a mapping answers facts, or refuses with one short sentence."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

import mappings.mirakl
import mappings.prestashop
import mappings.shopify
import mappings.square
from mappings.errors import MAX_SENTENCE, UnreadableDocumentError
from mappings.feed_values import CellError, text_of, units_of
from schemas.documents import Fact, Heard, RawDocument, Translation
from tests.mappings import test_mirakl, test_prestashop, test_shopify, test_square

NOW = datetime(2026, 3, 2, tzinfo=UTC)
SAMPLE = 1_500
"""Mutations tried of each document; all of them would take a minute."""

GONE = object()
INSTEAD: Sequence[Any] = (
    GONE,
    None,
    "",
    0,
    -1,
    1.5,
    10**25,
    "NaN",
    "1e999999",
    "-5",
    True,
    [],
    {},
    "zzz",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01 00:00:00",
    "9999-12-31 23:59:59",
    "nul\x00 and half \ud800",
    "x" * 3_000,
    [None],
    ["a"],
    [{}],
    {"a": 1},
)

Translate = Callable[[RawDocument, Translation], Sequence[Fact]]
STAMP = "2026-03-02T09:00:00Z"
CASES: dict[str, tuple[Translate, str, dict[str, Any]]] = {
    "a Shopify order": (mappings.shopify.translate, "orders/updated", test_shopify.rest_order()),
    "a Shopify level": (
        mappings.shopify.translate,
        "inventory_levels/update",
        {"inventory_item_id": 1, "location_id": 2, "available": 5, "updated_at": STAMP},
    ),
    "a Square order": (mappings.square.translate, "order", test_square.order()),
    "a Square count": (
        mappings.square.translate,
        "inventory.count",
        {
            "catalog_object_id": "V",
            "state": "IN_STOCK",
            "location_id": "L",
            "quantity": "5",
            "calculated_at": STAMP,
        },
    ),
    "a Square adjustment": (
        mappings.square.translate,
        "inventory.change",
        {
            "type": "ADJUSTMENT",
            "adjustment": {
                "id": "a",
                "from_state": "IN_STOCK",
                "to_state": "WASTE",
                "location_id": "L",
                "catalog_object_id": "V",
                "quantity": "2",
                "occurred_at": STAMP,
            },
        },
    ),
    "a Mirakl order": (
        mappings.mirakl.translate,
        "order",
        {**test_mirakl.ORDER, "order_lines": test_mirakl.ORDER.get("order_lines") or [test_mirakl.LINE]},
    ),
    "a PrestaShop order": (mappings.prestashop.translate, "order", test_prestashop.invented()),
    "a PrestaShop stock row": (
        mappings.prestashop.translate,
        "stock",
        {
            "read_at": STAMP,
            "stock_point": "1",
            "rows": [{"id": 1, "id_product": 2, "id_product_attribute": 0, "quantity": 5}],
        },
    ),
}


def places(document: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    inside = document if isinstance(document, dict) else dict(enumerate(document)) if isinstance(document, list) else {}
    for key, value in inside.items():
        yield from places(value, (*path, key))


def changed(document: dict[str, Any], path: tuple[str | int, ...], value: Any) -> bytes:
    made: Any = deepcopy(document)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    if value is GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return json.dumps(made).encode()


@pytest.mark.parametrize("case", CASES)
def test_any_value_in_any_place_gives_facts_or_one_short_sentence(case: str) -> None:
    translate, topic, document = CASES[case]
    assert translate(_raw(topic, json.dumps(document).encode()), Translation("shop", "Europe/Paris"))
    tries = [(path, value) for path in places(document) for value in INSTEAD]
    for path, value in random.Random(case).sample(tries, min(SAMPLE, len(tries))):
        said = ""
        try:
            facts = translate(_raw(topic, changed(document, path, value)), Translation("shop", "Europe/Paris"))
        except UnreadableDocumentError as error:
            said = str(error)
        except ValidationError:
            pass  # the dispatcher makes a sentence of what a canonical model refuses
        else:
            for fact in facts:
                stored = json.dumps(fact.model_dump(mode="json"), ensure_ascii=False)
                assert "\\u0000" not in stored
                stored.encode()
        assert len(said) <= MAX_SENTENCE


def _raw(topic: str, body: bytes) -> RawDocument:
    return RawDocument(topic, "document", "event", body, Heard.POLL, NOW)


@pytest.mark.parametrize("content", ["adjustment", "transfer"])
def test_a_movement_with_a_sign_of_its_own_is_refused(content: str) -> None:
    stated = {
        "id": "a",
        "from_state": "IN_STOCK",
        "to_state": "WASTE",
        "state": "IN_STOCK",
        "location_id": "L",
        "from_location_id": "L",
        "to_location_id": "M",
        "catalog_object_id": "V",
        "quantity": "-2",
        "occurred_at": STAMP,
    }
    body = json.dumps({"type": content.upper(), content: stated}).encode()
    with pytest.raises(UnreadableDocumentError, match="a quantity of -2 moves nothing"):
        mappings.square.translate(_raw("inventory.change", body), Translation("till"))


@pytest.mark.parametrize("number", ["1e999999999", "1e-999999999", "9" * 400, "NaN"])
def test_a_number_beyond_belief_in_a_feed_is_the_matter_of_its_cell(number: str) -> None:
    cell = Decimal(number)
    assert text_of(cell)
    with pytest.raises(CellError):
        units_of(cell, None, {})
