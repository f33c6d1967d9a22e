"""The figures as a table, and the file that keeps them."""

import json
from itertools import groupby
from pathlib import Path

from bench.figures import Figure, Number
from bench.run import Run

KEPT_RUNS = 10


def table(found: Run) -> str:
    """Markdown, so that it can stand in the documentation as it is."""
    state, load = found.state, found.state["load"]
    versions = ", ".join(f"{name} {version}" for name, version in state["versions"].items())
    lines = [
        f"{state['date']}, {state['cores']} cores ({state['processor']}), {state['system']}; {versions}.",
        f"Load over 1 minute: {', '.join(f'{loads[0]:g} {when}' for when, loads in load.items())}.",
    ]
    for _, group in groupby(found.figures, key=lambda figure: figure.benchmark):
        figures = list(group)
        lines += ["", "| database | case | figure | beside | ratio | |", "|---|---|---:|---|---:|---|"]
        lines += [_line(figure) for figure in figures]
    return "\n".join(lines)


def _line(figure: Figure) -> str:
    beside = f"{figure.reference}: {_number(figure.reference_value)}" if figure.reference else ""
    details = "; ".join(f"{name.replace('_', ' ')} {_number(value)}" for name, value in figure.details.items())
    cells = (
        figure.database,
        f"{figure.benchmark}: {figure.case}",
        f"{_number(figure.value)} {figure.unit}",
        beside,
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        details,
    )
    return f"| {' | '.join(cells)} |"


def _number(value: Number) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"


def append(file: Path, found: Run) -> None:
    """Keeps the newest runs, the newest last."""
    runs = json.loads(file.read_text("utf-8"))["runs"] if file.exists() else []
    kept = [*runs, found.as_json()][-KEPT_RUNS:]
    file.write_text(json.dumps({"runs": kept}, indent=1) + "\n", "utf-8")
