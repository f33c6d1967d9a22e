"""What goods are assembled from."""

from sqlalchemy import CheckConstraint, Column, ForeignKey
from sqlmodel import Field, SQLModel

from nervure.store.columns import BigId
from nervure.store.tables.fields import of, ref


class RecipePartRow(SQLModel, table=True):
    """`units` of a part go into one assembled item. A kit, which holds no stock, has its parts in `kit_component`."""

    __tablename__ = "recipe_part"
    __table_args__ = (
        CheckConstraint("units > 0", name="units"),
        CheckConstraint("product_id <> part_id", name="not_itself"),
    )

    product_id: int = ref("item", primary_key=True)
    part_id: int = Field(sa_column=Column(BigId, ForeignKey("item.id"), primary_key=True, index=True))
    units: int


RECIPE = of(RecipePartRow)
