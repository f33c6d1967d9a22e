"""Reads what channels show and what suppliers have, and takes in what suppliers answered."""

from prefect import State, flow

from flows.recording import run_name, run_window
from nervure.operations import asking


@flow(name="pull-stock", flow_run_name=run_name, persist_result=False)
async def pull_stock(window_seconds: float = 310.0) -> State[None]:
    """One window; each account is asked when its period is over."""
    return await run_window("pull stock", window_seconds, asking.pulling_stock)
