"""Reads every channel's listings."""

from prefect import State, flow

from flows.recording import run_name, run_window
from nervure.operations import asking


@flow(name="pull-catalogue", flow_run_name=run_name, persist_result=False)
async def pull_catalogue(window_seconds: float = 600.0) -> State[None]:
    """Once through all channels; the window is only its upper bound."""
    return await run_window("pull catalogue", window_seconds, asking.pulling_catalogue)
