"""A document that could not be handled, as a failed run: what the Prefect UI and its automations see."""

from prefect import State, flow
from prefect.states import Failed


@flow(name="report-dead-letter", flow_run_name="dead letter {letter}", persist_result=False)
async def report_dead_letter(letter: str, sentence: str) -> State[None]:
    """Fails, with the reason and what to do.

    Args:
        letter: names the document, without anything of what is in it.
        sentence: why it could not be handled, and what to do about it.
    """
    return Failed(message=sentence)
