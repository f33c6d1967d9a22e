"""Going live: how each listing is bound, and what must be decided before the first number is sent. Never by title."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Standing(StrEnum):
    """How a listing stands. Only the first five are settled."""

    BY_SKU = "by sku"
    DECIDED = "decided"
    EXCLUDED = "excluded"
    NOT_LISTED = "item without listing"
    NO_GOODS = "no goods"
    BY_GTIN = "by gtin"
    DUPLICATE = "duplicate"
    AMBIGUOUS = "ambiguous"
    NO_ITEM = "no item"


SETTLED = frozenset({Standing.BY_SKU, Standing.DECIDED, Standing.EXCLUDED, Standing.NOT_LISTED, Standing.NO_GOODS})


class Decision(StrEnum):
    """What a person may decide of a listing."""

    BIND = "bind"
    EXCLUDE = "exclude"


@dataclass(frozen=True, slots=True)
class Listed:
    """A listing with the item it is bound to (None: to none), and what a person decided of it."""

    external_id: str
    sku: str | None
    gtin: str | None
    title: str
    item_sku: str | None
    unbound_reason: str | None = None
    decision: Decision | None = None
    reason: str | None = None
    is_goods: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the binding report. `text` says what is to be looked at."""

    listed: Listed
    standing: Standing
    text: str = ""

    @property
    def is_settled(self) -> bool:
        return self.standing in SETTLED


def judge(listings: Sequence[Listed], skus_by_gtin: Mapping[str, Sequence[str]], skus: Sequence[str]) -> list[Finding]:
    """Judges every listing of one channel, then the items that none of them shows.

    A sku is the merchant's own word and is trusted, unless the GTIN names another item. A GTIN alone must be
    confirmed: a single piece and a pack of six often carry the same one.
    """
    kept = [one for one in listings if one.decision is not Decision.EXCLUDE]
    on_item = Counter(one.item_sku or "" for one in kept)
    same_sku = Counter(one.sku or "" for one in kept)
    found = [_judge_one(one, skus_by_gtin.get(one.gtin or "", ()), on_item, same_sku) for one in listings]
    shown = {one.item_sku for one in listings}
    found += [
        Finding(Listed("", sku, None, "", sku), Standing.NOT_LISTED, "the channel has no listing of this item")
        for sku in sorted(set(skus) - shown)
    ]
    return found


def _judge_one(one: Listed, by_gtin: Sequence[str], on_item: Counter[str], same_sku: Counter[str]) -> Finding:
    if one.decision is Decision.EXCLUDE:
        return Finding(one, Standing.EXCLUDED, one.reason or "")
    if not one.is_goods:
        return Finding(one, Standing.NO_GOODS, "a service or the like: it has no stock")
    if one.item_sku is None:
        if len(by_gtin) > 1:
            return Finding(one, Standing.AMBIGUOUS, f"its GTIN is that of {', '.join(sorted(by_gtin))}")
        return Finding(one, Standing.NO_ITEM, one.unbound_reason or "")
    if one.decision is Decision.BIND:
        return Finding(one, Standing.DECIDED)
    return _judge_bound(one, one.item_sku, by_gtin, max(on_item[one.item_sku], same_sku[one.sku or ""] * bool(one.sku)))


def _judge_bound(one: Listed, item: str, by_gtin: Sequence[str], count: int) -> Finding:
    """A binding that nobody has confirmed yet. `count`: listings that show this item, or have this sku."""
    if by_gtin and item not in by_gtin:
        return Finding(one, Standing.AMBIGUOUS, f"its sku names {item}, its GTIN {', '.join(sorted(by_gtin))}")
    if count > 1:
        return Finding(one, Standing.DUPLICATE, f"{count} listings show {item}")
    if one.sku == item:
        return Finding(one, Standing.BY_SKU)
    return Finding(one, Standing.BY_GTIN, f"its sku is {one.sku or 'empty'}: confirm that it is {item}")
