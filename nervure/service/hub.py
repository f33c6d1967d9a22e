"""What the calls of the service share: the hub that they work on, what they take, and how they refuse."""

import json
from typing import Annotated

from fastapi import Depends, HTTPException, Path, Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field
from starlette.responses import JSONResponse, Response

from nervure.inventory.stock import UnbookableError
from nervure.operations.hub import Hub
from nervure.operations.refusals import RefusalError, UnknownError


def _the_hub(request: Request) -> Hub:
    hub: Hub = request.app.state.hub
    return hub


REFUSALS = (RefusalError, UnbookableError)
TheHub = Annotated[Hub, Depends(_the_hub)]
Number = Annotated[int, Path(ge=1, le=2**63 - 1)]
"""What the hub counts by itself, such as fulfillment orders."""

Text = Annotated[str, Field(max_length=255, pattern=r"^[^\x00]*$")]
Label = Annotated[str, Field(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Text of one line."""


async def has_no_zeros(request: Request) -> None:
    """No address holds a zero character, which no database stores."""
    if "\x00" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise HTTPException(422, "an address holds no zero characters")


def refused(_: Request, error: Exception) -> JSONResponse:
    """404 for what is not known, 409 for what cannot be done, each with its sentence."""
    return JSONResponse({"detail": str(error)}, 404 if isinstance(error, UnknownError) else 409)


def not_understood(_: Request, error: Exception) -> Response:
    """422 for what is not as it must be: where, and why. What was sent is not sent back: it may be personal."""
    assert isinstance(error, RequestValidationError)
    told = [{name: one[name] for name in ("type", "loc", "msg")} for one in error.errors()]
    # Names of fields come from outside too, and need not be text that can be sent.
    return Response(json.dumps({"detail": told}), 422, media_type="application/json")
