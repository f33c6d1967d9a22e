"""Planning open orders anew together, and giving each part to where it is served best."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError
from nervure.orders.batch import REAL, JointEffort
from nervure.orders.costs import micros
from nervure.orders.replanning import Move, OutdatedPlanError, Replan, replan
from nervure.orders.trading import carry_out_together
from nervure.store.database import Connection
from nervure.store.locations import LocationStore
from nervure.store.replanning import ReplanStore
from nervure.store.routing import RoutingStore
from schemas.routing import RoutingMethod, RoutingSettings

MAX_ORDERS = 2_000
"""So many open orders are planned at once; of more it is drawn by lot which, so that each has its turn."""


class NoCostsError(RefusalError):
    """The merchant has not said what things cost: nothing is better than something else."""


@dataclass(frozen=True, slots=True)
class Replanned:
    """What was planned, which of its moves were made, and the names of the orders moved and of all locations.

    `left_out`: open orders that were too many for this time.
    """

    plan: Replan
    left_out: int
    made: tuple[Move, ...]
    outdated: int
    names: dict[int, str]
    locations: dict[int, str]


def replan_open_orders(hub: Hub, *, by: str = "", dry_run: bool = False, effort: JointEffort = REAL) -> Replanned:
    """Plans all open orders together, as if each gave back what it holds, and moves those for which it pays.

    Orders that trade units are moved in one transaction; if something changed meanwhile, they stay until the next time.

    Raises:
        NoCostsError: no costs are set, or they do not decide.
    """
    with hub.database.read() as connection:
        now = hub.clock.now()
        settings = _settings(connection, hub)
        store = ReplanStore(connection, now)
        many = store.count_open()
        turns = max(-(-many // MAX_ORDERS), 1)
        size = max(-(-many // turns), 1)
        turn = random.Random(now.timestamp()).randrange(turns)  # noqa: S311 - a lot
        orders = store.open_orders(size, turn=turn)
        left_out = many - min(size, many - turn * size)
        items = {item for order in orders for item in order.items()}
        free, routing = store.free(items), RoutingStore(connection, now)
        costs, prices = routing.routing().costs, routing.prices(items)
    plan = replan(orders, free, costs, prices=prices, change=micros(settings.replan_saves), effort=effort)
    groups = [] if dry_run else [group for group in plan.groups if make(hub, group, by=by)]
    with hub.database.read() as connection:
        names = ReplanStore(connection, hub.clock.now()).names({m.order.id for group in plan.groups for m in group})
        codes = LocationStore(connection, hub.clock.now()).ids()
    made = tuple(move for group in groups for move in group)
    return Replanned(
        plan,
        left_out,
        made,
        0 if dry_run else len(plan.groups) - len(groups),
        names,
        {id_: code for code, id_ in codes.items()},
    )


def replan_seconds(hub: Hub) -> float | None:
    """How often the settings want open orders to be planned anew; None: not at all."""
    with hub.database.read() as connection:
        said = RoutingStore(connection, hub.clock.now()).routing().settings
    return None if said is None or said.replan_minutes is None else said.replan_minutes * 60.0


def _settings(connection: Connection, hub: Hub) -> RoutingSettings:
    said = RoutingStore(connection, hub.clock.now()).routing().settings
    if said is None:
        raise NoCostsError("no costs are set: say in [routing] what parcels cost")
    if said.method is not RoutingMethod.COST:
        raise NoCostsError(f"locations are chosen by {said.method}, not by costs")
    return said


def make(hub: Hub, group: Sequence[Move], *, by: str = "") -> bool:
    """Makes these moves, all or none; False: something has changed since they were planned."""

    def work(connection: Connection) -> None:
        desk = hub.desk(connection)
        numbers = sorted(move.order.id for move in group)
        for number in numbers:
            desk.orders.lock(number)
        if not ReplanStore(connection, desk.now).are_open(numbers):
            raise OutdatedPlanError("somebody has been asked for one of these orders, or it is over")
        carry_out_together(group, desk, by=by)

    try:
        hub.database.run(work)
    except OutdatedPlanError:
        return False
    return True
