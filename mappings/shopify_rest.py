"""Shopify's REST-shaped JSON, as webhooks carry it (2026-07 examples, read 2026-11-22)."""

from datetime import datetime
from decimal import Decimal

from mappings.shopify_plain import (
    PlainAddress,
    PlainLine,
    PlainOrder,
    PlainRefund,
    PlainRefundLine,
    Wire,
    address,
    gid,
    left_by_line,
)


class RestAmount(Wire):
    amount: Decimal = Decimal(0)
    currency_code: str | None = None


class RestBag(Wire):
    shop_money: RestAmount = RestAmount()


class RestTax(Wire):
    price: Decimal = Decimal(0)


class RestAllocation(Wire):
    amount: Decimal = Decimal(0)


class RestLine(Wire):
    id: int
    variant_id: int | None = None
    sku: str | None = None
    title: str = ""
    quantity: int
    current_quantity: int | None = None
    fulfillable_quantity: int | None = None
    fulfillment_status: str | None = None
    price: Decimal
    tax_lines: list[RestTax] = []
    discount_allocations: list[RestAllocation] = []

    def plain(self) -> PlainLine:
        return PlainLine(
            id=str(self.id),
            variant=None if self.variant_id is None else str(self.variant_id),
            sku=self.sku,
            title=self.title,
            units=self.quantity,
            units_now=self.current_quantity,
            to_fulfill=self.fulfillable_quantity,
            unit_price=self.price,
            discount=sum((allocation.amount for allocation in self.discount_allocations), Decimal(0)),
            tax=sum((tax.price for tax in self.tax_lines), Decimal(0)),
        )


class RestRefundLine(Wire):
    id: int
    line_item_id: int
    quantity: int
    restock_type: str
    location_id: int | None = None
    subtotal_set: RestBag = RestBag()
    line_item: RestLine | None = None

    def plain(self) -> PlainRefundLine:
        return PlainRefundLine(
            id=str(self.id),
            line=str(self.line_item_id),
            units=self.quantity,
            restock_type=self.restock_type.lower(),
            place=None if self.location_id is None else gid("Location", self.location_id),
        )


class RestTransaction(Wire):
    kind: str = ""
    status: str = ""
    amount: Decimal = Decimal(0)
    currency: str | None = None


class RestRefund(Wire):
    id: int
    order_id: int
    processed_at: datetime
    refund_line_items: list[RestRefundLine] = []
    transactions: list[RestTransaction] = []

    def plain(self, order_currency: str | None = None) -> PlainRefund:
        """`order_currency` is the shop's; without it, the currency that the lines are stated in."""
        currency = order_currency or next(
            (line.subtotal_set.shop_money.currency_code for line in self.refund_line_items), None
        )
        paid_back = [one for one in self.transactions if one.kind == "refund" and one.status == "success"]
        if currency is None:
            currency = next((one.currency for one in paid_back), None)
        is_comparable = currency is not None and all(one.currency in (None, currency) for one in paid_back)
        return PlainRefund(
            id=str(self.id),
            processed_at=self.processed_at,
            refunded=sum((one.amount for one in paid_back), Decimal(0)) if is_comparable else None,
            currency=currency,
            lines=tuple(line.plain() for line in self.refund_line_items),
        )


class RestFulfillmentLine(Wire):
    id: int
    quantity: int


class RestFulfillment(Wire):
    id: int
    status: str
    order_id: int | None = None
    line_items: list[RestFulfillmentLine] = []


class RestAddress(Wire):
    name: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    zip: str | None = None
    country_code: str | None = None

    def plain(self) -> PlainAddress:
        return address(self.name, (self.address1, self.address2), (self.city, self.zip), self.country_code)


class RestOrder(Wire):
    id: int
    name: str
    created_at: datetime
    updated_at: datetime
    cancelled_at: datetime | None = None
    financial_status: str | None = None
    fulfillment_status: str | None = None
    source_name: str | None = None
    location_id: int | None = None
    currency: str
    taxes_included: bool = False
    total_price: Decimal
    total_discounts: Decimal = Decimal(0)
    total_shipping_price_set: RestBag = RestBag()
    total_tax: Decimal = Decimal(0)
    total_tip_received: Decimal = Decimal(0)
    original_total_duties_set: RestBag = RestBag()
    original_total_additional_fees_set: RestBag = RestBag()
    total_cash_rounding_payment_adjustment_set: RestBag = RestBag()
    line_items: list[RestLine]
    fulfillments: list[RestFulfillment] = []
    refunds: list[RestRefund] = []
    email: str | None = None
    phone: str | None = None
    shipping_address: RestAddress | None = None
    billing_address: RestAddress | None = None

    def plain(self) -> PlainOrder:
        is_till = self.source_name == "pos" and self.location_id is not None and self.shipping_address is None
        return PlainOrder(
            id=str(self.id),
            name=self.name,
            created_at=self.created_at,
            updated_at=self.updated_at,
            is_cancelled=self.cancelled_at is not None,
            financial_status=self.financial_status,
            fulfillment_status=self.fulfillment_status,
            currency=self.currency,
            taxes_included=self.taxes_included,
            total=self.total_price,
            discounts=self.total_discounts,
            shipping=self.total_shipping_price_set.shop_money.amount,
            tax=self.total_tax,
            extras=(
                self.total_tip_received,
                self.original_total_duties_set.shop_money.amount,
                self.original_total_additional_fees_set.shop_money.amount,
                self.total_cash_rounding_payment_adjustment_set.shop_money.amount,
            ),
            lines=tuple(line.plain() for line in self.line_items),
            left=left_by_line(
                [(one.status, [(str(line.id), line.quantity) for line in one.line_items]) for one in self.fulfillments]
            ),
            refunds=tuple(refund.plain(self.currency) for refund in self.refunds),
            email=self.email or None,
            phone=self.phone or None,
            buyer=_buyer(self.shipping_address, self.billing_address),
            address=None if self.shipping_address is None else self.shipping_address.plain(),
            till_place=gid("Location", self.location_id) if is_till and self.location_id is not None else None,
            pickup_place=None,
            is_pickup_known=is_till or self.shipping_address is not None,
        )


class RestVariant(Wire):
    id: int
    sku: str | None = None
    barcode: str | None = None
    title: str = ""
    inventory_item_id: int | None = None
    option1: str | None = None
    option2: str | None = None
    option3: str | None = None


class RestOption(Wire):
    name: str
    position: int


class RestProduct(Wire):
    id: int
    title: str = ""
    variants: list[RestVariant] = []
    options: list[RestOption] = []


class RestLevel(Wire):
    inventory_item_id: int
    location_id: int
    available: int | None = None
    updated_at: datetime


class RestLocation(Wire):
    id: int
    name: str = ""
    active: bool = True


def _buyer(*addresses: RestAddress | None) -> str | None:
    return next((one.name for one in addresses if one is not None and one.name), None)


class RestEdit(Wire):
    order_id: int


class RestOrderEdited(Wire):
    order_edit: RestEdit
