"""On what and when it was measured. No names of machines, people or folders."""

import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from bench.databases import Kind

PACKAGES = ("sqlalchemy", "psycopg", "fastapi", "uvicorn", "prefect")


def describe(kinds: Sequence[Kind]) -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {
            "python": ".".join(str(part) for part in sys.version_info[:3]),
            **{kind.name.lower(): kind.version for kind in kinds},
            **{name: version(name) for name in PACKAGES},
        },
    }


def load() -> list[float]:
    """Processes that wanted a core, over the last 1, 5 and 15 minutes."""
    return [round(one, 2) for one in os.getloadavg()]


def _processor() -> str | None:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - a path of Linux, not of ours
            return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), None)
    except OSError:
        return None
