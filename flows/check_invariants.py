"""Looks whether everything holds that always must."""

from prefect import State, flow

from flows.recording import run_name, run_window
from nervure.operations import keeping


@flow(name="check-invariants", flow_run_name=run_name, persist_result=False)
async def check_invariants(window_seconds: float = 600.0) -> State[None]:
    """Once; the window is only its upper bound. A rule that does not hold fails the run."""
    return await run_window("check invariants", window_seconds, keeping.checking)
