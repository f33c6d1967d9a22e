"""How suppliers keep their word, over HTTP."""

from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query

from nervure.operations.scorecards import DAYS, scorecards
from nervure.service.hub import TheHub

router = APIRouter()


@router.get("/suppliers/scorecard")
def supplier_scorecard(
    hub: TheHub,
    begin: Annotated[date | None, Query(alias="from")] = None,
    end: Annotated[date | None, Query(alias="to")] = None,
) -> list[dict[str, Any]]:
    """Every supplier's figures from one day until another, both included, in UTC."""
    last = end or hub.clock.now().date()
    first = begin or last - timedelta(days=DAYS)
    if first > last:
        raise HTTPException(422, "from is after to")
    midnights = [datetime.combine(day, time(), UTC) for day in (first, last + timedelta(days=1))]
    return [asdict(one) for one in scorecards(hub, midnights[0], midnights[1])]
