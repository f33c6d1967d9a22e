"""The derivation of a number as data: a tree that evaluates to the number, or to what it would be without something."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Units:
    """A number that something outside of the tree gave: a movement, a claim, a policy. Signed.

    `tags`: the words by which it can be left out. `document`: what a person calls its cause.
    """

    label: str
    units: int
    tags: tuple[str, ...] = ()
    document: str | None = None
    happened_at: datetime | None = None
    recorded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of its parts; nothing is 0."""

    label: str
    parts: "tuple[Node, ...]"
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scarcest:
    """The smallest of its parts: a kit is there as often as its scarcest part allows. Nothing is 0."""

    label: str
    parts: "tuple[Node, ...]"
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Packed:
    """How often `per` units can be taken from its part; the rest is left over."""

    label: str
    part: "Node"
    per: int
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """A percentage of its part, rounded down."""

    label: str
    part: "Node"
    percent: int
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AtMost:
    """Its part, but no more than `units`."""

    label: str
    part: "Node"
    units: int
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotBelowZero:
    """Its part, or 0 where that is below."""

    label: str
    part: "Node"
    tags: tuple[str, ...] = ()


Node: TypeAlias = Units | Total | Scarcest | Packed | Share | AtMost | NotBelowZero


def evaluate(node: Node) -> int:
    """The number that a tree derives."""
    match node:
        case Units():
            units = node.units
        case Total():
            units = sum(evaluate(part) for part in node.parts)
        case Scarcest():
            units = min((evaluate(part) for part in node.parts), default=0)
        case Packed():
            units = evaluate(node.part) // node.per
        case Share():
            units = evaluate(node.part) * node.percent // 100
        case AtMost():
            units = min(evaluate(node.part), node.units)
        case NotBelowZero():
            units = max(evaluate(node.part), 0)
    return units


def parts_of(node: Node) -> "tuple[Node, ...]":
    """What a node is made of."""
    match node:
        case Units():
            return ()
        case Total() | Scarcest():
            return node.parts
        case Packed() | Share() | AtMost() | NotBelowZero():
            return (node.part,)


def tags_in(node: Node) -> Iterator[str]:
    """Every word by which something in the tree can be left out."""
    yield from node.tags
    for part in parts_of(node):
        yield from tags_in(part)


def without(node: Node, words: Collection[str]) -> Node:
    """The tree as it would be without what carries one of these words: it evaluates to the number there would be then.

    A share or a cap gives way to what it limits; everything else counts for nothing.
    """
    return _without(node, frozenset(words)) or Units(node.label, 0)


def _without(node: Node, words: frozenset[str]) -> Node | None:
    is_named = not words.isdisjoint(node.tags)
    match node:
        case Units():
            return None if is_named else node
        case Total() | Scarcest():
            if is_named:
                return None
            kept = tuple(part for part in (_without(part, words) for part in node.parts) if part is not None)
            return replace(node, parts=kept) if kept or isinstance(node, Total) else None
        case Share() | AtMost():
            part = _without(node.part, words)
            return part if is_named or part is None else replace(node, part=part)
        case Packed() | NotBelowZero():
            part = None if is_named else _without(node.part, words)
            return None if part is None else replace(node, part=part)


def as_data(node: Node) -> dict[str, Any]:
    """The whole tree as JSON knows it, with the number at each node."""
    found: dict[str, Any] = {"label": node.label, "operation": _OPERATIONS[type(node)], "units": evaluate(node)}
    match node:
        case Units():
            found |= {
                "document": node.document,
                "happened_at": node.happened_at.isoformat() if node.happened_at else None,
                "recorded_at": node.recorded_at.isoformat() if node.recorded_at else None,
            }
            found = {key: value for key, value in found.items() if value is not None}
        case Packed():
            found["per"] = node.per
        case Share():
            found["percent"] = node.percent
        case AtMost():
            found["limit"] = node.units
        case Total() | Scarcest() | NotBelowZero():
            pass
    if node.tags:
        found["tags"] = list(node.tags)
    if not isinstance(node, Units):
        found["parts"] = [as_data(part) for part in parts_of(node)]
    return found


_OPERATIONS = {
    Units: "units",
    Total: "total",
    Scarcest: "scarcest",
    Packed: "packed",
    Share: "share",
    AtMost: "at_most",
    NotBelowZero: "not_below_zero",
}
