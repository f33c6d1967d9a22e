"""Commands that run the hub, or play a merchant's days through it."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from nervure import settings as settings_module
from nervure.cli.common import SettingsOption, fail, print_table, say
from nervure.rehearsals import Outcome, run_demo, run_replay, write_json
from nervure.service.up import run_up
from nervure.template import SETTINGS_TEMPLATE
from simulation.demo import prepare

app = typer.Typer()

FolderOption = Annotated[Path, typer.Option("--folder", help="Where everything that runs here keeps its files.")]
FOLDER = Path(".nervure")


@app.command()
def up(
    settings: SettingsOption = None,
    folder: FolderOption = FOLDER,
    orders_per_second: Annotated[float, typer.Option(help="How busy the demo's shoppers are.", min=0.01)] = 1.0,
    seed: Annotated[int, typer.Option(help="Decides everything about the demo's merchant and shoppers.")] = 1,
) -> None:
    """Run everything on this machine: your channels, or without settings the demo."""
    raise typer.Exit(
        run_up(
            settings or settings_module.find(),
            folder=folder,
            prepare=prepare,
            orders_per_second=orders_per_second,
            seed=seed,
        )
    )


@app.command()
def init(file: Annotated[Path, typer.Argument(help="Where to write.")] = Path(settings_module.FILE_NAME)) -> None:
    """Write a commented settings file to begin with."""
    if file.exists():
        fail(f"{file} is there already: move it away first")
    try:
        file.write_text(SETTINGS_TEMPLATE, "utf-8")
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}")
    typer.echo(f"wrote {file}: fill in your locations and channels, then run: nervure channels check")


@app.command()
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


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="Order history: CSV or CSV.GZ with InvoiceNo, StockCode, …")],
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
    speed: Annotated[float, typer.Option(help="Seconds of history in one second.", min=1.0)] = 2000.0,
    database: Annotated[str | None, typer.Option(help="URL of an empty database (default: a temporary one).")] = None,
) -> None:
    """Replay real order history through the emulated platforms, and judge it."""
    with tempfile.TemporaryDirectory(prefix="nervure-") as folder:
        url = database or f"sqlite:///{Path(folder) / 'replay.db'}"
        outcome = run_replay(files, database_url=url, speed=speed, say=say)
    _finish(outcome, json_file)


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
