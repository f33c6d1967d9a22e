"""The bugs that are planted in the world: each still has its place, and its complaint is one of the field."""

import re

import pytest

from tests.planted_world_bugs import BUGS, WorldBug
from tests.reference import ROOT

KNOWN = set(re.findall(r"^\| (R?\d\d)", (ROOT / "docs/reference/requirements.md").read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_the_place_of_a_planted_bug_stands_once_in_its_file(bug: WorldBug) -> None:
    assert (ROOT / bug.path).read_text(encoding="utf-8").count(bug.old) == 1
    assert bug.old != bug.new
    assert bug.requirement in KNOWN


def test_no_bug_is_planted_twice() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS)
    assert len({(bug.path, bug.old, bug.new) for bug in BUGS}) == len(BUGS)
