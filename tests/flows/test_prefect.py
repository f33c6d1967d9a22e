"""Flows on a real Prefect server: what its API shows of them."""

import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from nervure.store.database import Database
from nervure.store.inbox import INBOX
from tests.nervure.operations.fake_shops import fill
from tests.reference import ROOT

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.fixture
def hub(sqlite: Database, tmp_path: Path) -> tuple[Database, Path]:
    fill(sqlite)
    return sqlite, tmp_path / "hub.db"


def play(flow: str, database: Path, api: httpx.Client) -> None:
    environment = {**os.environ, "PREFECT_API_URL": str(api.base_url).rstrip("/"), "PREFECT_HOME": str(database.parent)}
    command = [sys.executable, "-m", "tests.flows.play", flow, str(database)]
    subprocess.run(command, env=environment, cwd=ROOT, check=True, timeout=120, capture_output=True)


def filtered(api: httpx.Client, kind: str, **filters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.post(f"/{kind}/filter", json=filters).raise_for_status().json()
    return found


def newest_run(api: httpx.Client, flow: str) -> dict[str, Any]:
    return filtered(api, "flow_runs", flows={"name": {"any_": [flow]}}, sort="START_TIME_DESC")[0]


def page_of(api: httpx.Client, run: dict[str, Any]) -> str:
    artifacts = filtered(api, "artifacts", artifacts={"flow_run_id": {"any_": [run["id"]]}})
    assert [one["type"] for one in artifacts] == ["markdown"]
    return str(artifacts[0]["data"])


def test_a_window_shows_what_it_did_and_a_dead_letter_fails_at_once(
    prefect_api: httpx.Client, hub: tuple[Database, Path]
) -> None:
    database, path = hub
    play("drain_inbox", path, prefect_api)
    run = newest_run(prefect_api, "drain-inbox")
    assert (run["state_type"], run["state_name"]) == ("COMPLETED", "Completed with warnings")
    page = page_of(prefect_api, run)
    assert "| shop | order | 2 |" in page
    assert "| 2 | shop | order | order broken-1 is not JSON |" in page
    assert "jane@example.com" not in page
    letter = newest_run(prefect_api, "report-dead-letter")
    assert (letter["state_type"], letter["name"]) == ("FAILED", "dead letter 2 of shop")
    assert letter["state"]["message"] == (
        "Document 2 of shop (order) could not be handled: order broken-1 is not JSON."
        " Mend the cause, then run `nervure inbox replay 2`."
    )
    with database.read() as connection:
        died_at = next(row.handled_at for row in connection.execute(INBOX.select()) if row.state == "dead")
    assert datetime.fromisoformat(letter["end_time"]) - died_at < timedelta(seconds=10)


def test_a_window_that_needs_the_merchant_is_a_failed_run(
    prefect_api: httpx.Client, hub: tuple[Database, Path]
) -> None:
    play("publish_availability", hub[1], prefect_api)
    run = newest_run(prefect_api, "publish-availability")
    assert run["state_type"] == "FAILED"
    assert run["state"]["message"] == "shop: shop answered 401: sign-in refused, check the credential"
    page = page_of(prefect_api, run)
    assert "- **shop**: shop answered 401: sign-in refused, check the credential" in page
    assert "| till | confirmed | 3 |" in page
