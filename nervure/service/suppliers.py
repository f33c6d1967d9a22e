"""How suppliers keep their word, over HTTP."""

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query

from nervure.operations.periods import NoSuchDaysError
from nervure.operations.scorecards import scorecards, scored_days
from nervure.service.hub import TheHub

router = APIRouter()


@router.get("/suppliers/scorecard")
def supplier_scorecard(
    hub: TheHub,
    begin: Annotated[date | None, Query(alias="from")] = None,
    end: Annotated[date | None, Query(alias="to")] = None,
) -> list[dict[str, Any]]:
    """Every supplier's figures from one day until another, both included, in UTC."""
    try:
        span = scored_days(begin, end, hub.clock.now().date())
    except NoSuchDaysError as error:
        raise HTTPException(422, str(error)) from error
    return [asdict(one) for one in scorecards(hub, *span)]
