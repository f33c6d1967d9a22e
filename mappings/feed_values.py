"""Cells of a feed to codes, figures and times: strict where a guess would sell what is not there.

Every refusal is a `CellError` whose text is the reason that the merchant reads beside the line.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from stdnum import ean

from mappings.feed_shape import Cell
from schemas.base import MAX_UNITS, Money

DecimalMark = Literal[".", ","]

_SCIENTIFIC = re.compile(r"[0-9](?:[.,][0-9]+)?E\+[0-9]{1,3}", re.IGNORECASE)
_ROUNDED_BY_A_SHEET = re.compile(r"[1-9][0-9]{2,5}0{6,}")
_WHOLE_WITH_ZERO_DECIMALS = re.compile(r"([0-9]+)[.,]0+")
_AT_LEAST = re.compile(r"(?:>=?\s*([0-9]{1,9}))|(?:([0-9]{1,9})\s*\+)")
_DAYS = re.compile(r"([0-9]{1,4})(?:\s*-\s*([0-9]{1,4}))?")
_CLEAR_COMMA = re.compile(r"-?[0-9.\s]*[0-9],(?:[0-9]{1,2}|[0-9]{4,})")
_CLEAR_DOT = re.compile(r"-?[0-9,\s]*[0-9]\.(?:[0-9]{1,2}|[0-9]{4,})")
_SYMBOLS = {"€": "EUR", "£": "GBP", "zł": "PLN", "$": "USD"}
_MONEY = re.compile(r"(€|£|zł|\$|[A-Za-z]{3})?\s*(-?[0-9][0-9.,'\s]*?)\s*(€|£|zł|\$|[A-Za-z]{3})?")
_TEXT_FORMULA = re.compile(r'="(.*)"')
_BLANKS = re.compile(r"[\s']")

MAX_DAYS = 3650
LONGEST_NUMBER = 18
MAX_CODE_LENGTH = 255
_GTIN_LENGTHS = (8, 12, 13, 14)
_UPC_WITHOUT_ITS_ZEROS = (9, 10, 11)


class CellError(Exception):
    """A cell that cannot be believed, with the reason."""


@dataclass(frozen=True, slots=True)
class CodeReading:
    """A product code: `gtin` only when its check digit is right; `remark` is what a person should know."""

    gtin: str | None = None
    remark: str | None = None
    is_mangled: bool = False


def text_of(cell: Cell) -> str:
    """A cell as text without blanks around it; a whole number has no decimals."""
    match cell:
        case None:
            return ""
        case str():
            return _without_formula(cell.strip())
        case Decimal():
            is_short = cell.is_finite() and cell.adjusted() < LONGEST_NUMBER
            return str(int(cell)) if is_short and cell == cell.to_integral_value() else str(cell)
        case datetime():
            return cell.isoformat()


def _without_formula(text: str) -> str:
    # ="0123456789012" and '0123456789012 are how people keep a spreadsheet from eating zeros
    if formula := _TEXT_FORMULA.fullmatch(text):
        return formula[1].strip()
    return text.removeprefix("'")


def is_mangled(code: str) -> bool:
    """Whether a spreadsheet turned a code into a number: 7,6223E+12, or its rounded digits 7622300000000."""
    if _SCIENTIFIC.fullmatch(code):
        return True
    return bool(_ROUNDED_BY_A_SHEET.fullmatch(code)) and len(code) in _GTIN_LENGTHS and not ean.is_valid(code)


def supplier_sku_of(cell: Cell) -> str:
    """The supplier's own code.

    Raises:
        CellError: missing, mangled, a fraction, or no code at all.
    """
    code = text_of(cell)
    if not code:
        raise CellError("no supplier sku")
    if _SCIENTIFIC.fullmatch(code):
        raise CellError(f"supplier sku {code!r} is a number in scientific notation: the code is lost")
    if isinstance(cell, Decimal) and not code.isdecimal():
        raise CellError(f"supplier sku {code} is a number that has lost its form: write the column as text")
    if len(code) > MAX_CODE_LENGTH or not code.isprintable():
        raise CellError(
            f"supplier sku {code[:30]!r} is longer than {MAX_CODE_LENGTH} characters or holds control characters"
        )
    return code


def gtin_of(cell: Cell) -> CodeReading:
    """A GTIN with a right check digit, repaired only where the digits prove the repair."""
    code = text_of(cell)
    if not code:
        return CodeReading()
    if is_mangled(code):
        return CodeReading(remark=f"GTIN {code!r} was turned into a number by a spreadsheet", is_mangled=True)
    if whole := _WHOLE_WITH_ZERO_DECIMALS.fullmatch(code):
        code = whole[1]
    digits = re.sub(r"[\s-]", "", code)
    if not re.fullmatch(r"[0-9]+", digits) or not digits.strip("0"):
        return CodeReading(remark=f"{code[:30]!r} is not a GTIN: loaded without it")
    return _checked(digits)


def _checked(digits: str) -> CodeReading:
    if len(digits) in _GTIN_LENGTHS:
        if ean.is_valid(digits):
            return CodeReading(gtin=digits)
        return CodeReading(remark=f"GTIN {digits!r} has a wrong check digit: loaded without it")
    # A UPC that lost leading zeros still has its right check digit. Shorter codes prove nothing: one in ten of any
    # numbers passes, and zero-led GTIN-8 are a shop's internal numbers.
    padded = digits.zfill(12)
    if len(digits) in _UPC_WITHOUT_ITS_ZEROS and ean.is_valid(padded):
        return CodeReading(gtin=padded, remark=f"GTIN {digits!r} had lost its leading zeros: read as {padded!r}")
    return CodeReading(remark=f"GTIN {digits[:30]!r} has {len(digits)} digits: loaded without it")


def detected_mark(cells: Iterable[Cell]) -> DecimalMark | None:
    """The decimal mark that the figures themselves prove; None: they prove none.

    Raises:
        CellError: they prove both.
    """
    texts = [cell for cell in cells if isinstance(cell, str) and ("," in cell or "." in cell)]
    figures = [_bare(text) for text in texts]
    comma = next((figure for figure in figures if _CLEAR_COMMA.fullmatch(figure)), None)
    dot = next((figure for figure in figures if _CLEAR_DOT.fullmatch(figure)), None)
    if comma and dot:
        raise CellError(f"figures use both decimal marks ({comma!r} and {dot!r}): declare `decimal`")
    return "," if comma else "." if dot else None


def _bare(text: str) -> str:
    found = _MONEY.fullmatch(text.strip())
    return found[2] if found else text.strip()


def number_of(text: str, mark: DecimalMark | None) -> Decimal:
    """An exact number under a decimal mark (None: unknown, so 1.234 and 1,234 are refused).

    Raises:
        CellError: not a number, or not surely one.
    """
    figure = _BLANKS.sub("", text.replace("\u2212", "-"))
    if mark is None and re.fullmatch(r"-?[0-9]{1,3}[.,][0-9]{3}", figure):
        raise CellError(f"{text!r} may be a thousand or a fraction: declare `decimal`")
    mark = mark or "."
    group = "," if mark == "." else r"\."
    form = rf"-?(?:[0-9]+|[0-9]{{1,3}}(?:{group}[0-9]{{3}})+)(?:{re.escape(mark)}[0-9]+)?"
    if not figure.isascii() or not re.fullmatch(form, figure):
        raise CellError(f"{text[:30]!r} is not a number with {mark!r} as its decimal mark")
    return Decimal(figure.replace("," if mark == "." else ".", "").replace(mark, "."))


def units_of(cell: Cell, mark: DecimalMark | None, words: Mapping[str, int]) -> tuple[int, str | None]:
    """Units on offer, never below 0, and a remark where the cell was read with care. "10+" and ">10" are 10.

    Raises:
        CellError: empty, a fraction, a word nobody declared, or beyond belief.
    """
    text = text_of(cell)
    if text.casefold() in words:
        return words[text.casefold()], None
    if not text:
        raise CellError("no stock figure")
    if least := _AT_LEAST.fullmatch(text):
        return int(least[1] or least[2]), f"{text!r} read as {least[1] or least[2]}"
    number = cell if isinstance(cell, Decimal) else number_of(text, mark)
    if not number.is_finite() or number > MAX_UNITS:
        raise CellError(f"{text[:40]} units cannot be believed")
    if number != number.to_integral_value():
        raise CellError(f"{text!r} units: a unit cannot be a fraction")
    if number < 0:
        return 0, f"{text} units read as 0"
    return int(number), None


def cost_of(cell: Cell, currency: str, mark: DecimalMark | None) -> Money | None:
    """What one unit costs us; None: not stated. `currency` empty: only the cell itself can tell.

    Raises:
        CellError: not an amount, negative, or of no or another currency.
    """
    text = text_of(cell)
    if not text:
        return None
    written = ""
    amount = cell
    if not isinstance(cell, Decimal):
        found = _MONEY.fullmatch(text)
        if found is None or (found[1] and found[3]):
            raise CellError(f"cost {text[:30]!r} is not an amount")
        sign = found[1] or found[3] or ""
        written = _SYMBOLS.get(sign, sign).upper()
        amount = number_of(found[2], mark)
    if written and currency and written != currency:
        raise CellError(f"cost {text[:30]!r} is not in {currency}")
    if not isinstance(amount, Decimal) or amount < 0:
        raise CellError(f"cost {text[:30]!r} is not an amount of 0 or more")
    if not (written or currency):
        raise CellError(f"cost {text[:30]!r} has no currency")
    try:
        return Money(amount=amount, currency=written or currency)
    except ValidationError as error:
        raise CellError(f"{(written or currency)[:10]!r} is not a currency code") from error


def currency_of(cell: Cell, default: str | None) -> str:
    """The row's currency code, or the declared one, or nothing."""
    text = text_of(cell)
    return _SYMBOLS.get(text, text.upper()) or default or ""


def days_of(cell: Cell) -> int | None:
    """Days until the goods leave; of a range ("2-3") the later. None: not stated.

    Raises:
        CellError: not a number of days.
    """
    text = text_of(cell)
    if not text:
        return None
    found = _DAYS.fullmatch(text)
    days = max(int(found[1]), int(found[2] or 0)) if found else MAX_DAYS + 1
    if days > MAX_DAYS:
        raise CellError(f"lead time {text[:30]!r} is not a number of days")
    return days


def instant_of(cell: Cell, form: str | None, time_zone: str) -> datetime | None:
    """A moment in UTC; without a zone it is local time of `time_zone`, the earlier one where the clock goes back.

    `form`: a strptime form, or "epoch" for seconds since 1970; None: ISO 8601.

    Raises:
        CellError: not a time.
    """
    if cell is None or cell == "":
        return None
    if isinstance(cell, datetime):
        moment = cell
    else:
        text = text_of(cell)
        try:
            moment = _parsed(text, form)
        except (ValueError, OverflowError, OSError) as error:
            raise CellError(f"{text[:40]!r} is not a time written as {form or 'ISO 8601'}") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(time_zone))
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise CellError(f"{moment.isoformat()!r} is beyond the calendar") from error


def _parsed(text: str, form: str | None) -> datetime:
    if form == "epoch":
        return datetime.fromtimestamp(int(text), UTC)
    if form is not None:
        return datetime.strptime(text, form)  # noqa: DTZ007 - the zone is the supplier's, put on afterwards
    if not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError(text)  # fromisoformat would take 20260302 and week dates, which are rather mistakes here
    return datetime.fromisoformat(text)
