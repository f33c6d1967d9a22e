"""A merchant of caps in colors and models, and orders that cannot be served: for tests of what becomes of them."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from nervure.clock import ManualClock
from nervure.invariants import check_all
from nervure.operations.choosing import choose
from nervure.operations.hub import Hub
from nervure.operations.proposing import make_proposals
from nervure.operations.shortfalls import options_of, proposals_of
from nervure.orders.intake import take_in
from nervure.orders.options import ShortfallPolicy
from nervure.orders.settling import serve_shortfalls
from nervure.store.audit import AuditStore
from nervure.store.database import Database
from nervure.store.holds import RESERVATION
from nervure.store.proposals import ProposalSeen
from nervure.store.substitution import SubstitutionStore
from schemas.capabilities import Capabilities
from schemas.locations import Address, LocationKind
from schemas.orders import Delivery, DeliveryMethod, Order, OrderState
from schemas.substitution import AtDeadline, Consent, Member, OptionKind, PriceRule, Relation, SubstitutionGroup
from tests.nervure.operations.scripted import ScriptedShop, looking, scripted_hub, tasks
from tests.nervure.world import SHOP, START, World, an_order, must_hold

TO_PARIS = Delivery(method=DeliveryMethod.SHIP, address=Address(country="FR", postal_code="75001"))
ASK_ALL = dict.fromkeys(OptionKind, Consent.ASK)

COLORS = SubstitutionGroup(
    name="caps", relation=Relation.VARIANT, members=(Member(sku="BLUE"), Member(sku="GREEN"), Member(sku="RED"))
)
MODELS = SubstitutionGroup(
    name="models",
    relation=Relation.MODEL,
    members=(
        Member(sku="RED", rank=1, price=Decimal("20")),
        Member(sku="PRO", rank=2, price=Decimal("25.50")),
        Member(sku="MAX", rank=3, price=Decimal("40")),
    ),
)


def policy(at_deadline: AtDeadline = AtDeadline.WAIT, most: int = 3, **consents: Consent | str) -> ShortfallPolicy:
    """A policy: everything is asked for unless something else is said."""
    said = {OptionKind(name): Consent(consent) for name, consent in consents.items()}
    return ShortfallPolicy(ASK_ALL | said, timedelta(hours=24), at_deadline, most)


def hatter(world: World, groups: tuple[SubstitutionGroup, ...] = (COLORS, MODELS), **stock: int) -> None:
    """Caps in a depot that ships, and in two stores that only hand over; a shop that sells what the depot has."""
    skus = ("RED", "BLUE", "GREEN", "PRO", "MAX")
    world.items(*skus)
    world.location("depot", postal_code="69001", can_pickup=False)
    world.location("near", kind=LocationKind.STORE, postal_code="75002", can_ship=False)
    world.location("far", kind=LocationKind.STORE, postal_code="13001", can_ship=False)
    world.channel("shop", {"web": ["depot"]})
    world.list_on("shop", *skus)
    ids = world.catalogue.item_ids(skus)
    for group in groups:
        SubstitutionStore(world.connection).put(group, ids)
    for name, units in stock.items():
        sku, place = name.split("_")
        world.receive(sku.upper(), place, units)


def hat_shop(
    database: Database,
    said: ShortfallPolicy,
    *,
    capabilities: Capabilities = SHOP,
    clock: ManualClock | None = None,
    groups: tuple[SubstitutionGroup, ...] = (COLORS, MODELS),
    **stock: int,
) -> Hub:
    """The hub of that merchant, with this policy on its shop."""
    with database.write() as connection:
        hatter(World(connection), groups, **stock)
    hub = scripted_hub(database, {"shop": ScriptedShop()}, capabilities={"shop": capabilities}, clock=clock)
    hub.accounts = {"shop": replace(hub.accounts["shop"], shortfalls=said)}
    return hub


def order(hub: Hub, name: str, units: int = 1, sku: str = "RED", **said: Any) -> Order:
    """Takes an order in; answers it as the shop states it."""
    made = an_order(name, {sku: units}, **({"delivery": TO_PARIS} | said))
    state(hub, made)
    return made


def state(hub: Hub, stated: Order) -> bool:
    """The shop states an order."""
    capabilities = hub.accounts["shop"].record.capabilities
    return hub.database.run(lambda connection: take_in(stated, capabilities, hub.desk(connection)))


def goods_in(hub: Hub, sku: str, units: int, place: str = "depot") -> None:
    """Goods come in, and who waits is served."""

    def work(connection: Any) -> None:
        world = World(connection, hub.clock.now())
        world.receive(sku, place, units)
        serve_shortfalls({world.place(sku, place).item_id}, hub.desk(connection))

    hub.database.run(work)


__all__ = [
    "ASK_ALL",
    "COLORS",
    "MODELS",
    "START",
    "TO_PARIS",
    "AtDeadline",
    "Consent",
    "OrderState",
    "PriceRule",
    "goods_in",
    "hat_shop",
    "hatter",
    "order",
    "policy",
    "state",
]


def proposed(hub: Hub, name: str = "1") -> ProposalSeen:
    """The one proposal that is open for an order."""
    assert make_proposals(hub) == 1
    return proposals_of(hub, "shop", name)[-1]


def all_holds(hub: Hub) -> None:
    with looking(hub) as world:
        must_hold(world)
        assert check_all(AuditStore(world.connection)) == []


def states_of_holds(hub: Hub) -> list[str]:
    with hub.database.read() as connection:
        return list(connection.execute(sa.select(RESERVATION.c.state).order_by(RESERVATION.c.id)).scalars())


def told(hub: Hub) -> dict[str, str]:
    """Open tasks by kind."""
    return {task.kind: task.text for task in tasks(hub)}


def keys_now(hub: Hub, name: str) -> list[str]:
    [short] = options_of(hub, "shop", name)
    return [one.key for one in short.options]


def substituted(hub: Hub, units: int = 2) -> None:
    order(hub, "1", units)
    choose(hub, proposed(hub).token, "variant:BLUE")
