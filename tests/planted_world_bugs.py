"""Plants one bug after the other in a copy of the house, and says how many seeds of the world it takes to see it.

Run with `python -m tests.planted_world_bugs [WORD]`; WORD picks the bugs whose name holds it. Each bug was seen in a
real system: `requirement` is its row in docs/reference/requirements.md. A bug that no seed sees means that the world
does not do what would show it. Nothing here is collected by pytest.
"""

import subprocess
import sys
from compileall import compile_dir
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from simulation.day import Size
from simulation.seeds import open_seeds
from tests.planted_core_bugs import BUGS as CORE_BUGS
from tests.planted_core_bugs import Edit, copy_of_the_house, planted

MOST_SEEDS = 11
HUNT = Size(goods=16, orders=18, hours=0.5, kit_share=0.4, rest_minutes=20.0)
"""Shorter than the days of `nervure sim`: most of these bugs are seen in the first of them."""


@dataclass(frozen=True, slots=True)
class WorldBug(Edit):
    """A bug and the complaint of the field that it is."""

    requirement: str


def _known(name: str, requirement: str) -> WorldBug:
    """A bug that the tests of the core catch too."""
    [bug] = [bug for bug in CORE_BUGS if bug.name == name]
    return WorldBug(bug.name, bug.path, bug.old, bug.new, requirement)


BUGS = (
    _known("a claim that ends does not give its units back", "R11"),
    _known("a part that moves does not move its kits", "R37"),
    _known("a canceled order keeps its claims", "R11"),
    _known("an answer to an older number stops the newer one", "R36"),
    _known("a shortfall is written down, but nobody gets the task", "R02"),
    _known("a fast clock is taken for a slow one", "R25"),
    _known("each demand at a place overwrites the one before", "R05"),
    _known("a unit picked for one line is picked for the next one too", "R05"),
    WorldBug(
        "a kit shows as many as its most plentiful part",
        "nervure/store/availability.py",
        "count(*) AS parts_there, min(units) AS units",
        "count(*) AS parts_there, max(units) AS units",
        "R37",
    ),
    WorldBug(
        "orders are asked for since the last poll, not since what was heard",
        "nervure/operations/pull.py",
        "    new = 0\n    try:\n        for page in hub.connection(channel).pull_orders(since):\n",
        "    since = started_at - account.order_period\n"
        "    new = 0\n    try:\n        for page in hub.connection(channel).pull_orders(since):\n",
        "R25",
    ),
    WorldBug(
        "the shop's clock is taken to be on summer time for ever",
        "connectors/prestashop_orders.py",
        '(since.astimezone(UTC) + min(offsets)).strftime("%Y-%m-%d %H:%M:%S")',
        '(since.astimezone(UTC) + timedelta(hours=2)).strftime("%Y-%m-%d %H:%M:%S")',
        "R25",
    ),
    WorldBug(
        "who hears webhooks does not poll",
        "nervure/operations/asking.py",
        "    if not are_orders_due(window.hub, channel):\n",
        "    if window.hub.accounts[channel].record.receive or not are_orders_due(window.hub, channel):\n",
        "R24",
    ),
    WorldBug(
        "a number that failed once is given up",
        "nervure/publication/answers.py",
        "    return Landing(PublicationState.PENDING, reason=str(error), next_at=later)\n",
        "    return Landing(PublicationState.FAILED, reason=str(error), next_at=later)\n",
        "R27",
    ),
    WorldBug(
        "a document in the hands of a dispatcher that died stays there",
        "nervure/store/inbox.py",
        'sa.and_(INBOX.c.state == "leased", INBOX.c.lease_until < now))',
        "sa.false())",
        "R27",
    ),
    WorldBug(
        "a number whose answer never came stays on its way",
        "nervure/store/flights.py",
        "                PUBLICATION.c.flight_until <= self._now,\n                PUBLICATION.c.receipt.is_(None),\n",
        "                PUBLICATION.c.flight_until <= PUBLICATION.c.sent_at,\n"
        "                PUBLICATION.c.receipt.is_(None),\n",
        "R27",
    ),
    WorldBug(
        "a message in the hands of a sender that died stays there",
        "nervure/store/messages.py",
        'sa.and_(OUTBOX.c.state == "leased", OUTBOX.c.lease_until < now))',
        "sa.false())",
        "R27",
    ),
    WorldBug(
        "a paid order is allocated what there is, and nothing says what is missing",
        "nervure/orders/settling.py",
        "        note_shortfall(desk, line, missing.get(line.id, 0), is_sale=is_sale)\n",
        "        pass\n",
        "R02",
    ),
    WorldBug(
        "a split allocates the whole line at each place",
        "nervure/orders/routing.py",
        "                    picks.append(Pick(line.line_id, self.ranked[i].location_id, min(units, there)))\n",
        "                    whole = min(line.units, (self.sources[i].caps or ())[demand])\n"
        "                    picks.append(Pick(line.line_id, self.ranked[i].location_id, whole))\n",
        "R07",
    ),
    WorldBug(
        "the promise adds up places, the order takes only the nearest",
        "nervure/orders/settling.py",
        "return route(wanted, few, claimable, may_split=may_split",
        "return route(wanted, few[:1], claimable, may_split=may_split",
        "R06",
    ),
    WorldBug(
        "an order is imported without its last line",
        "mappings/shopify.py",
        "        currency=plain.currency,\n        lines=lines,\n",
        "        currency=plain.currency,\n        lines=lines[:-1] or lines,\n",
        "R44",
    ),
    WorldBug(
        "a cancellation after shipping gives the units back as well",
        "nervure/orders/settling.py",
        "        if surplus:\n            desk.orders.cancel_units(line.id, line.units_canceled - surplus)\n",
        "        if surplus < 0:\n            desk.orders.cancel_units(line.id, line.units_canceled - surplus)\n",
        "R11",
    ),
    WorldBug(
        "a movement is told to one channel only",
        "nervure/store/publications.py",
        "                .where(LISTING.c.item_id.in_(batch))\n            )\n            found.update",
        "                .where(LISTING.c.item_id.in_(batch))\n"
        "                .limit(1)\n            )\n            found.update",
        "R09",
    ),
    WorldBug(
        "a count sets the number, whatever was sold meanwhile",
        "nervure/store/counts.py",
        "        .where(MOVEMENT.c.occurred_at <= count.observed_at)\n    )\n",
        "    )\n",
        "R03",
    ),
    WorldBug(
        "an order of a kit claims one of each part",
        "nervure/orders/settling.py",
        "            (Place(part, location), pick.units * per)\n",
        "            (Place(part, location), pick.units)\n",
        "R37",
    ),
    WorldBug(
        "a till sale waits until somebody ships it",
        "nervure/orders/intake.py",
        "    is_handed_over = order.delivery.method is DeliveryMethod.HANDED_OVER\n    freed",
        "    is_handed_over = False\n    freed",
        "R03",
    ),
    WorldBug(
        "who was promised what is gone keeps the promise",
        "nervure/orders/settling.py",
        "        if not deficit:\n            continue\n",
        "        if deficit >= 0:\n            continue\n",
        "R20",
    ),
    WorldBug(
        "what is shipped stays claimed",
        "nervure/orders/shipping.py",
        '    desk.stock.end_claims([claim.id for claim in held], "consumed", at=shipped_at)\n',
        "",
        "R11",
    ),
    WorldBug(
        "a delivery that is booked again is there twice",
        "nervure/inventory/purchases.py",
        'cause_key("hub", receipt.document, receipt.sku, receipt.location, *stock_key, *owner)',
        'cause_key("hub", receipt.document, receipt.sku, str(received_at), *stock_key, *owner)',
        "R22",
    ),
)


def main(words: list[str]) -> int:
    """Prints a table of the bugs; the exit code is 1 where one was missed."""
    if words[:1] == ["--hunt"]:
        return _hunt()
    chosen = [bug for bug in BUGS if all(word in bug.name for word in words)]
    missed = 0
    with TemporaryDirectory() as folder:
        copy = copy_of_the_house(Path(folder))
        compile_dir(copy, quiet=2)  # each hunt would compile everything again
        print("| bug | complaint | seeds | seen as |\n|---|---|---:|---|")
        for bug in chosen:
            seeds, seen_as = _seen(bug, copy)
            missed += not seeds
            print(f"| {bug.name} | {bug.requirement} | {seeds or 'missed'} | {seen_as} |", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} seen")
    return int(missed > 0)


def _seen(bug: WorldBug, copy: Path) -> tuple[int, str]:
    """How many seeds it took, 0 where all of them held, and the first sentence about what is wrong."""
    with planted(bug, copy):
        done = subprocess.run(
            [sys.executable, "-B", "-m", "tests.planted_world_bugs", "--hunt"],
            cwd=copy,
            capture_output=True,
            text=True,
            check=False,
        )
    if not done.stdout.strip():
        raise SystemExit(f"{bug.name}: the world could not be played: {done.stderr[-2000:]}")
    seeds, _, sentence = done.stdout.strip().splitlines()[-1].partition("\t")
    return int(seeds), sentence


def _hunt() -> int:
    """Plays seed after seed until one fails; prints how many it took and why it failed."""
    with open_seeds(HUNT) as seeds:
        for count in range(1, MOST_SEEDS + 1):
            problems = seeds.run(count).problems
            if problems:
                sentence = " ".join(problems[0].split()).replace("|", "/")
                print(f"{count}\t{sentence[:100]}")
                return 0
    print("0\t-")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
