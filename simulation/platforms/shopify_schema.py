"""The part of Shopify's Admin schema 2026-10 that the emulated shop serves.

Names and types are Shopify's; a test holds every one of them against the published schema.
"""

from graphql import build_schema

SDL = """
schema { query: QueryRoot mutation: Mutation }
directive @idempotent(key: String!) on FIELD
type AccessScope { handle: String! }
type AppInstallation implements Node { accessScopes: [AccessScope!]! id: ID! }
type CashRoundingAdjustment { paymentSet: MoneyBag! }
type DeliveryMethod implements Node { id: ID! methodType: DeliveryMethodType! }
type DiscountAllocation { allocatedAmountSet: MoneyBag! }
type Fulfillment implements Node {
  displayStatus: FulfillmentDisplayStatus
  fulfillmentLineItems(after: String, first: Int): FulfillmentLineItemConnection!
  id: ID!
  status: FulfillmentStatus!
  trackingInfo: [FulfillmentTrackingInfo!]!
}
type FulfillmentCreatePayload { fulfillment: Fulfillment userErrors: [UserError!]! }
type FulfillmentLineItem implements Node { id: ID! lineItem: LineItem! quantity: Int }
type FulfillmentLineItemConnection { nodes: [FulfillmentLineItem!]! pageInfo: PageInfo! }
type FulfillmentOrder implements Node {
  assignedLocation: FulfillmentOrderAssignedLocation!
  deliveryMethod: DeliveryMethod
  id: ID!
  lineItems(after: String, first: Int): FulfillmentOrderLineItemConnection!
  status: FulfillmentOrderStatus!
}
type FulfillmentOrderAssignedLocation { location: Location }
type FulfillmentOrderConnection { nodes: [FulfillmentOrder!]! }
type FulfillmentOrderLineItem implements Node { id: ID! lineItem: LineItem! remainingQuantity: Int! }
type FulfillmentOrderLineItemsPreparedForPickupPayload {
  userErrors: [FulfillmentOrderLineItemsPreparedForPickupUserError!]!
}
type FulfillmentOrderLineItemsPreparedForPickupUserError {
  code: FulfillmentOrderLineItemsPreparedForPickupUserErrorCode
  field: [String!]
  message: String!
}
type FulfillmentOrderLineItemConnection { nodes: [FulfillmentOrderLineItem!]! pageInfo: PageInfo! }
type FulfillmentTrackingInfo { company: String number: String url: URL }
type InventoryAdjustmentGroup implements Node {
  changes: [InventoryChange!]!
  createdAt: DateTime!
  id: ID!
  reason: String!
  referenceDocumentUri: String
}
type InventoryChange { delta: Int! item: InventoryItem location: Location name: String! quantityAfterChange: Int }
type InventoryItem implements Node {
  id: ID!
  inventoryLevel(locationId: ID!): InventoryLevel
  inventoryLevels(first: Int): InventoryLevelConnection!
  tracked: Boolean!
}
type InventoryLevel implements Node {
  id: ID!
  location: Location!
  quantities(names: [String!]!): [InventoryQuantity!]!
  updatedAt: DateTime!
}
type InventoryLevelConnection { nodes: [InventoryLevel!]! }
type InventoryQuantity implements Node { id: ID! name: String! quantity: Int! updatedAt: DateTime }
type InventorySetQuantitiesPayload {
  inventoryAdjustmentGroup: InventoryAdjustmentGroup
  userErrors: [InventorySetQuantitiesUserError!]!
}
type InventorySetQuantitiesUserError { code: InventorySetQuantitiesUserErrorCode field: [String!] message: String! }
type Job { done: Boolean! id: ID! }
type LineItem implements Node {
  currentQuantity: Int!
  discountAllocations: [DiscountAllocation!]!
  fulfillableQuantity: Int!
  id: ID!
  originalUnitPriceSet: MoneyBag!
  quantity: Int!
  sku: String
  taxLines: [TaxLine!]!
  title: String!
  variant: ProductVariant
}
type LineItemConnection { nodes: [LineItem!]! pageInfo: PageInfo! }
type Location implements Node { id: ID! isActive: Boolean! name: String! updatedAt: DateTime! }
type LocationConnection { edges: [LocationEdge!]! nodes: [Location!]! pageInfo: PageInfo! }
type LocationEdge { cursor: String! node: Location! }
type MailingAddress implements Node {
  address1: String
  address2: String
  city: String
  countryCodeV2: CountryCode
  id: ID!
  name: String
  zip: String
}
type MoneyBag { presentmentMoney: MoneyV2! shopMoney: MoneyV2! }
type MoneyV2 { amount: Decimal! currencyCode: CurrencyCode! }
type Mutation {
  fulfillmentCreate(fulfillment: FulfillmentInput!, message: String): FulfillmentCreatePayload
  fulfillmentOrderLineItemsPreparedForPickup(
    input: FulfillmentOrderLineItemsPreparedForPickupInput!
  ): FulfillmentOrderLineItemsPreparedForPickupPayload
  inventorySetQuantities(input: InventorySetQuantitiesInput!): InventorySetQuantitiesPayload
  orderCancel(
    notifyCustomer: Boolean, orderId: ID!, reason: OrderCancelReason!, refund: Boolean, refundMethod:
    OrderCancelRefundMethodInput, restock: Boolean!, staffNote: String
  ): OrderCancelPayload
  refundCreate(input: RefundInput!): RefundCreatePayload
  webhookSubscriptionCreate(
    topic: WebhookSubscriptionTopic!, webhookSubscription: WebhookSubscriptionInput!
  ): WebhookSubscriptionCreatePayload
}
type Order implements Node {
  billingAddress: MailingAddress
  cancelReason: OrderCancelReason
  cancelledAt: DateTime
  closed: Boolean!
  closedAt: DateTime
  createdAt: DateTime!
  currencyCode: CurrencyCode!
  displayFinancialStatus: OrderDisplayFinancialStatus
  displayFulfillmentStatus: OrderDisplayFulfillmentStatus!
  email: String
  fulfillmentOrders(first: Int): FulfillmentOrderConnection!
  fulfillments(first: Int): [Fulfillment!]!
  id: ID!
  legacyResourceId: UnsignedInt64!
  lineItems(after: String, first: Int): LineItemConnection!
  name: String!
  originalTotalAdditionalFeesSet: MoneyBag
  originalTotalDutiesSet: MoneyBag
  phone: String
  presentmentCurrencyCode: CurrencyCode!
  refunds(first: Int): [Refund!]!
  retailLocation: Location
  shippingAddress: MailingAddress
  sourceName: String
  suggestedRefund(refundLineItems: [RefundLineItemInput!], refundShipping: Boolean): SuggestedRefund
  taxesIncluded: Boolean!
  totalCashRoundingAdjustment: CashRoundingAdjustment!
  totalDiscountsSet: MoneyBag
  totalPriceSet: MoneyBag!
  totalShippingPriceSet: MoneyBag!
  totalTaxSet: MoneyBag
  totalTipReceivedSet: MoneyBag!
  updatedAt: DateTime!
}
type OrderCancelPayload { job: Job orderCancelUserErrors: [OrderCancelUserError!]! userErrors: [UserError!]! }
type OrderCancelUserError { code: OrderCancelUserErrorCode field: [String!] message: String! }
type OrderConnection { nodes: [Order!]! pageInfo: PageInfo! }
type OrderTransaction implements Node { id: ID! }
type PageInfo { endCursor: String hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String }
type Product implements Node { id: ID! title: String! }
type ProductVariant implements Node {
  barcode: String
  id: ID!
  inventoryItem: InventoryItem!
  legacyResourceId: UnsignedInt64!
  product: Product!
  selectedOptions: [SelectedOption!]!
  sku: String
  title: String!
  updatedAt: DateTime!
}
type ProductVariantConnection { nodes: [ProductVariant!]! pageInfo: PageInfo! }
type QueryRoot {
  currentAppInstallation: AppInstallation!
  inventoryItem(id: ID!): InventoryItem
  job(id: ID!): Job
  locations(after: String, first: Int, includeInactive: Boolean): LocationConnection!
  node(id: ID!): Node
  nodes(ids: [ID!]!): [Node]!
  order(id: ID!): Order
  orders(after: String, first: Int, query: String, sortKey: OrderSortKeys): OrderConnection!
  productVariants(
    after: String, first: Int, query: String, sortKey: ProductVariantSortKeys
  ): ProductVariantConnection!
  shop: Shop!
  webhookSubscriptions(after: String, first: Int): WebhookSubscriptionConnection!
}
type Refund implements Node {
  id: ID!
  processedAt: DateTime!
  refundLineItems(after: String, first: Int): RefundLineItemConnection!
  totalRefundedSet: MoneyBag!
}
type RefundCreatePayload { refund: Refund userErrors: [UserError!]! }
type RefundLineItem {
  id: ID
  lineItem: LineItem!
  location: Location
  quantity: Int!
  restockType: RefundLineItemRestockType!
}
type RefundLineItemConnection { nodes: [RefundLineItem!]! pageInfo: PageInfo! }
type SelectedOption { name: String! value: String! }
type Shop implements Node { id: ID! myshopifyDomain: String! name: String! }
type SuggestedOrderTransaction { amountSet: MoneyBag! gateway: String parentTransaction: OrderTransaction }
type SuggestedRefund { suggestedTransactions: [SuggestedOrderTransaction!]! }
type TaxLine { priceSet: MoneyBag! }
type UserError { field: [String!] message: String! }
type WebhookSubscription implements Node {
  format: WebhookSubscriptionFormat!
  id: ID!
  topic: WebhookSubscriptionTopic!
  uri: String!
}
type WebhookSubscriptionConnection { nodes: [WebhookSubscription!]! pageInfo: PageInfo! }
type WebhookSubscriptionCreatePayload { userErrors: [UserError!]! webhookSubscription: WebhookSubscription }
input FulfillmentInput {
  lineItemsByFulfillmentOrder: [FulfillmentOrderLineItemsInput!]!
  notifyCustomer: Boolean
  trackingInfo: FulfillmentTrackingInput
}
input InventorySetQuantitiesInput {
  name: String!
  quantities: [InventoryQuantityInput!]!
  reason: String!
  referenceDocumentUri: String
}
input OrderCancelRefundMethodInput { originalPaymentMethodsRefund: Boolean }
input RefundInput {
  orderId: ID!
  currency: CurrencyCode
  notify: Boolean
  note: String
  refundLineItems: [RefundLineItemInput!]
  transactions: [OrderTransactionInput!]
}
input RefundLineItemInput { lineItemId: ID! locationId: ID quantity: Int! restockType: RefundLineItemRestockType }
input WebhookSubscriptionInput { uri: String format: WebhookSubscriptionFormat filter: String }
input FulfillmentOrderLineItemsPreparedForPickupInput {
  lineItemsByFulfillmentOrder: [PreparedFulfillmentOrderLineItemsInput!]!
}
input PreparedFulfillmentOrderLineItemsInput { fulfillmentOrderId: ID! }
input FulfillmentOrderLineItemsInput {
  fulfillmentOrderId: ID!
  fulfillmentOrderLineItems: [FulfillmentOrderLineItemInput!]
}
input FulfillmentTrackingInput { company: String number: String url: URL }
input InventoryQuantityInput { changeFromQuantity: Int inventoryItemId: ID! locationId: ID! quantity: Int! }
input OrderTransactionInput {
  amount: Money!
  gateway: String!
  kind: OrderTransactionKind!
  orderId: ID!
  parentId: ID
}
input FulfillmentOrderLineItemInput { id: ID! quantity: Int! }
enum CountryCode {
  AC AD AE AF AG AI AL AM AN AO AR AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
  CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FO FR
  GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO
  JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MK ML MM MN MO MQ MR MS
  MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PS PT PY QA RE RO RS RU
  RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TF TG TH TJ TK TL TM TN TO TR TT TV
  TW TZ UA UG UM US UY UZ VA VC VE VG VN VU WF WS XK YE YT ZA ZM ZW
}
enum CurrencyCode { EUR }
enum FulfillmentOrderLineItemsPreparedForPickupUserErrorCode {
  FULFILLMENT_ORDER_INVALID NO_LINE_ITEMS_TO_PREPARE_FOR_FULFILLMENT_ORDER UNABLE_TO_PREPARE_QUANTITY
}
enum DeliveryMethodType { LOCAL NONE PICKUP_POINT PICK_UP RETAIL SHIPPING }
enum FulfillmentDisplayStatus { FULFILLED CANCELED }
enum FulfillmentOrderStatus { CANCELLED CLOSED INCOMPLETE IN_PROGRESS ON_HOLD OPEN SCHEDULED }
enum FulfillmentStatus { CANCELLED ERROR FAILURE OPEN PENDING SUCCESS }
enum InventorySetQuantitiesUserErrorCode {
  CHANGE_FROM_QUANTITY_STALE COMPARE_QUANTITY_REQUIRED COMPARE_QUANTITY_STALE IDEMPOTENCY_CONCURRENT_REQUEST
  IDEMPOTENCY_KEY_PARAMETER_MISMATCH IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED INVALID_INVENTORY_ITEM INVALID_LOCATION
  INVALID_NAME INVALID_QUANTITY_NEGATIVE INVALID_QUANTITY_TOO_HIGH INVALID_QUANTITY_TOO_LOW INVALID_REASON
  INVALID_REFERENCE_DOCUMENT NON_MUTABLE_INVENTORY_ITEM NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR
}
enum OrderCancelReason { CUSTOMER DECLINED FRAUD INVENTORY OTHER STAFF }
enum OrderCancelUserErrorCode {
  INTERNAL_ERROR INVALID NOT_FOUND NO_REFUND_PERMISSION NO_REFUND_TO_STORE_CREDIT_PERMISSION
  STORE_CREDIT_REFUND_B2B_NOT_SUPPORTED STORE_CREDIT_REFUND_EXPIRATION_IN_PAST
  STORE_CREDIT_REFUND_MISSING_CUSTOMER
}
enum OrderDisplayFinancialStatus {
  AUTHORIZED EXPIRED PAID PARTIALLY_PAID PARTIALLY_REFUNDED PENDING REFUNDED VOIDED
}
enum OrderDisplayFulfillmentStatus {
  FULFILLED FULFILLMENT_NOT_REQUIRED IN_PROGRESS ON_HOLD OPEN PARTIALLY_FULFILLED PENDING_FULFILLMENT
  REQUEST_DECLINED RESTOCKED SCHEDULED UNFULFILLED
}
enum OrderSortKeys { UPDATED_AT ID }
enum OrderTransactionKind { AUTHORIZATION CAPTURE CHANGE EMV_AUTHORIZATION REFUND SALE SUGGESTED_REFUND VOID }
enum ProductVariantSortKeys { ID }
enum RefundLineItemRestockType { CANCEL LEGACY_RESTOCK NO_RESTOCK RETURN }
enum WebhookSubscriptionFormat { JSON XML }
enum WebhookSubscriptionTopic {
  APP_UNINSTALLED FULFILLMENTS_CREATE FULFILLMENTS_UPDATE INVENTORY_LEVELS_CONNECT INVENTORY_LEVELS_UPDATE
  LOCATIONS_ACTIVATE LOCATIONS_CREATE LOCATIONS_DEACTIVATE LOCATIONS_DELETE LOCATIONS_UPDATE ORDERS_CANCELLED
  ORDERS_CREATE ORDERS_EDITED ORDERS_FULFILLED ORDERS_PAID ORDERS_PARTIALLY_FULFILLED ORDERS_UPDATED
  PRODUCTS_CREATE PRODUCTS_DELETE PRODUCTS_UPDATE REFUNDS_CREATE SHOP_UPDATE
}
scalar DateTime
scalar Decimal
scalar Money
scalar URL
scalar UnsignedInt64
interface Node { id: ID! }
"""

SCHEMA = build_schema(SDL)
