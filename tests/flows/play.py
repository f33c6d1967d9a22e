"""Plays one flow on a small hub in a process of its own: `python -m tests.flows.play FLOW DATABASE`.

Prefect's client leaves sockets behind, which a test process that takes warnings for errors would stumble over.
"""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from prefect.exceptions import FailedRun

from connectors.errors import CredentialsError
from flows import recording
from flows.drain_inbox import drain_inbox
from flows.publish_availability import publish_availability
from nervure import settings_file
from nervure.clock import SystemClock
from nervure.operations.hub import Hub
from nervure.operations.pull import store
from nervure.store.database import Database, open_database
from tests.nervure.operations.fake_shops import FakeShop, broken_document, fake_hub, order_document
from tests.nervure.world import an_order

FLOWS = {"drain_inbox": drain_inbox, "publish_availability": publish_availability}


def hub_for(flow: str, database: Database) -> Hub:
    if flow == "drain_inbox":
        hub = fake_hub(database, SystemClock(), {"shop": FakeShop()})
        store(hub, "shop", (order_document(an_order("1", {"BOLT": 1})), broken_document(1)))
        return hub
    refused = FakeShop(error=CredentialsError("shop answered 401: sign-in refused, check the credential"))
    return fake_hub(database, SystemClock(), {"shop": refused, "till": FakeShop()})


def main() -> None:
    flow, path = sys.argv[1:]
    with closing(open_database(f"sqlite:///{path}")) as database:
        hub = hub_for(flow, database)

        @contextmanager
        def opened(*_: object) -> Iterator[Hub]:
            yield hub

        with pytest.MonkeyPatch.context() as patch, suppress(FailedRun):
            patch.setattr(settings_file, "find", lambda: Path("nervure.toml"))
            patch.setattr(settings_file, "load", lambda found: found)
            patch.setattr(recording, "open_hub", opened)
            asyncio.run(FLOWS[flow](window_seconds=3.0))


if __name__ == "__main__":
    main()
