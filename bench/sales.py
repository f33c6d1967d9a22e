"""From a sale to every other platform's shelf, in the demo's world: Prefect, flows, service and platforms over HTTP.

Every process of `nervure demo` runs, and all of them share this machine. Times are the emulators' own, from purchase
to shelf; a shelf that did not settle before the run ended counts as infinite. A marketplace on Mirakl takes one stock
import a minute, and tells its sales once a minute: its rows are held against that minute. The last line of a rate says
what was offered, and what must be 0.
"""

import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from bench.databases import Kind
from bench.figures import Figure, Number, Say, rounded
from bench.sizes import Sizes
from connectors.transport import HttpRequest, httpx_sender
from nervure.service.stack import DemoFiles, Stack, demo_stack, wait_until_quiet
from nervure.service.supervisor import Supervisor
from nervure.service.up import START_SECONDS, only_one, stop_signals
from nervure.store.database import open_database
from simulation.accounts import open_accounts
from simulation.demo import prepare
from simulation.measure import Latency
from simulation.record import Record, from_document
from simulation.verdict import Verdict, judge, look

SEED = 1
IMPORT_SECONDS = 60.0
ZEROS = ("lost", "duplicated", "oversold_in_hub", "unconfirmed", "wrong_at_rest", "dead_letters")


def measure(kind: Kind, sizes: Sizes, say: Say) -> Iterator[Figure]:
    platforms = {account.name: account.platform for account in open_accounts()}
    for rate in sizes.rates:
        orders = round(rate * sizes.rate_seconds)
        say(f"sales: {kind.name}, {orders} orders at {rate:g} a second")
        with kind.fresh() as url, tempfile.TemporaryDirectory(prefix="nervure-bench-") as folder:
            play = _Play(url, orders, rate, sizes.quiet_seconds)
            record, verdict, is_quiet = play.run(Path(folder), say)
        case = f"{rate:g} orders/s"
        for name, latency in sorted(verdict.sale_to_confirmed_seconds.items()):
            yield _figure(f"{case}, {_words(name, platforms)}", kind.name, latency)
        details: dict[str, Number] = {"orders": verdict.orders, "at_rest": "yes" if is_quiet else "no"}
        details |= {name: getattr(verdict, name) for name in ZEROS}
        yield Figure("sales", f"{case}, offered", kind.name, "orders/s", _offered(record), details=details)


def _words(name: str, platforms: Mapping[str, str]) -> str:
    """A row is a channel's shelf, or "sold on" a channel that tells its sales only once in a minute."""
    *before, account = name.split(" ")
    return " ".join([*before, platforms[account]])


def _figure(case: str, database: str, latency: Latency) -> Figure:
    told = latency.as_json()
    details = {name: told[name] for name in ("p95", "p99", "count")}
    if "mirakl" not in case or not isinstance(told["p50"], float):
        return Figure("sales", f"{case}, p50", database, "s", told["p50"], details=details)
    return Figure(
        "sales",
        f"{case}, p50",
        database,
        "s",
        told["p50"],
        [],
        "one call a minute",
        IMPORT_SECONDS,
        rounded(told["p50"] / IMPORT_SECONDS),
        details,
    )


def _offered(record: Record) -> float:
    """Orders a second that shoppers really placed: the world shares the machine."""
    times = sorted(sale.purchase.at for sale in record.sales if sale.purchase.order_id is not None)
    seconds = (times[-1] - times[0]).total_seconds() if len(times) > 1 else 0.0
    return rounded((len(times) - 1) / seconds) if seconds else 0.0


class _Play:
    """One demo on a database of our own, judged even where it does not come to rest."""

    def __init__(self, database_url: str, orders: int, rate: float, quiet_seconds: float) -> None:
        self._database_url = database_url
        self._orders = orders
        self._rate = rate
        self._quiet_seconds = quiet_seconds

    def run(self, folder: Path, say: Say) -> tuple[Record, Verdict, bool]:
        with only_one(folder), stop_signals() as is_told_to_stop:
            stack = demo_stack(folder, self._prepare, say, orders=self._orders, orders_per_second=self._rate, seed=SEED)
            with Supervisor(stack.programs(), folder, say) as supervisor:
                if not supervisor.start(seconds=START_SECONDS, is_told_to_stop=is_told_to_stop):
                    raise KeyboardInterrupt
                started = time.monotonic()
                # The first fill takes a marketplace a minute or two before the first shopper comes.
                seconds = self._orders / self._rate + self._quiet_seconds
                is_quiet = wait_until_quiet(stack, supervisor, seconds=seconds, is_told_to_stop=is_told_to_stop)
                if is_told_to_stop():
                    raise KeyboardInterrupt
                seconds = time.monotonic() - started
                say(f"sales: at rest after {seconds:.0f} s" if is_quiet else _why(stack, seconds))
                record = _record(stack)
                with closing(open_database(self._database_url)) as database:
                    return record, judge(record, look(database, datetime.now(UTC))), is_quiet

    def _prepare(
        self, folder: Path, *, world_port: int, hub_port: int, orders: int | None, orders_per_second: float, seed: int
    ) -> DemoFiles:
        files = prepare(
            folder,
            world_port=world_port,
            hub_port=hub_port,
            orders=orders,
            orders_per_second=orders_per_second,
            seed=seed,
        )
        lines: Sequence[str] = files.settings_file.read_text("utf-8").splitlines()
        ours = f"database = {json.dumps(self._database_url)}"
        changed = [ours if line.startswith("database = ") else line for line in lines]
        assert changed != lines, "the demo's settings name no database"
        files.settings_file.write_text("\n".join(changed) + "\n", "utf-8")
        return files


def _why(stack: Stack, seconds: float) -> str:
    """What was still to do when the run was ended."""
    world, hub = stack.world_status() or {}, stack.hub_status() or {"inbox": {}, "channels": []}
    in_flight = {channel["name"]: channel["in_flight"] for channel in hub["channels"]}
    told = {name: world.get(name) for name in ("opened", "finished")}
    return f"sales: not at rest after {seconds:.0f} s; world {told}, inbox {hub['inbox']}, in flight {in_flight}"


def _record(stack: Stack) -> Record:
    assert stack.world_url is not None
    with httpx_sender(stack.world_url) as ask:
        return from_document(ask(HttpRequest("GET", "/record")).json())
