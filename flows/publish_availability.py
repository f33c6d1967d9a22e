"""Tells every channel what it may still sell."""

from prefect import State, flow

from flows.recording import run_name, run_window
from nervure.operations import loops


@flow(name="publish-availability", flow_run_name=run_name, persist_result=False)
async def publish_availability(window_seconds: float = 310.0) -> State[None]:
    """One window; each channel has a thread, so that a throttled one holds nobody else."""
    return await run_window("publish availability", window_seconds, loops.publishing)
