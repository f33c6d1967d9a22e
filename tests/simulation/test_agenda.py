"""Virtual time jumps from one thing to the next, and lets things happen inside of others that sleep."""

from datetime import UTC, datetime, timedelta
from functools import partial

from simulation.agenda import Agenda

DAWN = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)


class TwoTurns:
    """A turn at second 3 and one at second 8; the first sleeps for 4 seconds."""

    def __init__(self, agenda: Agenda, told: list[str]) -> None:
        self._agenda = agenda
        self._told = told
        self._due = [3, 8]

    def next_at(self, before: datetime) -> datetime | None:
        moment = DAWN + timedelta(seconds=self._due[0]) if self._due else None
        return moment if moment is not None and moment <= before else None

    def run_next(self) -> None:
        number = self._due.pop(0)
        self._told.append(f"turn {number} at {seconds(self._agenda):g}")
        if number == 3:
            self._agenda.sleep(4)
        self._told.append(f"turn {number} over at {seconds(self._agenda):g}")


def seconds(agenda: Agenda) -> float:
    return (agenda.now() - DAWN).total_seconds()


def test_things_happen_in_the_order_of_their_times_and_of_one_moment_as_they_were_noted() -> None:
    agenda, told = Agenda(DAWN), list[tuple[str, float]]()

    def happen(name: str) -> None:
        told.append((name, seconds(agenda)))

    agenda.after(5, partial(happen, "late"))
    agenda.after(2, partial(happen, "first"))
    agenda.at(DAWN + timedelta(seconds=2), partial(happen, "second"))
    agenda.after(9, partial(happen, "never"))
    agenda.pass_until(DAWN + timedelta(seconds=6))
    assert told == [("first", 2), ("second", 2), ("late", 5)]
    assert seconds(agenda) == 6


def test_while_one_turn_sleeps_everything_else_goes_on() -> None:
    agenda, told = Agenda(DAWN), list[str]()
    agenda.turns = TwoTurns(agenda, told)
    agenda.after(5, lambda: told.append(f"a shopper at {seconds(agenda):g}"))
    agenda.pass_until(DAWN + timedelta(seconds=10))
    assert told == [
        "turn 3 at 3",
        "a shopper at 5",
        "turn 3 over at 7",
        "turn 8 at 8",
        "turn 8 over at 8",
    ]


def test_what_should_have_happened_during_a_sleep_is_never_too_early_and_time_never_goes_back() -> None:
    agenda = Agenda(DAWN)
    agenda.sleep(30)
    agenda.at(DAWN, lambda: None)
    agenda.pass_until(DAWN + timedelta(seconds=10))
    assert seconds(agenda) == 30
