"""Stock: ledger, levels, observations and claims."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from nervure.store.tables.fields import digest, own_id, ref, time


class StockLevelRow(SQLModel, table=True):
    """Projection of the ledger for one stock key, and what is claimed of it.

    `expires_at`: when the lot's last day begins where the units lie; from then on they are not promised.
    """

    __tablename__ = "stock_level"
    __table_args__ = (
        UniqueConstraint("item_id", "location_id", "owner", "condition", "lot"),
        CheckConstraint("reserved >= 0 AND allocated >= 0 AND sequence >= 0", name="signs"),
        CheckConstraint("condition = 'sellable' OR (reserved = 0 AND allocated = 0)", name="claims_are_sellable"),
        Index(
            "ix_stock_level_expires_at",
            "expires_at",
            sqlite_where=text("expires_at IS NOT NULL"),
            postgresql_where=text("expires_at IS NOT NULL"),
        ),
    )

    id: int | None = own_id()
    item_id: int = ref("item")
    location_id: int = ref("location", index=True)
    owner: str
    condition: str
    lot: str
    on_hand: int
    reserved: int = 0
    allocated: int = 0
    sequence: int = 0
    expires_at: datetime | None = time(nullable=True)


class StockMovementRow(SQLModel, table=True):
    """The append-only ledger. `document`: what a person calls the cause, such as `order:webshop:1001`.

    `compensates_id`: the movement that this adjustment takes back. `digest`: of the other columns and the stock key.
    """

    __tablename__ = "stock_movement"
    __table_args__ = (
        UniqueConstraint("stock_level_id", "sequence"),
        UniqueConstraint("cause_key"),
        CheckConstraint("units <> 0", name="moves"),
        CheckConstraint("sequence > 0", name="sequence"),
        CheckConstraint("(kind = 'adjusted') = (reason IS NOT NULL)", name="reason"),
    )

    id: int | None = own_id()
    stock_level_id: int = ref("stock_level")
    sequence: int
    kind: str
    units: int
    reason: str | None = None
    cause_key: str
    document: str = Field(index=True)
    occurred_at: datetime = time()
    recorded_at: datetime = time()
    compensates_id: int | None = ref("stock_movement", nullable=True)
    digest: int = digest()


class StockObservationRow(SQLModel, table=True):
    """What another master or a person counted, what we expect there by now, and by that the difference that is booked.

    `basis`: what the number is compared with. `owner` and `lot`: the level on which the difference is booked;
    `is_whole`: units of every owner and lot were counted. `withheld_units`: held back by settings when it was heard.
    `base_units`, `base_at`: what a running number was before, and since when.
    """

    __tablename__ = "stock_observation"
    __table_args__ = (
        UniqueConstraint(
            "location_id",
            "item_id",
            "source",
            "observed_at",
            "version",
            "units",
            "condition",
            "owner",
            "lot",
            name="uq_stock_observation_word",
        ),
        CheckConstraint("(basis = 'running') = (base_units IS NOT NULL AND base_at IS NOT NULL)", name="base"),
        CheckConstraint(
            "basis IN ('everything', 'shelf', 'free', 'less_our_orders', 'running') AND withheld_units >= 0",
            name="basis",
        ),
        Index("ix_stock_observation_newest", "item_id", "location_id", "observed_at"),
    )

    id: int | None = own_id()
    location_id: int = ref("location")
    item_id: int = ref("item")
    source: str
    version: str = ""
    units: int
    expected_units: int
    is_booked: bool
    basis: str
    condition: str
    owner: str
    lot: str = ""
    is_whole: bool
    withheld_units: int = 0
    base_units: int | None = None
    base_at: datetime | None = time(nullable=True)
    observed_at: datetime = time()
    recorded_at: datetime = time()
    digest: int = digest()


class SafetyStockRow(SQLModel, table=True):
    __tablename__ = "safety_stock"
    __table_args__ = (CheckConstraint("units >= 0", name="units"),)

    item_id: int = ref("item", primary_key=True)
    location_id: int = ref("location", primary_key=True)
    units: int


class ClaimRow(SQLModel, table=True):
    """Units of one stock level taken for somebody. Ends once: consumed or released.

    `ended_at`: when the units left; `end_recorded_at`: when we heard of it.
    """

    __tablename__ = "claim"
    __table_args__ = (
        CheckConstraint("units > 0", name="units"),
        CheckConstraint("kind IN ('reservation', 'allocation')", name="kind"),
        CheckConstraint("state IN ('held', 'consumed', 'released')", name="state"),
        CheckConstraint("(kind = 'allocation') = (fulfillment_line_id IS NOT NULL)", name="purpose"),
        CheckConstraint("(kind = 'reservation') = (expires_at IS NOT NULL)", name="expiry"),
        Index("ix_claim_fulfillment_line_id_state", "fulfillment_line_id", "state"),
        Index(
            "ix_claim_held",
            "stock_level_id",
            sqlite_where=text("state = 'held'"),
            postgresql_where=text("state = 'held'"),
        ),
    )

    id: int | None = own_id()
    stock_level_id: int = ref("stock_level")
    kind: str
    units: int
    state: str
    reference: str = Field(index=True)
    fulfillment_line_id: int | None = ref("fulfillment_line", nullable=True)
    expires_at: datetime | None = time(nullable=True)
    created_at: datetime = time()
    ended_at: datetime | None = time(nullable=True)
    end_recorded_at: datetime | None = time(nullable=True)
    digest: int = digest()
