"""Demo, replay and seeded days from the command's side: what is read first, what is judged, what is written."""

import json
from pathlib import Path

import pytest

from nervure import rehearsals
from nervure.rehearsals import Outcome, RehearsalError, run_demo, run_replay, run_seed, run_seeds, write_json
from nervure.service.supervisor import StartError
from nervure.service.up import only_one
from nervure.store.database import DatabaseError
from simulation.day import Size
from simulation.history import COLUMNS, HistoryError

ROWS = """\
536365,85123A,WHITE LANTERN,2,2010-12-01 08:26,2.55,17850,France
536366,85123A,WHITE LANTERN,1,2010-12-01 08:28,2.55,13047,France
C536367,85123A,WHITE LANTERN,-1,2010-12-01 08:40,2.55,17850,France
536368,POST,POSTAGE,1,2010-12-01 08:45,18.00,12583,France
"""


def history(folder: Path, rows: str = ROWS) -> Path:
    path = folder / "history.csv"
    path.write_text(",".join(COLUMNS) + "\n" + rows, "utf-8")
    return path


def test_a_demo_leaves_alone_what_runs_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "database").write_text("of the other one")
    with only_one(tmp_path), pytest.raises(StartError, match=r"a hub runs in .* already"):
        run_demo(tmp_path, orders=1, orders_per_second=1.0, seed=1, say=lambda line: None)
    assert (tmp_path / "hub" / "database").read_text() == "of the other one"


def test_a_replay_judges_what_it_played(tmp_path: Path) -> None:
    said: list[str] = []
    outcome = run_replay(
        [history(tmp_path)], database_url=f"sqlite:///{tmp_path / 'hub.db'}", speed=4_000, say=said.append
    )
    assert outcome.holds
    figures = outcome.figures
    assert (figures["rows_read"], figures["rows_refused"]) == (4, {"not goods: POST": 1})
    not_there = figures["staff"].get("units a till did not find", 0)
    assert figures["orders"] + figures["refused_at_channel"] + not_there >= 2
    must_be_0 = ("lost", "duplicated", "oversold_in_hub", "unconfirmed", "wrong_at_rest", "units_not_conserved")
    assert [figures[name] for name in must_be_0] == [0] * 6
    assert said[:2] == ["4 rows, 3 events, 1 item", "opened with 1 item on 4 channels"]


def test_files_without_goods_hold_nothing_to_replay(tmp_path: Path) -> None:
    path = history(tmp_path, ROWS.splitlines()[-1] + "\n")
    with pytest.raises(RehearsalError, match=r"^no sale, return or adjustment of goods is in these files: 1 row read$"):
        run_replay([path], database_url=f"sqlite:///{tmp_path / 'hub.db'}", speed=1.0, say=print)
    assert not (tmp_path / "hub.db").exists()


def test_what_is_wrong_with_files_or_database_is_said_before_anything_is_played(tmp_path: Path) -> None:
    with pytest.raises(HistoryError):
        run_replay([tmp_path / "gone.csv"], database_url="sqlite:///x.db", speed=1.0, say=print)
    with pytest.raises(DatabaseError):
        run_replay([history(tmp_path)], database_url="mysql://host/hub", speed=1.0, say=print)


def test_a_replay_that_does_not_hold_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong:
        def __init__(self, *_: object, **__: object) -> None:
            self.verdict = self
            self.holds = False

        def run(self) -> "Wrong":
            return self

        def as_json(self) -> dict[str, int]:
            return {"lost": 1}

    monkeypatch.setattr(rehearsals, "Replay", Wrong)
    outcome = run_replay(
        [history(tmp_path)], database_url=f"sqlite:///{tmp_path / 'hub.db'}", speed=1.0, say=lambda _: None
    )
    assert outcome == Outcome({"lost": 1}, holds=False)


def test_figures_are_written_for_other_programs(tmp_path: Path) -> None:
    file = tmp_path / "new" / "figures.json"
    write_json({"lost": 0, "p99": "infinite"}, file)
    assert json.loads(file.read_text("utf-8")) == {"lost": 0, "p99": "infinite"}


@pytest.fixture
def tiny_days(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsals, "SHORT", Size(goods=8, orders=5, hours=0.2, kit_share=0.3))


@pytest.mark.usefixtures("tiny_days")
def test_seeds_are_played_one_after_the_other_and_summed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rehearsals, "SAID_EVERY", 2)
    said: list[str] = []
    tally = run_seeds(range(3, 6), faults="none", is_whole_day=False, say=said.append)
    assert said == ["2 of 3 seeds, 0 failed"]
    figures = tally.as_json()
    assert (figures["seeds"], figures["failed"], figures["violations_in_hub"], figures["deaths"]) == (3, {}, 0, 0)
    assert figures["orders"] == tally.orders > 5
    assert tally.rows() == []


@pytest.mark.usefixtures("tiny_days")
def test_one_seed_is_told_line_by_line() -> None:
    outcome = run_seed(3, faults="lost,killed", is_whole_day=False)
    assert outcome.problems == []
    assert outcome.trace.lines[0].startswith("00:00:00.000 world        seed 3: ")
    assert set(outcome.kinds) <= {"lost", "killed"}


def test_a_kind_of_fault_that_there_is_not_is_named_with_those_that_there_are() -> None:
    with pytest.raises(RehearsalError, match="'rain' is not a valid Fault: there are all, none, or some of lost"):
        run_seeds([1], faults="rain", is_whole_day=False, say=print)
