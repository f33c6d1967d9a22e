"""What each look of the hub's loops depends on, so that looks which can find nothing new are skipped."""

from collections.abc import Mapping
from typing import NamedTuple

from nervure.store.upkeep import Waiting


def _columns(table: str, *names: str) -> frozenset[str]:
    """Columns as they are told of when they are written, be it with whole rows."""
    return frozenset({f"{table}.*", *(f"{table}.{name}" for name in names)})


class Look(NamedTuple):
    """Columns of which one must be written, or moments of which one must come, before a look can find something new.

    `seconds`: how long it is skipped at most, though nothing of that has happened.
    """

    columns: frozenset[str] = frozenset()
    moments: tuple[Waiting, ...] = ()
    seconds: float = 300.0


_NUMBERS = _columns("publication", "state", "next_at", "flight_until")
_FULFILLMENT = _columns("fulfillment_order", "state", "accept_by", "pickup_until")
_OFFER = _columns("fulfillment_offer", "state", "accept_by")
_REQUEST = _columns("supplier_request", "answered_at", "answer_by")
_SHORTFALL = _columns("shortfall", "units", "backorder_units", "is_overdue", "look_at")
_PROPOSAL = _columns("proposal", "state", "expires_at")
_LOCATION = _columns("location", "as_of", "ttl_seconds")

LOOKS: Mapping[str, Look] = {
    "inbox": Look(_columns("inbox", "state"), (Waiting.DOCUMENT,)),
    "messages": Look(_columns("outbox", "state", "next_at"), (Waiting.MESSAGE,)),
    "orders": Look(_columns("channel", "orders_next_at"), (Waiting.ORDERS,)),
    "stock": Look(moments=(Waiting.STOCK,)),
    "replies": Look(_FULFILLMENT, (Waiting.SLOT,), 900.0),
    "publish": Look(_NUMBERS, (Waiting.NUMBER,)),
    "numbers": Look(_columns("availability_change")),
    "confirmed": Look(moments=(Waiting.CHECK, Waiting.SLOT)),
    "desk": Look(_FULFILLMENT | _OFFER | _columns("sales_order", "state"), (Waiting.STEP,)),
    "silence": Look(_FULFILLMENT | _columns("sales_order", "state") | _REQUEST, (Waiting.STEP,)),
    "shortfalls": Look(_SHORTFALL | _PROPOSAL | _columns("sales_order", "state"), (Waiting.CHOICE,)),
    "missing": Look(_SHORTFALL),
    "replanning": Look(_columns("routing_setting", "body"), seconds=3600.0),
    "shadow": Look(seconds=3600.0),
    "upkeep": Look(_LOCATION, (Waiting.AGE,)),
    "life": Look(seconds=60.0),
}
"""By kind of loop; of others no look is skipped. Nobody puts a channel of the world into the shadow. That the hub says
less often that it lives is heard by nobody before three minutes are over."""

HEARING = frozenset({"channel.orders_heard_until", "channel.levels_heard_until", "inbox.state"})
"""What says how far a channel was heard and understood: some numbers wait for that."""

NUMBERS_WAITING = "publication.state"

MOMENTS = frozenset().union(
    _NUMBERS,
    _FULFILLMENT,
    _OFFER,
    _REQUEST,
    _SHORTFALL,
    _PROPOSAL,
    _LOCATION,
    _columns("publication", "check_at"),
    _columns("channel", "orders_next_at", "stock_next_at", "write_next_at"),
    _columns("outbox", "state", "next_at", "lease_until"),
    _columns("inbox", "state", "lease_until"),
    _columns("call_ceiling", "free_at"),
)
"""Where what waits says when it comes due."""

_UPKEEP = frozenset({"aging", "lots", "reservations", "tasks"})
_ENDS = {" messages": "messages", " replies": "replies", " read back": "stock", " confirmed": "confirmed"}


def kind_of(family: str, name: str) -> tuple[str, str]:
    """The kind of a loop in one of the windows' families, and the account whose moments it waits for."""
    for end, kind in _ENDS.items():
        if name.endswith(end):
            return kind, name.removesuffix(end)
    if name.endswith(" shadow"):
        return "shadow", name
    if name in _UPKEEP:
        return "upkeep", name
    return (name if name in LOOKS else family), name
