"""Flows as plain functions: what state people see. Nothing is recorded outside of a run."""

import asyncio
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect import Flow, State

from connectors.errors import CredentialsError
from flows import recording
from flows.drain_inbox import drain_inbox
from flows.publish_availability import publish_availability
from flows.pull_orders import pull_orders
from flows.report_dead_letter import report_dead_letter
from flows.serve_all import read_deployments
from nervure import settings_file
from nervure.clock import ManualClock
from nervure.operations.pull import store
from nervure.settings import SettingsError
from nervure.store.database import Database
from tests.flows.conftest import Given
from tests.nervure.operations.fake_shops import FakeShop, broken_document, fake_hub, fill, order_document
from tests.nervure.world import START, an_order, fresh_sqlite
from tests.reference import ROOT

FLOW_FILES = sorted(
    path.stem for path in (ROOT / "flows").glob("*.py") if path.stem not in {"__init__", "recording", "serve_all"}
)


@pytest.fixture
def database() -> Iterator[Database]:
    with fresh_sqlite() as found:
        fill(found)
        yield found


def seen(state: State[None]) -> tuple[str, str]:
    return state.name or "", (state.message or "").partition(", p50")[0]  # how long it took is another matter


def test_a_calm_window_is_completed(database: Database, given: Given) -> None:
    hub = fake_hub(database, ManualClock(START), {"shop": FakeShop()})
    store(hub, "shop", (order_document(an_order("1", {"BOLT": 1})),))
    given.hub(hub)
    assert seen(asyncio.run(drain_inbox.fn(window_seconds=5))) == ("Completed", "1 order")


def test_a_window_with_a_dead_letter_is_completed_with_warnings(database: Database, given: Given) -> None:
    hub = fake_hub(database, ManualClock(START), {"shop": FakeShop()})
    store(hub, "shop", (broken_document(1),))
    given.hub(hub)
    assert seen(asyncio.run(drain_inbox.fn(window_seconds=5))) == (
        "Completed with warnings",
        "1 dead letters. 1 dead letters, 1 order",
    )


def test_a_window_that_needs_the_merchant_fails_and_says_what_to_do(database: Database, given: Given) -> None:
    shop = FakeShop(error=CredentialsError("shop answered 401: sign-in refused, check the credential"))
    given.hub(fake_hub(database, ManualClock(START), {"shop": shop}))
    failed = ("Failed", "shop: shop answered 401: sign-in refused, check the credential")
    assert seen(asyncio.run(pull_orders.fn(window_seconds=5))) == failed
    assert seen(asyncio.run(publish_availability.fn(window_seconds=5))) == failed


def test_a_hub_without_settings_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_file, "find", lambda: None)
    assert seen(asyncio.run(drain_inbox.fn(window_seconds=5))) == (
        "Failed",
        "There is no nervure.toml: run `nervure init`, or set NERVURE_SETTINGS.",
    )


def test_settings_that_cannot_be_used_fail_with_their_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_: Path) -> None:
        raise SettingsError("nervure.toml: at least one [[locations]] is needed")

    monkeypatch.setattr(settings_file, "find", lambda: Path("nervure.toml"))
    monkeypatch.setattr(settings_file, "load", load)
    assert seen(asyncio.run(drain_inbox.fn(window_seconds=5))) == (
        "Failed",
        "nervure.toml: at least one [[locations]] is needed",
    )


def test_a_window_ends_when_the_stop_file_is_there(
    database: Database, given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = tmp_path / "stop"
    stop.touch()
    monkeypatch.setenv(recording.STOP_VARIABLE, str(stop))
    given.hub(fake_hub(database, ManualClock(START), {}))
    assert seen(asyncio.run(drain_inbox.fn(window_seconds=1e9))) == ("Completed", "nothing to do.")


def test_the_run_of_a_dead_letter_fails_with_what_to_do() -> None:
    assert seen(asyncio.run(report_dead_letter.fn("7 of shop", "Mend it."))) == ("Failed", "Mend it.")


@pytest.mark.parametrize("name", FLOW_FILES)
def test_a_flow_file_holds_one_thin_flow_of_its_name(name: str) -> None:
    module = importlib.import_module(f"flows.{name}")
    flows = [one for one in vars(module).values() if isinstance(one, Flow)]
    assert [one.name for one in flows] == [name.replace("_", "-")]
    assert inspect.iscoroutinefunction(flows[0].fn)
    assert len((ROOT / "flows" / f"{name}.py").read_text("utf-8").splitlines()) < 60


def test_no_flow_file_shadows_another_module() -> None:
    names = {path.stem for path in (ROOT / "flows").glob("*.py")} - {"__init__"}
    taken = {path.name for path in ROOT.iterdir() if path.is_dir()} | set(sys.stdlib_module_names)
    assert names & taken == set()


def test_every_flow_has_one_deployment_whose_entrypoint_loads() -> None:
    deployments = read_deployments()
    assert sorted(one.flow_name or "" for one in deployments) == [name.replace("_", "-") for name in FLOW_FILES]
    windows = [one for one in deployments if "window" in one.tags]
    assert [one.flow_name for one in windows] == [
        "drain-inbox",
        "publish-availability",
        "pull-orders",
        "pull-stock",
        "sweep-drift",
    ]
    for one in windows:
        schedule = one.schedules[0].schedule if one.schedules else None
        assert one.parameters["window_seconds"] - schedule.interval.total_seconds() == 10  # type: ignore[union-attr]  # windows have intervals
