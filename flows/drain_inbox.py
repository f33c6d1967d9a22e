"""The dispatcher: handles what was heard, within a fraction of a second."""

from prefect import State, flow

from flows.recording import run_name, run_window
from nervure.operations import loops


@flow(name="drain-inbox", flow_run_name=run_name, persist_result=False)
async def drain_inbox(window_seconds: float = 310.0) -> State[None]:
    """One window; a document that cannot be handled becomes a failed run of its own."""
    return await run_window("drain inbox", window_seconds, loops.draining)
