"""Webhooks accepted a second over loopback HTTP by the real service, beside a bare handler that only answers 200.

Each webhook is a signed orders/create of its own. The service verifies and stores it before it answers; both servers
are processes of their own, and so is this client, whose connections wait for each answer (a closed loop).
"""

import base64
import hashlib
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import sqlalchemy as sa

from bench.databases import Kind
from bench.figures import Figure, Say, beside, interleave, rounded
from bench.servers import bare, free_port, send_all, service
from bench.shops import CHANNEL_NAME, SECRET, STOCK_POINT, TOKEN, an_order_webhook
from bench.sizes import Sizes
from nervure.operations.results import percentile
from nervure.store.database import open_database
from nervure.store.inbox import INBOX

SETTINGS = f"""
[hub]
database = "{{database}}"
port = {{port}}
callback_url = "http://127.0.0.1:{{port}}"

[[locations]]
code = "warehouse"
name = "Warehouse"
kind = "warehouse"
time_zone = "Europe/Paris"

[[channels]]
needs_cutover = false
platform = "shopify"
name = "{CHANNEL_NAME}"
url = "http://127.0.0.1:9"
access_token = {{{{ env = "BENCH_TOKEN" }}}}
webhook_secrets = [{{{{ env = "BENCH_SECRET" }}}}]
stock_points = {{{{ "{STOCK_POINT}" = ["warehouse"] }}}}
"""


class Client:
    """Sends webhooks that nobody has seen, and keeps how long each took."""

    def __init__(self, first: int) -> None:
        self._headers, self._body = an_order_webhook()
        self._numbers = count(first)
        self.latencies: dict[str, list[float]] = {}
        self.accepted = 0

    def rate(self, side: str, port: int, webhooks: int, connections: int) -> float:
        """Answers webhooks accepted a second."""
        requests = [self._request(port) for _ in range(webhooks // connections * connections)]
        done, seconds = send_all(port, requests, connections, lambda head, _: head.startswith(b"HTTP/1.1 200"))
        self.latencies.setdefault(side, []).extend(done)
        if side == "ours":
            self.accepted += len(done)
        return len(done) / seconds

    def _request(self, port: int) -> bytes:
        number = next(self._numbers)
        body = self._body.replace(b"{", b'{"bench":%d,' % number, 1)
        headers = self._headers | {
            "host": f"127.0.0.1:{port}",
            "content-length": str(len(body)),
            "x-shopify-event-id": f"event-{number}",
            "x-shopify-webhook-id": f"webhook-{number}",
            "x-shopify-hmac-sha256": base64.b64encode(
                hmac.new(SECRET.encode(), body, hashlib.sha256).digest()
            ).decode(),
        }
        head = f"POST /webhooks/{CHANNEL_NAME} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        return head.encode() + b"\r\n" + body


def measure(kind: Kind, sizes: Sizes, say: Say) -> Iterator[Figure]:
    with kind.fresh() as url, _service(url) as ours, bare() as other:
        accepted = 0
        for connections in (1, sizes.connections):
            client = Client(first=connections * 10_000_000)
            word = "connection" if connections == 1 else "connections"
            say(f"webhooks: {kind.name}, {connections} {word}")
            sides = {"ours": ours, "a bare handler": other}
            for side, port in sides.items():
                client.rate(side, port, sizes.webhooks // 4, connections)
            client.latencies.clear()
            measured = interleave(
                {
                    side: lambda side=side, port=port, n=connections, c=client: c.rate(side, port, sizes.webhooks, n)  # type: ignore[misc]  # bound here
                    for side, port in sides.items()
                },
                sizes.repetitions,
            )
            shown = Figure("webhooks", f"{connections} {word}", kind.name, "accepted/s", None)
            yield from beside(shown, measured)
            yield from _tails(shown, client.latencies)
            accepted += client.accepted
        assert _stored(url) == accepted, "webhooks accepted and stored differ"


def _tails(shown: Figure, latencies: dict[str, list[float]]) -> Iterator[Figure]:
    ours, theirs = latencies["ours"], latencies["a bare handler"]
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        one, other = (percentile(values, share) or 0.0 for values in (ours, theirs))
        yield Figure(
            "webhooks",
            f"{shown.case}, {name} of {len(ours):,}",
            shown.database,
            "ms",
            rounded(one * 1_000),
            [],
            "a bare handler",
            rounded(other * 1_000),
            rounded(one / other),
        )


@contextmanager
def _service(database_url: str) -> Iterator[int]:
    port = free_port()
    with service(
        SETTINGS.format(database=database_url, port=port), port, {"BENCH_TOKEN": TOKEN, "BENCH_SECRET": SECRET}
    ):
        yield port


def _stored(url: str) -> int:
    database = open_database(url)
    with database.read() as connection:
        found = int(connection.execute(sa.select(sa.func.count()).select_from(INBOX)).scalar_one())
    database.close()
    return found
