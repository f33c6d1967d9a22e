"""What the terminal shows."""

import io
from typing import Any

from rich.console import Console

from nervure.service.live import Lines, line, table

HUB: dict[str, Any] = {
    "channels": [
        {
            "name": "webshop",
            "platform": "shopify",
            "paused": False,
            "problem": None,
            "orders": 12,
            "last_publication": "2026-03-02T09:00:01.5+00:00",
            "confirmed": 520,
            "in_flight": 3,
            "error": 0,
            "excluded": 1,
        }
    ],
    "inbox": {"waiting": 2, "dead": 1},
    "tasks": 4,
}
WORLD = {"platforms": {"webshop": {"orders": 12, "p50": 0.84, "p95": None}}, "finished": False}


def test_a_line_says_the_state_of_every_channel() -> None:
    totals = "inbox 2 waiting, 1 dead; 4 tasks"
    assert line(HUB, WORLD) == f"webshop: 12 orders, 520/3/0, p50 0.8 s p95 -; {totals}"
    assert line(HUB, None) == f"webshop: 12 orders, 520/3/0; {totals}"
    assert line(None, None) == "the hub does not answer"


def test_the_table_has_a_row_for_every_channel() -> None:
    out = io.StringIO()
    Console(file=out, width=140).print(table(HUB, WORLD))
    row = next(text for text in out.getvalue().splitlines() if "webshop" in text)
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells == ["webshop", "shopify", "12", "09:00:01", "520", "3", "0", "0.8 s", "-", ""]


def test_lines_come_once_in_so_many_seconds() -> None:
    now = [0.0]
    said: list[str] = []
    lines = Lines(said.append, 15, lambda: now[0])
    for now[0] in (1.0, 15.0, 16.0, 31.0):
        lines.update(None, None)
    assert said == ["the hub does not answer"] * 2
