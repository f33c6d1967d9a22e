"""The bugs that are planted in the core: each still has its place."""

import pytest

from tests.planted_core_bugs import BUGS, Bug
from tests.reference import ROOT


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_the_place_of_a_planted_bug_stands_once_in_its_file(bug: Bug) -> None:
    assert (ROOT / bug.path).read_text(encoding="utf-8").count(bug.old) == 1
    assert bug.old != bug.new
    paths = [path for path in bug.tests.partition(" -k ")[0].split() if not path.startswith("-")]
    assert paths
    assert all(path.startswith("tests/") and (ROOT / path.partition("::")[0]).exists() for path in paths)


def test_no_bug_is_planted_twice() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS)
    assert len({(bug.path, bug.old, bug.new) for bug in BUGS}) == len(BUGS)
