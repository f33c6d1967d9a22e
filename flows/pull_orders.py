"""Asks every channel for orders when it is due."""

from prefect import State, flow

from flows.recording import run_name, run_window
from nervure.operations import asking


@flow(name="pull-orders", flow_run_name=run_name, persist_result=False)
async def pull_orders(window_seconds: float = 310.0) -> State[None]:
    """One window; each channel has a thread, so that a slow one holds nobody else."""
    return await run_window("pull orders", window_seconds, asking.pulling_orders)
