"""The suite has teeth: each bug of `planted_bugs` turns it red on every platform that can have it."""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from connectors.registry import channels
from tests.connectors.conformance import ChannelConformance
from tests.connectors.planted_bugs import BUGS
from tests.connectors.planting import Bug, planted
from tests.connectors.test_conformance import SUITES

SLOW = ("test_whatever_stands_in_a_field", "test_a_failure_in_the_middle", "test_unknown_fields_are_ignored")
SUITE_OF = {suite().make_rig().record.platform: suite for suite in SUITES}


def laws(suite: type[ChannelConformance]) -> Iterator[tuple[str, Callable[[Any], None]]]:
    """Every law of a suite as a name and a function of the suite, with each of its parameters."""
    for name in dir(suite):
        if not name.startswith("test_"):
            continue
        law = getattr(suite, name)
        cases: list[dict[str, Any]] = [{}]
        for mark in getattr(law, "pytestmark", []):
            if mark.name != "parametrize":
                continue
            names = [mark.args[0]] if isinstance(mark.args[0], str) else list(mark.args[0])
            rows = [_values(row, len(names)) for row in mark.args[1]]
            cases = [{**case, **dict(zip(names, row, strict=True))} for case in cases for row in rows]
        for case in cases:
            yield name, partial(law, **case)


def _values(row: Any, width: int) -> tuple[Any, ...]:
    """A row of parameters, named or plain."""
    if isinstance(row, type(pytest.param())):
        return tuple(row.values)
    return tuple(row) if width > 1 else (row,)


def caught_by(bug: Bug, platform: str) -> str | None:
    """The first law that turns red, beginning with the one that is meant to."""
    suite = SUITE_OF[platform]
    for name, law in sorted(laws(suite), key=lambda one: (one[0] != bug.law, one[0].startswith(SLOW))):
        held = suite()
        if bug.record is not None:
            held.plant = bug.record  # type: ignore[assignment,method-assign]  # wrapped around this one's record
        held.setup_method()
        try:
            with planted(bug, platform):
                law(held)
        except (Exception, pytest.fail.Exception):
            return name
        finally:
            held.teardown_method()
    return None


def test_the_meant_laws_exist_and_bugs_have_names_of_their_own() -> None:
    known = {name for suite in SUITES for name, _ in laws(suite)}
    assert {law for bug in BUGS for law in (bug.law, *bug.also)} <= known
    assert len({bug.name for bug in BUGS}) == len(BUGS)
    assert {platform for bug in BUGS for platform in bug.platforms} == set(channels())
    for bug in BUGS:
        assert (bug.record is not None) + bool(bug.edits) + bool(bug.values) == 1
        assert not bug.edits or set(bug.edits) == set(bug.platforms)


def test_every_planted_bug_is_caught_on_every_platform() -> None:
    found = {(bug.name, platform): caught_by(bug, platform) for bug in BUGS for platform in bug.platforms}
    lines = [f"{'planted bug':<56}" + "".join(f"{platform:<11}" for platform in SUITE_OF)]
    for bug in BUGS:
        cells = {platform: "caught" if found[bug.name, platform] else "SURVIVES" for platform in bug.platforms}
        lines.append(f"{bug.name:<56}" + "".join(f"{cells.get(platform, '-'):<11}" for platform in SUITE_OF))
    survivors = sorted({name for (name, _), law in found.items() if law is None})
    lines.append(f"planted bugs caught: {len(BUGS) - len(survivors)} of {len(BUGS)}")
    sys.stdout.write("\n".join(lines) + "\n")
    assert [one for one, law in found.items() if law is None] == []
    # By a law that means it, not by falling over it.
    meant = {bug.name: (bug.law, *bug.also) for bug in BUGS}
    assert {one: law for one, law in found.items() if law not in meant[one[0]]} == {}
