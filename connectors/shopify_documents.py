"""Every GraphQL document that the Shopify connector can send (Admin API 2026-10, schema read 2026-11-22).

Windows: `$parts` is the size of an order's lists (fulfillments, refunds), `$inner` of the lines in each; Shopify
charges for windows, not for what is in them, so they are small, and what does not fit is read afterwards.

`fulfillableQuantity` is deprecated, but it is what webhooks carry as `fulfillable_quantity`; the field that replaces it
lies on the lines of every fulfillment order.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """A document. `points` is what it is guessed to cost at most, until Shopify has said it once.

    `is_patient`: it leaves half of the budget to others: orders and numbers are heard and told before it.
    """

    name: str
    text: str
    points: int
    is_mutation: bool = False
    is_patient: bool = False


_LINE_PARTS = """
fragment LineParts on LineItem {
  id
  title
  sku
  variant { id }
  quantity
  currentQuantity
  fulfillableQuantity
  originalUnitPriceSet { shopMoney { amount } }
  taxLines { priceSet { shopMoney { amount } } }
  discountAllocations { allocatedAmountSet { shopMoney { amount } } }
}
fragment FulfillmentLineParts on FulfillmentLineItem { quantity lineItem { id } }
fragment RefundLineParts on RefundLineItem { id quantity restockType location { id } lineItem { id } }
"""

_TO_SHIP_PARTS = """
fragment FulfillmentOrderLineParts on FulfillmentOrderLineItem { id remainingQuantity lineItem { id } }
"""

_ORDER_PARTS = (
    _LINE_PARTS
    + """
fragment OrderParts on Order {
  id
  legacyResourceId
  name
  createdAt
  updatedAt
  cancelledAt
  displayFinancialStatus
  displayFulfillmentStatus
  sourceName
  retailLocation { id }
  currencyCode
  taxesIncluded
  totalPriceSet { shopMoney { amount } }
  totalDiscountsSet { shopMoney { amount } }
  totalShippingPriceSet { shopMoney { amount } }
  totalTaxSet { shopMoney { amount } }
  totalTipReceivedSet { shopMoney { amount } }
  originalTotalDutiesSet { shopMoney { amount } }
  originalTotalAdditionalFeesSet { shopMoney { amount } }
  totalCashRoundingAdjustment { paymentSet { shopMoney { amount } } }
  email
  phone
  shippingAddress { name address1 address2 city zip countryCodeV2 }
  billingAddress { name }
  lineItems(first: $inner) { nodes { ...LineParts } pageInfo { hasNextPage endCursor } }
  fulfillments(first: $parts) {
    id
    status
    fulfillmentLineItems(first: $inner) { nodes { ...FulfillmentLineParts } pageInfo { hasNextPage endCursor } }
  }
  fulfillmentOrders(first: $parts) { nodes { deliveryMethod { methodType } assignedLocation { location { id } } } }
  refunds(first: $parts) {
    id
    processedAt
    totalRefundedSet { shopMoney { amount currencyCode } }
    refundLineItems(first: $inner) { nodes { ...RefundLineParts } pageInfo { hasNextPage endCursor } }
  }
}
"""
)

SHOP = Document(
    "Shop",
    """
query Shop {
  shop { name myshopifyDomain }
  currentAppInstallation { accessScopes { handle } }
}
""",
    points=10,
)

LOCATIONS = Document(
    "Locations",
    """
query Locations($first: Int!, $after: String) {
  locations(first: $first, after: $after, includeInactive: true) {
    nodes { id name isActive updatedAt }
    pageInfo { hasNextPage endCursor }
  }
}
""",
    points=50,
)

VARIANTS = Document(
    "Variants",
    """
query Variants($first: Int!, $after: String, $query: String) {
  productVariants(first: $first, after: $after, query: $query, sortKey: ID) {
    nodes {
      legacyResourceId
      title
      sku
      barcode
      updatedAt
      selectedOptions { name value }
      product { title }
      inventoryItem { id }
    }
    pageInfo { hasNextPage endCursor }
  }
}
""",
    points=100,
)

LEVELS = Document(
    "Levels",
    """
query Levels($first: Int!, $after: String, $query: String, $locationId: ID!) {
  productVariants(first: $first, after: $after, query: $query, sortKey: ID) {
    nodes {
      legacyResourceId
      inventoryItem {
        id
        tracked
        inventoryLevel(locationId: $locationId) {
          updatedAt
          quantities(names: ["available"]) { quantity updatedAt }
        }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
""",
    points=100,
)

READ_LEVELS = Document(
    "ReadLevels",
    """
query ReadLevels($ids: [ID!]!, $locationId: ID!) {
  nodes(ids: $ids) {
    ... on InventoryItem {
      id
      inventoryLevel(locationId: $locationId) { quantities(names: ["available"]) { quantity } }
    }
  }
}
""",
    points=750,
)

ORDERS = Document(
    "Orders",
    """
query Orders($first: Int!, $after: String, $query: String!, $parts: Int!, $inner: Int!) {
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
    nodes { ...OrderParts }
    pageInfo { hasNextPage endCursor }
  }
}
"""
    + _ORDER_PARTS,
    points=700,
)

ORDER = Document(
    "Order",
    """
query Order($id: ID!, $parts: Int!, $inner: Int!) {
  order(id: $id) { ...OrderParts }
}
"""
    + _ORDER_PARTS,
    points=200,
)

MORE_LINES = Document(
    "MoreLines",
    """
query MoreLines($id: ID!, $first: Int!, $after: String) {
  node(id: $id) {
    ... on Order {
      lineItems(first: $first, after: $after) { nodes { ...LineParts } pageInfo { hasNextPage endCursor } }
    }
    ... on Fulfillment {
      fulfillmentLineItems(first: $first, after: $after) {
        nodes { ...FulfillmentLineParts }
        pageInfo { hasNextPage endCursor }
      }
    }
    ... on FulfillmentOrder {
      lineItems(first: $first, after: $after) {
        nodes { ...FulfillmentOrderLineParts }
        pageInfo { hasNextPage endCursor }
      }
    }
    ... on Refund {
      refundLineItems(first: $first, after: $after) {
        nodes { ...RefundLineParts }
        pageInfo { hasNextPage endCursor }
      }
    }
  }
}
"""
    + _LINE_PARTS
    + _TO_SHIP_PARTS,
    points=100,
)

SET_LEVELS = Document(
    "SetLevels",
    """
mutation SetLevels($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id }
    userErrors { field message code }
  }
}
""",
    points=20,
    is_mutation=True,
)

TO_SHIP = Document(
    "ToShip",
    """
query ToShip($id: ID!, $parts: Int!, $inner: Int!) {
  order(id: $id) {
    id
    fulfillments(first: $parts) {
      id
      status
      trackingInfo { number }
      fulfillmentLineItems(first: $inner) { nodes { ...FulfillmentLineParts } pageInfo { hasNextPage endCursor } }
    }
    fulfillmentOrders(first: $parts) {
      nodes {
        id
        status
        deliveryMethod { methodType }
        assignedLocation { location { id } }
        lineItems(first: $inner) { nodes { ...FulfillmentOrderLineParts } pageInfo { hasNextPage endCursor } }
      }
    }
    lineItems(first: $inner) { nodes { id quantity } pageInfo { hasNextPage endCursor } }
  }
}
fragment FulfillmentLineParts on FulfillmentLineItem { quantity lineItem { id } }
"""
    + _TO_SHIP_PARTS,
    points=200,
    is_patient=True,
)

CREATE_FULFILLMENT = Document(
    "CreateFulfillment",
    """
mutation CreateFulfillment($fulfillment: FulfillmentInput!) {
  fulfillmentCreate(fulfillment: $fulfillment) {
    fulfillment { id }
    userErrors { field message }
  }
}
""",
    points=20,
    is_mutation=True,
)

READY_FOR_PICKUP = Document(
    "ReadyForPickup",
    """
mutation ReadyForPickup($input: FulfillmentOrderLineItemsPreparedForPickupInput!) {
  fulfillmentOrderLineItemsPreparedForPickup(input: $input) {
    userErrors { field message code }
  }
}
""",
    points=20,
    is_mutation=True,
)

CANCEL_ORDER = Document(
    "CancelOrder",
    """
mutation CancelOrder($orderId: ID!, $notifyCustomer: Boolean!, $refundMethod: OrderCancelRefundMethodInput) {
  orderCancel(
    orderId: $orderId
    reason: INVENTORY
    restock: false
    notifyCustomer: $notifyCustomer
    refundMethod: $refundMethod
  ) {
    job { id done }
    orderCancelUserErrors { field message code }
  }
}
""",
    points=20,
    is_mutation=True,
)

JOB = Document("Job", "query Job($id: ID!) { job(id: $id) { id done } }", points=5)

CANCELLED_AT = Document("CancelledAt", "query CancelledAt($id: ID!) { order(id: $id) { id cancelledAt } }", points=5)

SUGGESTED_REFUND = Document(
    "SuggestedRefund",
    """
query SuggestedRefund($id: ID!, $lines: [RefundLineItemInput!]) {
  order(id: $id) {
    currencyCode
    presentmentCurrencyCode
    suggestedRefund(refundLineItems: $lines, refundShipping: false) {
      suggestedTransactions {
        gateway
        parentTransaction { id }
        amountSet { presentmentMoney { amount } }
      }
    }
  }
}
""",
    points=50,
)

CREATE_REFUND = Document(
    "CreateRefund",
    """
mutation CreateRefund($input: RefundInput!, $key: String!) {
  refundCreate(input: $input) @idempotent(key: $key) {
    refund { id }
    userErrors { field message }
  }
}
""",
    points=20,
    is_mutation=True,
)

SUBSCRIPTIONS = Document(
    "Subscriptions",
    """
query Subscriptions($first: Int!, $after: String) {
  webhookSubscriptions(first: $first, after: $after) {
    nodes { id topic uri format }
    pageInfo { hasNextPage endCursor }
  }
}
""",
    points=50,
)

SUBSCRIBE = Document(
    "Subscribe",
    """
mutation Subscribe($topic: WebhookSubscriptionTopic!, $webhookSubscription: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $webhookSubscription) {
    webhookSubscription { id }
    userErrors { field message }
  }
}
""",
    points=20,
    is_mutation=True,
)

ALL = (
    SHOP,
    LOCATIONS,
    VARIANTS,
    LEVELS,
    READ_LEVELS,
    ORDERS,
    ORDER,
    MORE_LINES,
    SET_LEVELS,
    TO_SHIP,
    CREATE_FULFILLMENT,
    READY_FOR_PICKUP,
    CANCEL_ORDER,
    JOB,
    CANCELLED_AT,
    SUGGESTED_REFUND,
    CREATE_REFUND,
    SUBSCRIPTIONS,
    SUBSCRIBE,
)
"""For the test that holds each of them against the contract."""
