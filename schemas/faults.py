"""What a model refused, in words that a merchant understands."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from schemas.base import CODE

_WORDS: Mapping[str, str] = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "string_type": "must be a text in quotes",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must be of the form {pattern}",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "decimal_type": "must be a number",
    "decimal_parsing": "must be a number",
    "finite_number": "must be a number",
    "date_type": "must be a day, such as 2026-12-24",
    "date_parsing": "must be a day, such as 2026-12-24",
    "date_from_datetime_parsing": "must be a day, such as 2026-12-24",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be {le} or less",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "list_type": "must be a list in [ ]",
    "tuple_type": "must be a list in [ ]",
    "too_short": "needs at least {min_length} of them",
    "too_long": "has more than {max_length} of them",
    "dict_type": "must be a table in {{ }}",
    "model_type": "must be a table in {{ }}",
    "model_attributes_type": "must be a table in {{ }}",
}
"""By pydantic's names of faults; what follows the place in a sentence."""


def first_fault(error: ValidationError) -> tuple[tuple[int | str, ...], str]:
    """Where the first fault is, and its sentence with the place left out: ` must be 0 or more`, `: what is wrong`.

    Without the value, which may be a secret or personal; what a check of our own says of it is said.
    """
    first = error.errors(include_input=False, include_url=False)[0]
    context: Mapping[str, Any] = first.get("ctx", {})
    match first["type"]:
        case "string_too_short" if context["min_length"] == 1:
            words = "must not be empty"
        case "string_pattern_mismatch" if context["pattern"] == CODE:
            words = "must be a word of letters, digits, dots, dashes and underscores"
        case kind if kind in _WORDS:
            limits = {name: f"{value:g}" if isinstance(value, float) else value for name, value in context.items()}
            words = _WORDS[kind].format(**limits)
        case _:
            return first["loc"], f": {str(first['msg']).removeprefix('Value error, ')}"
    return first["loc"], f" {words}"
