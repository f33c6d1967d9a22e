"""Deletes raw documents and personal data of orders whose time is over."""

from prefect import State, flow

from flows.recording import run_name, run_window
from nervure.operations import keeping


@flow(name="forget-personal-data", flow_run_name=run_name, persist_result=False)
async def forget_personal_data(window_seconds: float = 600.0) -> State[None]:
    """Once; the window is only its upper bound."""
    return await run_window("forget personal data", window_seconds, keeping.forgetting)
