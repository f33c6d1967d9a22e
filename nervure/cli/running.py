"""Commands that run the hub, or play a merchant's days through it."""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from nervure import settings_file
from nervure.cli.common import SettingsOption, fail, print_table, say
from nervure.rehearsals import Outcome, run_demo, run_replay, run_seed, run_seeds, write_json
from nervure.service.up import run_up
from nervure.template import SETTINGS_TEMPLATE
from simulation.demo import prepare
from simulation.odds import measure as measure_odds

app = typer.Typer()

FolderOption = Annotated[Path, typer.Option("--folder", help="Where everything that runs here keeps its files.")]
FOLDER = Path(".nervure")


@app.command(rich_help_panel="Run and rehearse")
def up(
    settings: SettingsOption = None,
    folder: FolderOption = FOLDER,
    orders_per_second: Annotated[float, typer.Option(help="How busy the demo's shoppers are.", min=0.01)] = 1.0,
    seed: Annotated[int, typer.Option(help="Decides everything about the demo's merchant and shoppers.")] = 1,
) -> None:
    """Run everything on this machine: your channels, or without settings the demo."""
    raise typer.Exit(
        run_up(
            settings or settings_file.find(),
            folder=folder,
            prepare=prepare,
            orders_per_second=orders_per_second,
            seed=seed,
        )
    )


@app.command(rich_help_panel="Run and rehearse")
def init(file: Annotated[Path, typer.Argument(help="Where to write.")] = Path(settings_file.FILE_NAME)) -> None:
    """Write a commented settings file to begin with."""
    if file.exists():
        fail(f"{file} is there already: move it away first")
    try:
        file.write_text(SETTINGS_TEMPLATE, "utf-8")
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}")
    typer.echo(f"wrote {file}: fill in your locations and channels, then run: nervure channels check")


@app.command(rich_help_panel="Run and rehearse")
def demo(
    orders: Annotated[int, typer.Option(help="How many orders shoppers place.", min=1)] = 300,
    orders_per_second: Annotated[float, typer.Option(help="How fast they come.", min=0.01)] = 5.0,
    seed: Annotated[int, typer.Option(help="Decides everything about merchant and shoppers.")] = 1,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
    folder: FolderOption = FOLDER / "demo",
) -> None:
    """Play a bounded demo through HTTP, webhooks and Prefect, and judge it."""
    outcome = run_demo(folder.resolve(), orders=orders, orders_per_second=orders_per_second, seed=seed, say=say)
    _finish(outcome, json_file)


@app.command(rich_help_panel="Run and rehearse")
def replay(
    files: Annotated[list[Path], typer.Argument(help="Order history: CSV or CSV.GZ with InvoiceNo, StockCode, …")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
    speed: Annotated[float, typer.Option(help="Seconds of history in one second.", min=1.0)] = 2000.0,
    accuracy: Annotated[float, typer.Option(help="Share of right stock records in stores.", min=0.0, max=1.0)] = 1.0,
    database: Annotated[str | None, typer.Option(help="URL of an empty database (default: a temporary one).")] = None,
) -> None:
    """Replay real order history through the emulated platforms, and judge it."""
    with tempfile.TemporaryDirectory(prefix="nervure-") as folder:
        url = database or f"sqlite:///{Path(folder) / 'replay.db'}"
        outcome = run_replay(files, database_url=url, speed=speed, say=say, accuracy=accuracy)
    _finish(outcome, json_file)


@app.command(rich_help_panel="Run and rehearse")
def sim(
    *,
    seeds: Annotated[int, typer.Option(help="How many days to play, one seed each.", min=1)] = 100,
    first: Annotated[int, typer.Option(help="The first of these seeds.", min=0)] = 1,
    seed: Annotated[int | None, typer.Option(help="Play only this one.", min=0)] = None,
    trace: Annotated[bool, typer.Option("--trace", help="With --seed: print everything that happens in it.")] = False,
    faults: Annotated[str, typer.Option(help="What may go wrong: all, none, or kinds with commas.")] = "all",
    day: Annotated[bool, typer.Option("--day", help="Whole days of 100 orders and 500 listings.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
) -> None:
    """Play days of an invented merchant under virtual time, with faults, and judge them."""
    if trace and seed is None:
        fail("--trace needs the seed whose day is to be told: --seed NUMBER")
    logging.getLogger("nervure").setLevel(logging.CRITICAL)  # what goes wrong is in the trace, at its virtual time
    if seed is not None:
        outcome = run_seed(seed, faults=faults, is_whole_day=day)
        for line in outcome.trace.lines if trace else ():
            typer.echo(line)
        for problem in outcome.problems:
            typer.echo(problem)
        typer.echo(f"seed {seed} {'failed' if outcome.problems else 'holds'}; its trace is {outcome.trace.digest()}")
        raise typer.Exit(1 if outcome.problems else 0)
    tally = run_seeds(range(first, first + seeds), faults=faults, is_whole_day=day, say=say)
    figures = tally.as_json()
    print_table(("fault", "seeds", "strikes", "failed"), tally.rows())
    shown = ("seeds", "orders", "deaths", "requests", "webhooks")
    print_table(("figure", "value"), [(name, figures[name]) for name in shown])
    print_table(
        ("inside the hub, must be 0", ""),
        [("violations", tally.violations_in_hub), ("seeds that failed", len(tally.failed))],
    )
    print_table(
        ("across channels, cannot be 0", ""),
        [
            ("lines sold beyond stock", f"{tally.lines_short} of {tally.lines} ({tally.oversold_share:.2%})"),
            ("units short at the end", tally.units_short),
            ("price of the broken promises", f"{tally.price_of_broken_promises:.2f}"),
        ],
    )
    for number, problems in tally.failed.items():
        typer.echo(f"seed {number}: {problems[0]}")
    if json_file is not None:
        write_json(figures, json_file)
    typer.echo(f"{tally.seeds - len(tally.failed)} of {tally.seeds} seeds hold")
    raise typer.Exit(1 if tally.failed else 0)


@app.command(rich_help_panel="Run and rehearse")
def odds(
    runs: Annotated[int, typer.Option(help="How many runs of an hour, without and with a buffer each.", min=1)] = 3,
    first: Annotated[int, typer.Option(help="The first run's seed.", min=0)] = 1,
) -> None:
    """Measure how often channels sell the same last unit, beside what the formula predicts."""
    rows = [
        (
            row.channel,
            row.buffer_units,
            row.goods,
            f"{row.delay_seconds:.0f}",
            f"{row.predicted:.2%}",
            f"{row.realized:.2%}",
        )
        for row in measure_odds(runs, first)
    ]
    print_table(("decisive sale on", "buffer", "goods", "told after, s", "predicted", "realized"), rows)


def _finish(outcome: Outcome, json_file: Path | None) -> NoReturn:
    """Prints the figures, writes them, and says by the exit code whether what must be 0 is 0."""
    figures = dict(outcome.figures)
    times: Mapping[str, Mapping[str, Any]] = figures.pop("sale_to_confirmed_seconds", {})
    details: Sequence[str] = figures.pop("details", ())
    print_table(("figure", "value"), list(figures.items()))
    rows = [(name, row["count"], row["p50"], row["p95"], row["p99"]) for name, row in times.items()]
    print_table(("sale to confirmed, seconds", "pairs", "p50", "p95", "p99"), rows)
    for detail in details[:10]:
        typer.echo(detail)
    if json_file is not None:
        write_json(outcome.figures, json_file)
    typer.echo("everything that must be 0 is 0" if outcome.holds else "something that must be 0 is not")
    raise typer.Exit(0 if outcome.holds else 1)
