"""What goes wrong in a seeded world: between the hub and the platforms, on the platforms' clocks, and with the hub.

Every kind was seen in real systems. A seed picks the kinds of its day, how often they strike, and where.
"""

import json
import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from connectors.transport import HttpRequest


class Fault(StrEnum):
    """The kinds of fault, by the names that the command takes."""

    LOST = "lost"
    DOUBLED = "doubled"
    LATE = "late"
    REORDERED = "reordered"
    TIMEOUT_BEFORE = "timeout-before"
    TIMEOUT_AFTER = "timeout-after"
    THROTTLED = "throttled"
    ERRORS = "errors"
    SILENT = "silent"
    PARTIAL = "partial"
    CLOCKS = "clocks"
    DOWN = "down"
    KILLED = "killed"


ALL = tuple(Fault)
MOST_CLOCK_SECONDS = 240
"""How far a platform's clock may be off."""


class HubKilledError(BaseException):
    """The hub's process has just died. No `except Exception` of the hub can hold it up."""


class Blow(StrEnum):
    """What becomes of one request."""

    NONE = "ok"
    DOWN = "down"
    TIMEOUT_BEFORE = "no answer, nothing done"
    TIMEOUT_AFTER = "no answer, but done"
    THROTTLED = "429"
    UNAVAILABLE = "503, nothing done"
    FAILED_BEFORE = "500, nothing done"
    FAILED_AFTER = "500, but done"
    SILENT = "200 without effect"
    PARTIAL = "only some rows"


_BLOWS: Sequence[tuple[Fault, Sequence[Blow], bool]] = (
    (Fault.TIMEOUT_BEFORE, (Blow.TIMEOUT_BEFORE,), False),
    (Fault.TIMEOUT_AFTER, (Blow.TIMEOUT_AFTER,), False),
    (Fault.ERRORS, (Blow.UNAVAILABLE, Blow.FAILED_BEFORE, Blow.FAILED_AFTER), False),
    (Fault.SILENT, (Blow.SILENT,), True),
    (Fault.PARTIAL, (Blow.PARTIAL,), True),
)
"""What strikes single requests, the last two only those that tell numbers."""


@dataclass(frozen=True, slots=True)
class Spell:
    """A time in which one account is down, or answers 429."""

    account: str
    begins_at: datetime
    ends_at: datetime

    def holds(self, account: str, now: datetime) -> bool:
        return self.account == account and self.begins_at <= now < self.ends_at


@dataclass(frozen=True, slots=True)
class Forecast:
    """The faults of one day, which end at `ends_at`.

    `rates`: how often a kind strikes, from 0 to 1, per request or delivery. `ahead`: seconds by account.
    `steps_between_deaths`: requests and commits, on average; None: the hub lives.
    """

    kinds: Collection[Fault]
    ends_at: datetime
    rates: Mapping[Fault, float] = field(default_factory=dict)
    storms: Sequence[Spell] = ()
    outages: Sequence[Spell] = ()
    ahead: Mapping[str, int] = field(default_factory=dict)
    steps_between_deaths: float | None = None


def forecast(
    seed: int, allowed: Collection[Fault], accounts: Sequence[str], *, opens_at: datetime, ends_at: datetime
) -> Forecast:
    """Draws a day's faults: some of the kinds that are allowed, so that each is met alone and in company."""
    chance = random.Random(f"faults {seed}")
    drawn = {kind: chance.random() < 0.5 for kind in ALL}
    kinds = tuple(kind for kind in ALL if kind in allowed and drawn[kind])
    rates = {
        Fault.LOST: chance.choice((0.05, 0.3, 1.0)),
        Fault.DOUBLED: chance.choice((0.1, 0.5)),
        Fault.LATE: chance.choice((0.05, 0.3)),
        Fault.REORDERED: chance.choice((0.2, 1.0)),
        Fault.TIMEOUT_BEFORE: chance.choice((0.01, 0.05)),
        Fault.TIMEOUT_AFTER: chance.choice((0.01, 0.08)),
        Fault.ERRORS: chance.choice((0.01, 0.06)),
        Fault.SILENT: chance.choice((0.02, 0.2)),
        Fault.PARTIAL: chance.choice((0.05, 0.3)),
    }
    length = (ends_at - opens_at).total_seconds()

    def spells(count: int, least: float, most: float) -> list[Spell]:
        found = []
        for _ in range(count):
            begins_at = opens_at + timedelta(seconds=chance.uniform(0, length))
            seconds = min(chance.uniform(least, most), length / 2)
            found.append(
                Spell(chance.choice(accounts), begins_at, min(begins_at + timedelta(seconds=seconds), ends_at))
            )
        return found

    storms, outages = spells(3, 120, 900), spells(chance.choice((1, 2)), 900, 3 * 3600)
    ahead = {name: chance.randint(-MOST_CLOCK_SECONDS, MOST_CLOCK_SECONDS) for name in accounts}
    # As often in a day however long it is: a hub that dies each minute of 24 hours is up in none of them.
    steps = chance.choice((20.0, 80.0, 400.0)) * max(1.0, length / 3600)
    return Forecast(
        kinds,
        ends_at,
        {kind: rate for kind, rate in rates.items() if kind in kinds},
        storms if Fault.THROTTLED in kinds else (),
        outages if Fault.DOWN in kinds else (),
        ahead if Fault.CLOCKS in kinds else {},
        steps if Fault.KILLED in kinds else None,
    )


class Weather:
    """Decides, request by request, what a forecast brings. Asked in the same order it decides the same."""

    def __init__(self, seed: int, plan: Forecast) -> None:
        self.plan = plan
        self.struck: Counter[Fault] = Counter()
        self._chance = random.Random(f"weather {seed}")
        if plan.ahead:
            self.struck[Fault.CLOCKS] = len(plan.ahead)
        self._steps = self._draw_steps()

    def latency_seconds(self) -> float:
        """How long a request is on its way, there or back."""
        return self._chance.uniform(0.02, 0.25)

    def blow(self, account: str, request: HttpRequest, now: datetime) -> Blow:
        """What becomes of a request."""
        plan = self.plan
        if now >= plan.ends_at:
            return Blow.NONE
        for kind, spells, blow in (
            (Fault.DOWN, plan.outages, Blow.DOWN),
            (Fault.THROTTLED, plan.storms, Blow.THROTTLED),
        ):
            if any(spell.holds(account, now) for spell in spells):
                self.struck[kind] += 1
                return blow
        for kind, blows, is_of_writes in _BLOWS:
            if (not is_of_writes or is_stock_write(request)) and self.strikes(kind, now):
                return self._chance.choice(blows)
        return Blow.NONE

    def strikes(self, kind: Fault, now: datetime) -> bool:
        """Whether a kind of fault strikes here."""
        rate = self.plan.rates.get(kind, 0.0)
        has_struck = rate > 0 and now < self.plan.ends_at and self._chance.random() < rate
        if has_struck:
            self.struck[kind] += 1
        return has_struck

    def uniform(self, least: float, most: float) -> float:
        return self._chance.uniform(least, most)

    def is_last_step(self, now: datetime) -> bool:
        """Whether the hub dies at this request or commit."""
        if self.plan.steps_between_deaths is None or now >= self.plan.ends_at:
            return False
        self._steps -= 1
        if self._steps > 0:
            return False
        self._steps = self._draw_steps()
        self.struck[Fault.KILLED] += 1
        return True

    def _draw_steps(self) -> int:
        mean = self.plan.steps_between_deaths
        return 0 if mean is None else 1 + int(self._chance.expovariate(1 / mean))


# -- stock writes, by the forms of the platforms -----------------------------------------------------------------------

_SHOPIFY_WRITE = b"inventorySetQuantities"
_SQUARE_WRITE = "/v2/inventory/changes/batch-create"
_MIRAKL_WRITE = "/api/offers/stock/imports"
_PRESTASHOP_WRITE = "/api/stock_availables"


def is_stock_write(request: HttpRequest) -> bool:
    """Whether a request tells a platform numbers."""
    if request.method == "PATCH":
        return request.path.startswith(_PRESTASHOP_WRITE)
    if request.method != "POST":
        return False
    return request.path.startswith((_SQUARE_WRITE, _MIRAKL_WRITE)) or _SHOPIFY_WRITE in request.body


def with_every_other_row(request: HttpRequest) -> HttpRequest:
    """The same stock write without every other of its rows, as a platform carries it out that loses some."""
    if request.path.startswith(_MIRAKL_WRITE):
        return _without_lines(request)
    if request.method == "PATCH":
        return request
    document: dict[str, Any] = json.loads(request.body)
    if request.path.startswith(_SQUARE_WRITE):
        document["changes"] = document["changes"][::2]
    else:
        written = document["variables"]["input"]
        written["quantities"] = written["quantities"][::2]
    return replace(request, body=json.dumps(document).encode())


def _without_lines(request: HttpRequest) -> HttpRequest:
    """Drops every other line of the uploaded file: what stands around it in the form stays."""
    lines = request.body.split(b"\n")
    first = next(number for number, line in enumerate(lines) if line.startswith(b'"offer-sku"')) + 1
    rows = [number for number, line in enumerate(lines) if number >= first and line.startswith(b'"')]
    dropped = set(rows[1::2])
    return replace(request, body=b"\n".join(line for number, line in enumerate(lines) if number not in dropped))
