"""Open orders are planned anew together; what is better served from elsewhere is given there, whole or not at all."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nervure.inventory.stock import Place
from nervure.orders.batch import REAL, JointEffort, plan_together
from nervure.orders.costs import Costs
from nervure.orders.routing import TIE, Candidate, OrderQuestion, Plan, Wanted, by_preference, dropped
from nervure.orders.solving import Solution
from nervure.orders.ways import ROOM, JointOrder, Way
from nervure.orders.work import FulfillmentLineState, LineState


class OutdatedPlanError(Exception):
    """Since it was planned something has changed; nothing was changed by the plan."""


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order of which no location has taken anything on, or is asked to.

    `served` are all its fulfillment lines that hold units. `wanted` is what of it must be served:
    what is served now, with parts as they were taken, and what is short.
    """

    id: int
    lines: Sequence[LineState]
    served: Sequence[FulfillmentLineState]
    wanted: Sequence[Wanted]
    candidates: Sequence[Candidate]

    def held(self) -> dict[tuple[int, int], int]:
        """Units now by line and location."""
        found: Counter[tuple[int, int]] = Counter()
        for one in self.served:
            found[one.order_line_id, one.location_id] += one.units
        return dict(found)

    def items(self) -> set[int]:
        """What it is made of."""
        return {part for line in self.wanted for part in line.parts}

    def places(self) -> dict[Place, int]:
        """What it holds now of each place."""
        parts = {line.line_id: line.parts for line in self.wanted}
        found: Counter[Place] = Counter()
        for (line, location), units in self.held().items():
            found.update({Place(part, location): units * per for part, per in parts[line].items()})
        return dict(found)


@dataclass(frozen=True, slots=True)
class Move:
    """An order that is better served by another plan: what that saves, in micros, and the units it has then.

    `spared`: so much more worth to later orders than what it takes then is what it gives back; nobody pays that.
    """

    order: OpenOrder
    plan: Plan
    cost_before: int
    saved: int
    spared: int
    units_gained: int
    uses: Mapping[Place, int]


@dataclass(frozen=True, slots=True)
class Replan:
    """Moves in groups that must be made together. `gap`: so many micros the whole is above the cheapest at most.

    What units are worth to later orders counts in both, `cost` and `gap`. `is_full`: no plan serves more units.
    """

    groups: Sequence[Sequence[Move]]
    orders: int
    cost: int
    gap: int
    is_full: bool


def may_be_planned(order: OpenOrder) -> bool:
    """Whether it is known what each place costs from where it is served now."""
    barred = {
        one.location_id: one.terms.barred
        for one in order.candidates
        if one.terms.dropped is None and not one.is_supplier
    }
    return all(
        place.location_id in barred and place.item_id not in barred[place.location_id] for place in order.places()
    )


def replan(
    orders: Sequence[OpenOrder],
    free: Mapping[Place, int],
    costs: Costs,
    *,
    prices: Mapping[Place, int] | None = None,
    change: int = 0,
    effort: JointEffort = REAL,
) -> Replan:
    """The cheapest plan of all these orders. `free`: units that nobody holds; `change`: what each move must save.

    `prices`: what a unit is worth to later orders at a place, in micros; as for one order alone it counts, and is not
    paid. A plan that forgot it would take what the orders before had left there on purpose.
    """
    stock = _shared(orders, free)
    of_item: dict[int, dict[Place, int]] = defaultdict(dict)
    for place, units in stock.items():
        of_item[place.item_id][place] = units
    questions: list[OrderQuestion] = []
    joint: list[JointOrder] = []
    for order in orders:
        # What a contract asks of a whole plan is kept to where an order is planned alone.
        fit = [
            replace(one, terms=replace(one.terms, keep_units=0))
            for one in order.candidates
            if one.terms.dropped is None and one.terms.limits is None
        ]
        here = {place: units for item in order.items() for place, units in of_item[item].items()}
        question = OrderQuestion(order.wanted, sorted(fit, key=by_preference(costs)), here, costs, prices or {})
        questions.append(question)
        joint.append(
            JointOrder(
                question.demands,
                question.sources,
                [one.location_id for one in question.ranked],
                costs.split * TIE,
                _stay(order, question),
                change * TIE,
            )
        )
    found = plan_together(joint, stock, effort)
    moves = [
        move
        for order, question, one, way in zip(orders, questions, joint, found.ways, strict=True)
        if (move := _move(order, question, one, way)) is not None
    ]
    return Replan(
        _groups(moves), len(orders), found.cost // TIE, -(-found.gap // TIE), found.missing == found.missing_bound
    )


def _shared(orders: Sequence[OpenOrder], free: Mapping[Place, int]) -> dict[Place, int]:
    """What all these orders may use: nobody has to leave because more must stay there than does."""
    own: Counter[Place] = Counter()
    keeps: dict[int, int] = {}
    stock: dict[Place, int] = {}
    for order in orders:
        own.update(order.places())
        for one in order.candidates:
            keeps[one.location_id] = max(keeps.get(one.location_id, 0), one.terms.keep_units)
            if one.terms.room is not None and one.terms.dropped is None:
                room = Place(ROOM, one.location_id)
                stock[room] = min(stock.get(room, one.terms.room), one.terms.room)
    for place in {*own, *free}:
        units = free.get(place, 0) + own[place] - keeps.get(place.location_id, 0)
        stock[place] = max(units, own[place], 0)
    return stock


def _stay(order: OpenOrder, question: OrderQuestion) -> list[dict[int, int]]:
    """How the order is served now, in the words of its question."""
    number = {one.location_id: i for i, one in enumerate(question.ranked)}
    held = order.held()
    takes: list[dict[int, int]] = []
    for lines in question.lines.values():
        taken: Counter[int] = Counter()
        for line in lines:
            for (line_id, location), units in held.items():
                if line_id == line.line_id:
                    taken[number[location]] += units
        takes.append(dict(taken))
    return takes


def _move(order: OpenOrder, question: OrderQuestion, joint: JointOrder, way: Way) -> Move | None:
    takes = [dict(sorted(one.items())) for one in way.takes]
    stay = [dict(sorted(one.items())) for one in joint.stay or ()]
    if takes == stay:
        return None
    before, after = (
        (question.cost(one) - (joint.split if any(one) else 0)) // TIE - question.worth(one) for one in (stay, takes)
    )
    full = question.cost(takes)
    solution = Solution(takes, way.missing, full, way.missing, full, 0)
    plan = question.explained(question.answer(solution), solution, dropped(order.candidates))
    gained = sum(map(_units, takes)) - sum(map(_units, stay))
    return Move(order, plan, before, before - after, question.worth(stay) - question.worth(takes), gained, way.uses)


def _units(taken: Mapping[int, int]) -> int:
    return sum(taken.values())


def _groups(moves: Sequence[Move]) -> list[list[Move]]:
    """Moves that share a place are made together: one may need what another one gives back."""
    groups: list[tuple[set[Place], list[Move]]] = []
    for move in moves:
        places, members = {*move.uses, *move.order.places()}, [move]
        apart = []
        for others, fellows in groups:
            if others & places:
                places |= others
                members = fellows + members
            else:
                apart.append((others, fellows))
        groups = [*apart, (places, members)]
    return [members for _, members in groups]
