"""Nodes of Shopify's Admin GraphQL API 2026-10, as polls bring them (schema read 2026-11-22)."""

from datetime import datetime
from decimal import Decimal

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from mappings.shopify_plain import (
    PlainAddress,
    PlainLine,
    PlainOrder,
    PlainRefund,
    PlainRefundLine,
    Wire,
    address,
    left_by_line,
    number,
)


class Node(Wire):
    """A piece of an answer, in Shopify's camel case."""

    model_config = ConfigDict(alias_generator=to_camel)


class Amount(Node):
    amount: Decimal = Decimal(0)
    currency_code: str | None = None


class Bag(Node):
    shop_money: Amount = Amount()


class CashRounding(Node):
    payment_set: Bag = Bag()


class Ref(Node):
    id: str


class Tax(Node):
    price_set: Bag


class Allocation(Node):
    allocated_amount_set: Bag


class Line(Node):
    id: str
    title: str = ""
    sku: str | None = None
    variant: Ref | None = None
    quantity: int
    current_quantity: int
    fulfillable_quantity: int | None = None
    original_unit_price_set: Bag
    tax_lines: list[Tax] = []
    discount_allocations: list[Allocation] = []

    def plain(self) -> PlainLine:
        return PlainLine(
            id=number(self.id),
            variant=None if self.variant is None else number(self.variant.id),
            sku=self.sku,
            title=self.title,
            units=self.quantity,
            units_now=self.current_quantity,
            to_fulfill=self.fulfillable_quantity,
            unit_price=self.original_unit_price_set.shop_money.amount,
            discount=sum((one.allocated_amount_set.shop_money.amount for one in self.discount_allocations), Decimal(0)),
            tax=sum((one.price_set.shop_money.amount for one in self.tax_lines), Decimal(0)),
        )


class Lines(Node):
    nodes: list[Line]


class FulfillmentLine(Node):
    quantity: int = 0
    line_item: Ref


class FulfillmentLines(Node):
    nodes: list[FulfillmentLine]


class Fulfillment(Node):
    status: str
    fulfillment_line_items: FulfillmentLines


class RefundLine(Node):
    id: str
    quantity: int
    restock_type: str
    location: Ref | None = None
    line_item: Ref

    def plain(self) -> PlainRefundLine:
        return PlainRefundLine(
            id=number(self.id),
            line=number(self.line_item.id),
            units=self.quantity,
            restock_type=self.restock_type.lower(),
            place=None if self.location is None else self.location.id,
        )


class RefundLines(Node):
    nodes: list[RefundLine]


class Refund(Node):
    id: str
    processed_at: datetime
    total_refunded_set: Bag = Bag()
    refund_line_items: RefundLines

    def plain(self) -> PlainRefund:
        return PlainRefund(
            id=number(self.id),
            processed_at=self.processed_at,
            refunded=self.total_refunded_set.shop_money.amount,
            currency=self.total_refunded_set.shop_money.currency_code,
            lines=tuple(line.plain() for line in self.refund_line_items.nodes),
        )


class DeliveryMethod(Node):
    method_type: str


class AssignedLocation(Node):
    location: Ref | None = None


class FulfillmentOrder(Node):
    delivery_method: DeliveryMethod | None = None
    assigned_location: AssignedLocation


class FulfillmentOrders(Node):
    nodes: list[FulfillmentOrder]


class MailingAddress(Node):
    name: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    zip: str | None = None
    country_code_v2: str | None = None

    def plain(self) -> PlainAddress:
        return address(self.name, (self.address1, self.address2), (self.city, self.zip), self.country_code_v2)


class Order(Node):
    legacy_resource_id: str
    name: str
    created_at: datetime
    updated_at: datetime
    cancelled_at: datetime | None = None
    display_financial_status: str | None = None
    display_fulfillment_status: str
    source_name: str | None = None
    retail_location: Ref | None = None
    currency_code: str
    taxes_included: bool
    total_price_set: Bag
    total_discounts_set: Bag = Bag()
    total_shipping_price_set: Bag
    total_tax_set: Bag = Bag()
    total_tip_received_set: Bag = Bag()
    original_total_duties_set: Bag = Bag()
    original_total_additional_fees_set: Bag = Bag()
    total_cash_rounding_adjustment: CashRounding = CashRounding()
    line_items: Lines
    fulfillments: list[Fulfillment]
    fulfillment_orders: FulfillmentOrders
    refunds: list[Refund]
    email: str | None = None
    phone: str | None = None
    shipping_address: MailingAddress | None = None
    billing_address: MailingAddress | None = None

    def plain(self) -> PlainOrder:
        is_till = self.source_name == "pos" and self.retail_location is not None and self.shipping_address is None
        return PlainOrder(
            id=self.legacy_resource_id,
            name=self.name,
            created_at=self.created_at,
            updated_at=self.updated_at,
            is_cancelled=self.cancelled_at is not None,
            financial_status=self.display_financial_status.lower() if self.display_financial_status else None,
            fulfillment_status=self.display_fulfillment_status.lower(),
            currency=self.currency_code,
            taxes_included=self.taxes_included,
            total=self.total_price_set.shop_money.amount,
            discounts=self.total_discounts_set.shop_money.amount,
            shipping=self.total_shipping_price_set.shop_money.amount,
            tax=self.total_tax_set.shop_money.amount,
            extras=(
                self.total_tip_received_set.shop_money.amount,
                self.original_total_duties_set.shop_money.amount,
                self.original_total_additional_fees_set.shop_money.amount,
                self.total_cash_rounding_adjustment.payment_set.shop_money.amount,
            ),
            lines=tuple(line.plain() for line in self.line_items.nodes),
            left=left_by_line(
                [
                    (one.status, [(number(of.line_item.id), of.quantity) for of in one.fulfillment_line_items.nodes])
                    for one in self.fulfillments
                ]
            ),
            refunds=tuple(refund.plain() for refund in self.refunds),
            email=self.email or None,
            phone=self.phone or None,
            buyer=_buyer(self.shipping_address, self.billing_address),
            address=None if self.shipping_address is None else self.shipping_address.plain(),
            till_place=self.retail_location.id if is_till and self.retail_location is not None else None,
            pickup_place=self._pickup_place(),
            is_pickup_known=True,
        )

    def _pickup_place(self) -> str | None:
        if self.shipping_address is not None:
            return None
        for one in self.fulfillment_orders.nodes:
            is_pickup = one.delivery_method is not None and one.delivery_method.method_type == "PICK_UP"
            if is_pickup and one.assigned_location.location is not None:
                return one.assigned_location.location.id
        return None


class SelectedOption(Node):
    name: str
    value: str


class Product(Node):
    title: str = ""


class Variant(Node):
    legacy_resource_id: str
    title: str = ""
    sku: str | None = None
    barcode: str | None = None
    selected_options: list[SelectedOption] = []
    product: Product
    inventory_item: Ref


class Quantity(Node):
    quantity: int
    updated_at: datetime | None = None


class Level(Node):
    """A number of one location; `variant` and `location` are put beside the node by the connector."""

    variant: str
    location: str
    updated_at: datetime
    quantities: list[Quantity]


class Location(Node):
    id: str
    name: str = ""
    is_active: bool


def _buyer(*addresses: MailingAddress | None) -> str | None:
    return next((one.name for one in addresses if one is not None and one.name), None)
