"""Prints which complaints of the field (docs/reference/requirements.md) have a test, and which have none."""

import contextlib
import io
import re
import sys
from collections import defaultdict

import pytest

from tests.reference import ROOT

ROW = re.compile(r"^\| (R\d\d) \| ([^|]+) \|", flags=re.MULTILINE)


def rows() -> dict[str, str]:
    """The complaints by number, in the order of their numbers."""
    page = (ROOT / "docs" / "reference" / "requirements.md").read_text(encoding="utf-8")
    return {number: complaint.strip() for number, complaint in sorted(ROW.findall(page))}


class MarkedTests:
    """Hears from pytest which tests carry which numbers; the cases of one parametrized test count once."""

    def __init__(self) -> None:
        self.tests: dict[str, set[str]] = defaultdict(set)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            for mark in item.iter_markers("requirement"):
                for number in mark.args:
                    self.tests[number].add(item.nodeid.partition("[")[0])


def main() -> int:
    marked = MarkedTests()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = pytest.main(["--collect-only", "--quiet", "-m", "requirement"], plugins=[marked])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        sys.stderr.write(said.getvalue())
        return int(code)
    complaints = rows()
    for number, complaint in complaints.items():
        tests = sorted(marked.tests.get(number, ()))
        sys.stdout.write(f"{number}  {'proved ' if tests else 'no test'}  {complaint}\n")
        sys.stdout.writelines(f"              {test}\n" for test in tests)
    without = [number for number in complaints if number not in marked.tests]
    sys.stdout.write(f"\n{len(complaints) - len(without)} of {len(complaints)} requirements have a test.\n")
    if without:
        sys.stdout.write(f"Without one: {', '.join(without)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
