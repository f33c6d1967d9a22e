"""The tables, one module a subject. CHECK and UNIQUE constraints carry the rules; nothing here has behavior.

A plain table that many stores read is named beside its row.

Times are UTC. Units are ints. Amounts are exact text with the currency beside them.
"""

from nervure.store.tables.catalogue import ItemRow, KitComponentRow, ListingRow, LocationRow
from nervure.store.tables.channels import (
    CallBudgetRow,
    CallCeilingRow,
    ChannelRow,
    PlatformClockRow,
    StockPointLocationRow,
    StockPointRow,
)
from nervure.store.tables.counts import CycleCountLineRow, CycleCountRow
from nervure.store.tables.cutover import BindingDecisionRow, CutoverRow
from nervure.store.tables.desk import (
    DeskSessionRow,
    DeskSignInRow,
    DeskUserRow,
    FulfillmentEventRow,
    FulfillmentOfferRow,
    FulfillmentPickRow,
    ShelfRow,
)
from nervure.store.tables.documents import InboxBodyRow, InboxRow, OutboxRow, TaskRow
from nervure.store.tables.fields import of
from nervure.store.tables.lots import LotRow
from nervure.store.tables.movements import RecipePartRow
from nervure.store.tables.orders import (
    FulfillmentLineRow,
    FulfillmentOrderRow,
    GoodsReturnLineRow,
    GoodsReturnRow,
    OrderLineRow,
    OrderPersonRow,
    SalesOrderRow,
    ShortfallRow,
)
from nervure.store.tables.policies import BackorderChangeRow, PolicyChangeRow, PolicyRow, PublicationAnswerRow
from nervure.store.tables.publications import AvailabilityChangeRow, PublicationRow, SalesPaceRow, ZeroFallRow
from nervure.store.tables.purchases import PurchaseLineRow, PurchaseReceiptRow, PurchaseRow
from nervure.store.tables.reservations import ReservationLineRow, ReservationRow
from nervure.store.tables.restores import HubLifeRow, RestoreRow
from nervure.store.tables.routing import NotFoundRow, RoutingSettingRow, ScarcityPriceRow
from nervure.store.tables.serials import SerialClaimRow, SerialRow
from nervure.store.tables.shadow import ShadowDayRow
from nervure.store.tables.skus import ItemAliasRow, ItemEventRow
from nervure.store.tables.stock import ClaimRow, SafetyStockRow, StockLevelRow, StockMovementRow, StockObservationRow
from nervure.store.tables.substitution import (
    LineCutRow,
    ProposalOptionRow,
    ProposalRow,
    SubstitutionGroupRow,
    SubstitutionMemberRow,
)
from nervure.store.tables.suppliers import SupplierFeedRow, SupplierOfferRow, SupplierRequestRow
from nervure.store.tables.transfers import TransferArrivalRow, TransferLineRow, TransferRow

__all__ = [
    "AvailabilityChangeRow",
    "BackorderChangeRow",
    "BindingDecisionRow",
    "CallBudgetRow",
    "CallCeilingRow",
    "ChannelRow",
    "ClaimRow",
    "CutoverRow",
    "CycleCountLineRow",
    "CycleCountRow",
    "DeskSessionRow",
    "DeskSignInRow",
    "DeskUserRow",
    "FulfillmentEventRow",
    "FulfillmentLineRow",
    "FulfillmentOfferRow",
    "FulfillmentOrderRow",
    "FulfillmentPickRow",
    "GoodsReturnLineRow",
    "GoodsReturnRow",
    "HubLifeRow",
    "InboxBodyRow",
    "InboxRow",
    "ItemAliasRow",
    "ItemEventRow",
    "ItemRow",
    "KitComponentRow",
    "LineCutRow",
    "ListingRow",
    "LocationRow",
    "LotRow",
    "NotFoundRow",
    "OrderLineRow",
    "OrderPersonRow",
    "OutboxRow",
    "PlatformClockRow",
    "PolicyChangeRow",
    "PolicyRow",
    "ProposalOptionRow",
    "ProposalRow",
    "PublicationAnswerRow",
    "PublicationRow",
    "PurchaseLineRow",
    "PurchaseReceiptRow",
    "PurchaseRow",
    "RecipePartRow",
    "ReservationLineRow",
    "ReservationRow",
    "RestoreRow",
    "RoutingSettingRow",
    "SafetyStockRow",
    "SalesOrderRow",
    "SalesPaceRow",
    "ScarcityPriceRow",
    "SerialClaimRow",
    "SerialRow",
    "ShadowDayRow",
    "ShelfRow",
    "ShortfallRow",
    "StockLevelRow",
    "StockMovementRow",
    "StockObservationRow",
    "StockPointLocationRow",
    "StockPointRow",
    "SubstitutionGroupRow",
    "SubstitutionMemberRow",
    "SupplierFeedRow",
    "SupplierOfferRow",
    "SupplierRequestRow",
    "TaskRow",
    "TransferArrivalRow",
    "TransferLineRow",
    "TransferRow",
    "ZeroFallRow",
    "of",
]
