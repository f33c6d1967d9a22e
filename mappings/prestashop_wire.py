"""What PrestaShop's web service writes, as far as it is used, and how to read it.

Shapes are those of recorded answers of 8.0.4. JSON of a single row leaves out whatever is 0 or empty, so a missing
number is 0. Ids are numbers in lists and text in the answer to a write. Amounts are text with six decimals.
"""

import json
import re
from collections.abc import Sequence
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mappings.errors import UnreadableDocumentError
from schemas.base import UtcDateTime

CLOCK_SKEW = timedelta(minutes=10)
"""How far the shop's clock may run before the hub's."""

_FAULTS_TOLD = 5


def _zero_where_empty(value: object) -> object:
    return 0 if value is None or value is False or value == "" else value


def _text_where_empty(value: object) -> object:
    return "" if value is None or value is False else value


def _stamp(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}", value):
        stamp = datetime.strptime(value, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007  # the shop writes no zone
        if MINYEAR < stamp.year < MAXYEAR:
            return stamp
        raise ValueError("at the end of the calendar: it has no UTC")
    raise ValueError("not a date of the form YYYY-MM-DD HH:MM:SS")


Number = Annotated[int, BeforeValidator(_zero_where_empty)]
Flag = Annotated[bool, BeforeValidator(_zero_where_empty)]
Text = Annotated[str, BeforeValidator(_text_where_empty)]
Amount = Annotated[Decimal, BeforeValidator(_zero_where_empty)]
LocalTime = Annotated[datetime, BeforeValidator(_stamp)]
"""The shop's own wall clock, without a zone."""


class Wire(BaseModel):
    """A row as the shop writes it; fields that nobody uses are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class StockRow(Wire):
    """One number: of a product (attribute 0) or of a combination, in one shop or in one group of shops."""

    id: Number = Field(gt=0)
    id_product: Number = Field(gt=0)
    id_product_attribute: Number = 0
    id_shop: Number = 0
    id_shop_group: Number = 0
    quantity: Number = 0


class WireState(Wire):
    id: Number
    paid: Flag = False
    logable: Flag = False
    shipped: Flag = False


class WireOrderRow(Wire):
    id: Number = Field(gt=0)
    product_id: Number
    product_attribute_id: Number = 0
    product_quantity: Number = Field(default=0, ge=0)
    product_name: Text = ""
    product_reference: Text = ""
    unit_price_tax_incl: Amount
    unit_price_tax_excl: Amount


class WireDetail(Wire):
    """The part of a row that only the resource order_details shows."""

    id: Number
    product_quantity_refunded: Number = 0
    product_quantity_return: Number = 0
    product_quantity_reinjected: Number = 0
    total_price_tax_incl: Amount
    total_price_tax_excl: Amount


class WireSlipLine(Wire):
    id_order_detail: Number
    product_quantity: Number = Field(default=0, ge=0)


class WireSlip(Wire):
    """A credit slip."""

    id: Number
    date_add: LocalTime
    date_upd: LocalTime
    total_products_tax_incl: Amount
    total_shipping_tax_incl: Amount = Decimal(0)
    lines: tuple[WireSlipLine, ...] = ()


class WireHistory(Wire):
    id_order_state: Number
    date_add: LocalTime


class WireOrder(Wire):
    """An order with its rows; amounts are with tax unless they say otherwise."""

    id: Number = Field(gt=0)
    reference: Text = ""
    current_state: Number = 0
    date_add: LocalTime
    date_upd: LocalTime
    total_paid: Amount
    total_paid_tax_incl: Amount
    total_paid_tax_excl: Amount
    total_products_wt: Amount
    total_shipping_tax_incl: Amount
    total_discounts_tax_incl: Amount
    total_wrapping_tax_incl: Amount
    rows: tuple[WireOrderRow, ...]


class WireCustomer(Wire):
    firstname: Text = ""
    lastname: Text = ""
    email: Text = ""


class WireAddress(Wire):
    company: Text = ""
    address1: Text = ""
    address2: Text = ""
    postcode: Text = ""
    city: Text = ""
    phone: Text = ""
    phone_mobile: Text = ""


class WireRoles(Wire):
    """Which state ids mean what flags cannot tell: canceled, failed payment, refunded."""

    canceled: int
    payment_error: int
    refunded: int


class OrderDocument(Wire):
    """One order as the connector composes it from several resources; `read_at` is when."""

    read_at: UtcDateTime
    stock_point: str
    is_pickup: bool = False
    currency: str
    country: str | None = None
    roles: WireRoles
    order: WireOrder
    states: tuple[WireState, ...]
    details: tuple[WireDetail, ...] = ()
    histories: tuple[WireHistory, ...] = ()
    slips: tuple[WireSlip, ...] = ()
    customer: WireCustomer | None = None
    address: WireAddress | None = None


class WireProduct(Wire):
    id: Number = Field(gt=0)
    name: Any = ""
    reference: Text = ""
    ean13: Text = ""
    upc: Text = ""


class WireCombination(Wire):
    id: Number = Field(gt=0)
    reference: Text = ""
    ean13: Text = ""
    upc: Text = ""
    option_values: tuple[int, ...] = ()


class WireOption(Wire):
    """One value of an option, as the names that its languages give it."""

    id: Number
    group: Any = ""
    name: Any = ""


class ProductDocument(Wire):
    product: WireProduct
    combinations: tuple[WireCombination, ...] = ()
    options: tuple[WireOption, ...] = ()
    stock: tuple[StockRow, ...] = ()


class StockDocument(Wire):
    """Stock rows of whole products: no product's rows are spread over two documents."""

    read_at: UtcDateTime
    stock_point: str
    rows: tuple[StockRow, ...]


class PlaceDocument(Wire):
    stock_point: str
    name: Text = ""
    active: Flag = True


D = TypeVar("D", bound=Wire)


def read(kind: type[D], body: bytes, what: str) -> D:
    """Parses a document; numbers with a point become exact decimals.

    Raises:
        UnreadableDocumentError: it is not JSON, or not of this kind; names the fields, never their values.
    """
    try:
        return kind.model_validate(json.loads(body, parse_float=Decimal))
    except ValidationError as error:
        raise unreadable(what, error) from None
    except (ValueError, RecursionError) as error:
        raise UnreadableDocumentError(f"{what}: {len(body)} bytes that are not JSON") from error


def unreadable(what: str, error: ValidationError) -> UnreadableDocumentError:
    """Says which fields are wrong without repeating what stands in them."""
    faults = [
        f"{'.'.join(str(part) for part in fault['loc']) or 'document'}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    more = f" and {len(faults) - _FAULTS_TOLD} more" if len(faults) > _FAULTS_TOLD else ""
    return UnreadableDocumentError(f"{what}: {'; '.join(faults[:_FAULTS_TOLD])}{more}")


def leaves(rows: Sequence[StockRow]) -> list[StockRow]:
    """The rows that are a sku's number: where a product has combinations, its own row is only their sum."""
    with_combinations = {row.id_product for row in rows if row.id_product_attribute}
    return [row for row in rows if row.id_product_attribute or row.id_product not in with_combinations]


def listing_id(product: int, combination: int) -> str:
    """The id that order lines and stock rows share."""
    return f"{product}:{combination}"


def first_text(value: object) -> str:
    """A text that may come as one entry per language (`[{"id": 1, "value": "..."}]`)."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        texts = (entry.get("value") for entry in value if isinstance(entry, dict))
        return next((text.strip() for text in texts if isinstance(text, str) and text.strip()), "")
    return ""


def to_utc(local: datetime, zone: ZoneInfo, known_at: datetime) -> datetime:
    """The moment of a shop's wall clock, which had passed at `known_at` (UTC).

    In the hour that autumn has twice the later moment is taken, unless it had not come yet: a version must never
    look older than the one before it.
    """
    moments = sorted(local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return next((moment for moment in reversed(moments) if moment <= known_at + CLOCK_SKEW), moments[0])
