"""What Mirakl's documents hold, as far as it is used: their wire models, and how their text becomes them."""

import json
from decimal import Decimal
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

from mappings.errors import UnreadableDocumentError
from schemas.documents import RawDocument


class Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


W = TypeVar("W", bound=Wire)

# Mirakl writes null where its contract declares a plain number, text or list.
Amount = Annotated[Decimal, BeforeValidator(lambda value: 0 if value is None else value)]
Count = Annotated[int, BeforeValidator(lambda value: 0 if value is None else value)]
Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else value)]


class WireTax(Wire):
    amount: Amount = Decimal(0)


class WireOrderTax(Wire):
    total_amount: Amount = Decimal(0)


Taxes = Annotated[tuple[WireTax, ...], BeforeValidator(lambda value: value or ())]


class WireCancelation(Wire):
    quantity: Count = 0


class WireRefund(Wire):
    id: str
    created_date: str
    quantity: Count = 0
    amount: Amount = Decimal(0)
    shipping_amount: Amount = Decimal(0)
    fees: Taxes = ()
    taxes: Taxes = ()
    shipping_taxes: Taxes = ()


class WireLine(Wire):
    order_line_id: str
    order_line_state: str
    offer_id: int
    offer_sku: Text = ""
    product_title: Text = ""
    quantity: int
    price: Decimal
    price_unit: Decimal
    shipped_date: str | None = None
    fees: Taxes = ()
    taxes: Taxes = ()
    shipping_taxes: Taxes = ()
    cancelations: Annotated[tuple[WireCancelation, ...], BeforeValidator(lambda value: value or ())] = ()
    refunds: Annotated[tuple[WireRefund, ...], BeforeValidator(lambda value: value or ())] = ()


class WireShippingAddress(Wire):
    country_iso_code: str | None = None
    zip_code: str | None = None
    city: str | None = None
    company: str | None = None
    company_2: str | None = None
    street_1: str | None = None
    street_2: str | None = None
    additional_info: str | None = None
    phone: str | None = None


class WireCustomer(Wire):
    firstname: str | None = None
    lastname: str | None = None
    shipping_address: WireShippingAddress | None = None


class WireOrder(Wire):
    order_id: str
    order_state: str
    created_date: str
    last_updated_date: str
    currency_iso_code: str
    order_tax_mode: str
    price: Decimal
    shipping_price: Decimal
    total_price: Decimal
    order_lines: tuple[WireLine, ...]
    order_taxes: Annotated[tuple[WireOrderTax, ...], BeforeValidator(lambda value: value or ())] = ()
    customer: WireCustomer | None = None
    customer_notification_email: str | None = None


class WireCompliance(Wire):
    compliant: bool
    non_compliance_reason_code: str | None = None


class WireReturnLine(Wire):
    order_line_id: str
    quantity: int
    compliance: Annotated[tuple[WireCompliance, ...], BeforeValidator(lambda value: value or ())] = ()


class WireReturn(Wire):
    id: str
    order_id: str
    state: str
    last_updated: str
    return_lines: tuple[WireReturnLine, ...]


class WireReturnWithOffers(Wire):
    """A return, and the offer of each line of its order: the return itself names no offer."""

    stated: WireReturn
    offers: dict[str, int]


class WireReference(Wire):
    reference: str
    reference_type: str


class WireOffer(Wire):
    offer_id: int
    shop_sku: str
    product_title: Text = ""
    product_references: Annotated[tuple[WireReference, ...], BeforeValidator(lambda value: value or ())] = ()


class WireOfferQuantity(Wire):
    offer_id: int
    quantity: int


class WireOfferQuantities(Wire):
    offers: tuple[WireOfferQuantity, ...]


class WireAccount(Wire):
    shop_name: Text = ""
    shop_state: str


def read(model: type[W], document: RawDocument) -> W:
    """Parses a document; amounts keep the digits of the text.

    Raises:
        UnreadableDocumentError: not JSON.
        pydantic.ValidationError: JSON of another form.
    """
    try:
        wire: Any = json.loads(document.body, parse_float=Decimal, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise UnreadableDocumentError(
            f"Mirakl {document.topic} {document.document_id!r} is not JSON ({len(document.body)} bytes)"
        ) from None
    return model.model_validate(wire)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")
