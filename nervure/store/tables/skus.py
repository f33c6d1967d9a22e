"""What became of skus: renamed, merged, split; and the names that items had before."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from nervure.store.tables.fields import json, of, own_id, ref, time


class ItemEventRow(SQLModel, table=True):
    """One renaming, merging or splitting, once for each document. `other_item_id`: the item merged in, or split off."""

    __tablename__ = "item_event"
    __table_args__ = (
        UniqueConstraint("document"),
        CheckConstraint("kind IN ('renamed', 'merged', 'split')", name="kind"),
        CheckConstraint("(kind = 'renamed') = (other_item_id IS NULL)", name="other"),
    )

    id: int | None = own_id()
    kind: str
    document: str
    item_id: int = ref("item", index=True)
    other_item_id: int | None = ref("item", nullable=True, index=True)
    details: dict[str, Any] = json()
    occurred_at: datetime = time()


class ItemAliasRow(SQLModel, table=True):
    """A name that an item had until a time. No other item gets it before somebody sets it free (`freed_at`).

    `is_merged`: another item had it, which is one with this item since. `origin`: the first name of that item, under
    which causes of its movements are written for ever.
    """

    __tablename__ = "item_alias"
    __table_args__ = (
        Index(
            "uq_item_alias_kept",
            "sku",
            unique=True,
            sqlite_where=text("freed_at IS NULL"),
            postgresql_where=text("freed_at IS NULL"),
        ),
    )

    id: int | None = own_id()
    sku: str = Field(index=True)
    item_id: int = ref("item", index=True)
    origin: str
    is_merged: bool = False
    until: datetime = time()
    freed_at: datetime | None = time(nullable=True)


ALIAS = of(ItemAliasRow)
