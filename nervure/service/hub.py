"""What the calls of the service share: the hub that they work on, and how they refuse."""

from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import JSONResponse

from nervure.inventory.stock import KitStockError
from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError, UnknownError


def _the_hub(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


REFUSALS = (RefusalError, KitStockError)
TheHub = Annotated[Hub, Depends(_the_hub)]


def refused(_: Request, error: Exception) -> JSONResponse:
    """404 for what is not known, 409 for what cannot be done, each with its sentence."""
    return JSONResponse({"detail": str(error)}, 404 if isinstance(error, UnknownError) else 409)
