"""Finds what drifted apart: reads channels back, and lets go what expired."""

from prefect import State, flow

from flows.recording import run_name, run_window
from nervure.operations import keeping


@flow(name="sweep-drift", flow_run_name=run_name, persist_result=False)
async def sweep_drift(window_seconds: float = 310.0) -> State[None]:
    """One window; what is read back is compared when the inbox is drained."""
    return await run_window("sweep drift", window_seconds, keeping.sweeping)
