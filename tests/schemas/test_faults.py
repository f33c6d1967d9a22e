"""What a model refuses is said in words of ours, with its place and without its value."""

from datetime import date
from decimal import Decimal
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from schemas.base import Code
from schemas.faults import first_fault


class Inner(BaseModel):
    rank: int = 0


class Form(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: Code = "WH"
    title: str = Field(default="Mug", min_length=2, max_length=9)
    price: Decimal = Field(default=Decimal(1), gt=0, le=Decimal("9.5"))
    seconds: float = Field(default=1.0, ge=0.5, lt=4.0)
    is_kit: bool = False
    kind: Literal["a", "b"] = "a"
    day: date = date(2026, 3, 2)
    units: tuple[int, ...] = Field(default=(1,), min_length=1, max_length=2)
    parts: dict[str, int] = {}
    inner: Inner = Inner()
    name: str = "x"

    @field_validator("name")
    @classmethod
    def _is_ours(cls, name: str) -> str:
        if name != "x":
            raise ValueError("nobody is called so")
        return name


@pytest.mark.parametrize(
    ("field", "value", "place", "words"),
    [
        ("color", 1, ("color",), " is not known here"),
        ("code", "", ("code",), " must not be empty"),
        ("code", "W H", ("code",), " must be a word of letters, digits, dots, dashes and underscores"),
        ("title", 3, ("title",), " must be a text in quotes"),
        ("title", "M", ("title",), " must have at least 2 characters"),
        ("title", "M" * 10, ("title",), " must have at most 9 characters"),
        ("price", "dear", ("price",), " must be a number"),
        ("price", 0, ("price",), " must be above 0"),
        ("price", 10, ("price",), " must be 9.5 or less"),
        ("seconds", 0, ("seconds",), " must be 0.5 or more"),
        ("seconds", 4, ("seconds",), " must be below 4"),
        ("is_kit", "perhaps", ("is_kit",), " must be true or false"),
        ("kind", "c", ("kind",), " must be 'a' or 'b'"),
        ("day", "soon", ("day",), " must be a day, such as 2026-12-24"),
        ("units", 3, ("units",), " must be a list in [ ]"),
        ("units", ["x"], ("units", 0), " must be a whole number"),
        ("units", [], ("units",), " needs at least 1 of them"),
        ("units", [1, 2, 3], ("units",), " has more than 2 of them"),
        ("parts", 3, ("parts",), " must be a table in { }"),
        ("inner", 3, ("inner",), " must be a table in { }"),
        ("inner", {"rank": 1.5}, ("inner", "rank"), " must be a whole number"),
        ("name", "y", ("name",), ": nobody is called so"),
    ],
)
def test_a_fault_is_said_in_words_of_ours(field: str, value: Any, place: tuple[int | str, ...], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Form.model_validate({field: value})
    assert first_fault(refused.value) == (place, words)
