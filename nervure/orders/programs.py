"""Linear and mixed-integer programs, solved by HiGHS."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import highspy
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
INFINITE = float("inf")


@dataclass(slots=True)
class Program:
    """Columns from 0 up that cost something, and rows of them between two bounds; the cost is to be least."""

    costs: list[float] = field(default_factory=list)
    uppers: list[float] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    row_lower: list[float] = field(default_factory=list)
    row_upper: list[float] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    factors: list[float] = field(default_factory=list)

    def add_row(self, *, lower: float = -INFINITE, upper: float = INFINITE) -> int:
        self.row_lower.append(lower)
        self.row_upper.append(upper)
        return len(self.row_lower) - 1

    def add_column(
        self, cost: float, entries: Mapping[int, float], *, upper: float = INFINITE, is_whole: bool = False
    ) -> int:
        """`entries`: its factor in each row that it is in."""
        self.costs.append(cost)
        self.uppers.append(upper)
        self.whole.append(is_whole)
        self.starts.append(len(self.rows))
        self.rows.extend(entries)
        self.factors.extend(entries.values())
        return len(self.costs) - 1


@dataclass(frozen=True, slots=True)
class Solved:
    """`values` by column, `duals` by row. No solution costs less than `bound`; no `values`: none was found in time."""

    values: Sequence[float]
    duals: Sequence[float]
    bound: float


def solve_program(program: Program, *, seconds: float | None = None, start: Sequence[float] | None = None) -> Solved:
    """`seconds`: no longer is looked for whole numbers. `start`: a solution that is known."""
    if not program.costs:
        return Solved([], [0.0] * len(program.row_lower), 0.0)
    highs = _new()
    if seconds is not None:
        highs.setOptionValue("time_limit", seconds)
    highs.passModel(_model(program))
    if start is not None:
        known = highspy.HighsSolution()
        known.col_value = list(start)
        highs.setSolution(known)
    highs.run()
    found, info = highs.getSolution(), highs.getInfo()
    is_whole = any(program.whole)
    bound = info.mip_dual_bound if is_whole else info.objective_function_value
    return Solved(
        list(found.col_value) if info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible else [],
        list(found.row_dual),
        float(bound),
    )


class Repeated:
    """A linear program that is solved again and again with other bounds of its rows, each time from the last basis."""

    def __init__(self, program: Program) -> None:
        self._highs = _new()
        self._highs.setOptionValue("presolve", "off")
        self._highs.passModel(_model(program))
        self._rows = np.arange(len(program.row_lower), dtype=np.int32)

    def duals(self, lower: Floats, upper: Floats) -> Floats:
        """By row, how the least cost grows with its bound."""
        self._highs.changeRowsBounds(len(self._rows), self._rows, lower, upper)
        self._highs.run()
        return np.array(self._highs.getSolution().row_dual)


class _Silent(highspy.Highs):
    """HiGHS without a word: made in the ordinary way it greets on standard output before it can be told not to."""

    def __init__(self) -> None:
        super(highspy.Highs, self).__init__()
        self.setOptionValue("output_flag", False)
        self.callbacks = []


def _new() -> Any:  # highspy's stubs know half of its methods
    highs = _Silent()
    highs.setOptionValue("threads", 1)
    return highs


def _model(program: Program) -> highspy.HighsLp:
    model = highspy.HighsLp()
    model.num_col_ = len(program.costs)
    model.num_row_ = len(program.row_lower)
    model.col_cost_ = np.array(program.costs)
    model.col_lower_ = np.zeros(len(program.costs))
    model.col_upper_ = np.array(program.uppers)
    model.row_lower_ = np.array(program.row_lower)
    model.row_upper_ = np.array(program.row_upper)
    model.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    model.a_matrix_.start_ = np.array([*program.starts, len(program.rows)], dtype=np.int32)
    model.a_matrix_.index_ = np.array(program.rows, dtype=np.int32)
    model.a_matrix_.value_ = np.array(program.factors)
    if any(program.whole):
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        model.integrality_ = [kinds[one] for one in program.whole]
    return model
