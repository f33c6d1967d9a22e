"""Explaining a number: where it comes from, what was told to the channel, and what it would be without something."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from nervure.inventory.availability import Parts
from nervure.inventory.derivation import Node, as_data, evaluate, tags_in, without
from nervure.inventory.explain import derive_location, derive_number
from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError
from nervure.operations.staff import UnknownStockError
from nervure.store.catalogue import CatalogueStore
from nervure.store.database import Connection
from nervure.store.explain import ExplainStore, PointListed, PublicationNow
from nervure.store.history import Answer
from nervure.store.locations import LocationStore
from nervure.store.salable import SalableStore

PLAIN_WORDS = ("buffer", "safety", "share", "cap", "backorder", "claims")
"""What can be left out of any number; other words must name something in the derivation."""


class NotListedError(RefusalError):
    """A number was asked for that no channel shows."""


class UnexplainableError(RefusalError):
    """A moment or a word that no derivation knows."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be explained; `at` None: now. `left_out`: the words of a counterfactual."""

    sku: str
    location: str | None = None
    channel: str | None = None
    at: datetime | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Derivation:
    """One number and its tree. `shown`: what the availability function gives for it, where it was asked for now.

    `tree` is the counterfactual one where something is left out; `units` is what there is with all of it.
    """

    name: str
    units: int
    tree: Node
    is_published: bool = False
    shown: int | None = None
    publication: PublicationNow | None = None
    answer: Answer | None = None

    @property
    def derived(self) -> int:
        """What the tree evaluates to."""
        return evaluate(self.tree)

    @property
    def is_doubtful(self) -> bool:
        """The hub's own number is not what ledger, claims and policies give."""
        return self.shown is not None and self.shown != self.units


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that was asked for, as of one moment."""

    sku: str
    at: datetime
    is_past: bool
    left_out: tuple[str, ...]
    derivations: tuple[Derivation, ...]


def explain(hub: Hub, wanted: Wanted) -> Explanation:
    """Derives the numbers of a sku: at a location, on a channel, or on every channel that lists it.

    Raises:
        UnknownStockError: no such sku or location.
        NotListedError: no channel, or not this one, lists it.
        UnexplainableError: the moment has not come yet, or nothing in the derivation has the word that is left out.
    """
    now = hub.clock.now()
    moment = wanted.at or now
    if moment > now:
        raise UnexplainableError(f"{moment:%Y-%m-%d %H:%M:%S} UTC has not come yet")
    with hub.database.read() as connection:
        item = CatalogueStore(connection, moment).item_ids([wanted.sku]).get(wanted.sku)
        if item is None:
            raise UnknownStockError(f"sku {wanted.sku!r} is not known")
        if wanted.location is not None:
            found = [_at_location(connection, moment, item, wanted.location)]
        else:
            found = _on_channels(connection, moment, wanted, item)
    _check_words(wanted.left_out, found)
    left = [replace(one, tree=without(one.tree, wanted.left_out)) for one in found] if wanted.left_out else found
    return Explanation(wanted.sku, moment, wanted.at is not None, wanted.left_out, tuple(left))


def _at_location(connection: Connection, moment: datetime, item: int, code: str) -> Derivation:
    location = LocationStore(connection, moment).ids().get(code)
    if location is None:
        raise UnknownStockError(f"location {code!r} is not known")
    tree = _locations(connection, moment, item, {location})[1][location]
    return Derivation(f"at {code}", evaluate(tree), tree)


def _locations(
    connection: Connection, moment: datetime, item: int, locations: Collection[int]
) -> tuple[Parts, Mapping[int, Node]]:
    store = ExplainStore(connection, moment)
    parts = store.recipe(item)
    skus, sites = store.skus(parts), store.sites(locations)
    shelves = store.shelves(parts.keys(), locations)
    return parts, {number: derive_location(site, parts, skus, shelves) for number, site in sites.items()}


def _on_channels(connection: Connection, moment: datetime, wanted: Wanted, item: int) -> list[Derivation]:
    store = ExplainStore(connection, moment)
    points = store.points(item, wanted.channel)
    if not points:
        where = "any channel" if wanted.channel is None else f"channel {wanted.channel!r}"
        raise NotListedError(f"sku {wanted.sku!r} is not listed on {where}; ask for a place with --location")
    pools = store.pools([point.point_id for point in points])
    parts, locations = _locations(
        connection, moment, item, {site.location_id for pool in pools.values() for site in pool}
    )
    decisions = store.decisions(item, wanted.sku, parts, points)
    answers = store.answers(points)
    is_now = wanted.at is None
    publications = store.publications(points) if is_now else {}
    shown = _shown(connection, moment, item, points) if is_now else {}
    found = []
    for point in points:
        name = f"on {point.channel}, stock point {point.stock_point}"
        tree = derive_number(name, pools[point.point_id], locations, decisions[point.channel_id])
        published = point.publication_id if point.publication_id is not None else 0
        found.append(
            Derivation(
                name,
                evaluate(tree),
                tree,
                is_published=True,
                shown=shown.get(point.point_id),
                publication=publications.get(published),
                answer=answers.get(published),
            )
        )
    return found


def _shown(connection: Connection, now: datetime, item: int, points: list[PointListed]) -> dict[int, int]:
    numbers = SalableStore(connection, now).of({(item, point.point_id) for point in points})
    return {point: units for (_, point), units in numbers.items()}


def _check_words(words: tuple[str, ...], found: list[Derivation]) -> None:
    known = {tag for one in found for tag in tags_in(one.tree)} | set(PLAIN_WORDS)
    for word in words:
        if word not in known:
            raise UnexplainableError(
                f"nothing in this derivation is {word!r}: leave out one of {', '.join(PLAIN_WORDS)},"
                " location:CODE, supplier:NAME, or a document that it names"
            )


def as_json(explanation: Explanation) -> dict[str, Any]:
    """All of it as JSON knows it."""
    return {
        "sku": explanation.sku,
        "at": explanation.at.isoformat(),
        "without": list(explanation.left_out),
        "derivations": [
            {
                "name": one.name,
                "units": one.units,
                "derived": one.derived,
                "tree": as_data(one.tree),
                "publication": _plain(one.publication),
                "answer": _plain(one.answer),
            }
            for one in explanation.derivations
        ],
    }


def _plain(record: PublicationNow | Answer | None) -> dict[str, Any] | None:
    if record is None:
        return None
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in asdict(record).items()}
