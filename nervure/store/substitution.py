"""Which items may take each other's place, in SQL."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nervure.store import tables
from nervure.store.statements import chunks, insert_new
from nervure.store.tables.catalogue import ITEM
from schemas.substitution import Member, PriceRule, Relation, SubstitutionGroup

GROUP = tables.of(tables.SubstitutionGroupRow)
MEMBER = tables.of(tables.SubstitutionMemberRow)


@dataclass(frozen=True, slots=True)
class Sibling:
    """An item that a group says may take another one's place. `climb`: by how many ranks it is the better one."""

    item_id: int
    sku: str
    group: str
    relation: Relation
    climb: int
    rule: PriceRule
    price: Decimal | None
    instead_of_price: Decimal | None


class SubstitutionStore:
    """The groups of one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def groups(self, names: Collection[str] | None = None, *, locked: bool = False) -> dict[str, SubstitutionGroup]:
        """Groups by name (None: all), members by rank and sku. A group that lost its members is left out."""
        query = sa.select(GROUP).order_by(GROUP.c.id)
        if names is not None:
            query = query.where(GROUP.c.name.in_(sorted(names)))
        rows = self._connection.execute(query.with_for_update() if locked else query).all()
        members = (
            sa.select(MEMBER, ITEM.c.sku).join(ITEM, ITEM.c.id == MEMBER.c.item_id).order_by(MEMBER.c.rank, ITEM.c.sku)
        )
        of_group: dict[int, list[Member]] = defaultdict(list)
        for batch in chunks([row.id for row in rows]):
            for one in self._connection.execute(members.where(MEMBER.c.group_id.in_(batch))):
                of_group[one.group_id].append(Member(sku=one.sku, rank=one.rank, price=one.price))
        return {
            row.name: SubstitutionGroup(
                name=row.name,
                relation=Relation(row.relation),
                members=tuple(of_group[row.id]),
                same=PriceRule(row.price_same),
                up=PriceRule(row.price_up),
                down=PriceRule(row.price_down),
            )
            for row in rows
            if len(of_group[row.id]) > 1
        }

    def put(self, group: SubstitutionGroup, items: Mapping[str, int]) -> None:
        """Writes a group as it is said now, whole; `items`: the ids of its members' skus."""
        values = {
            "relation": group.relation.value,
            "price_same": group.same.value,
            "price_up": group.up.value,
            "price_down": group.down.value,
        }
        insert_new(self._connection, GROUP, [{"name": group.name, **values}])
        changed = GROUP.update().where(GROUP.c.name == group.name).values(**values).returning(GROUP.c.id)
        number = self._connection.execute(changed).scalar_one()
        self._connection.execute(MEMBER.delete().where(MEMBER.c.group_id == number))
        rows = [
            {"group_id": number, "item_id": items[one.sku], "rank": one.rank, "price": one.price}
            for one in group.members
        ]
        self._connection.execute(MEMBER.insert(), rows)

    def remove(self, name: str) -> bool:
        """Takes a group back; False: there is none. What was offered by it stays offered."""
        number = sa.select(GROUP.c.id).where(GROUP.c.name == name).scalar_subquery()
        self._connection.execute(MEMBER.delete().where(MEMBER.c.group_id == number))
        return self._connection.execute(GROUP.delete().where(GROUP.c.name == name)).rowcount == 1

    def siblings(self, item_id: int) -> Sequence[Sibling]:
        """Everything that may take an item's place by any group, the nearest rank first."""
        mine, other = MEMBER.alias("mine"), MEMBER.alias("other")
        query = (
            sa.select(
                GROUP,
                other.c.item_id,
                other.c.price,
                (other.c.rank - mine.c.rank).label("climb"),
                mine.c.price.label("mine"),
                ITEM.c.sku,
            )
            .join(mine, mine.c.group_id == GROUP.c.id)
            .join(other, sa.and_(other.c.group_id == GROUP.c.id, other.c.item_id != mine.c.item_id))
            .join(ITEM, ITEM.c.id == other.c.item_id)
            .where(mine.c.item_id == item_id)
        )
        rows = sorted(self._connection.execute(query), key=lambda row: (abs(row.climb), row.name, row.sku))
        return [
            Sibling(row.item_id, row.sku, row.name, Relation(row.relation), row.climb, _rule(row), row.price, row.mine)
            for row in rows
            if _rule(row) is not PriceRule.NEVER
        ]


def _rule(row: sa.Row[*tuple[object, ...]]) -> PriceRule:
    direction = row.price_up if row.climb > 0 else row.price_down if row.climb < 0 else row.price_same
    return PriceRule(direction)
