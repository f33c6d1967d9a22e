"""What a platform declares about itself. The core reads these, never a platform's name."""

from enum import StrEnum

from pydantic import Field

from schemas.base import Canonical


class StockMeaning(StrEnum):
    """What the number of a stock point counts."""

    ON_HAND = "on_hand"
    AVAILABLE = "available"


class DecrementMoment(StrEnum):
    """When the platform takes the units off its own number, without asking anybody."""

    CART = "cart"
    ORDER = "order"
    PAYMENT = "payment"
    DEBIT = "debit"
    NEVER = "never"


class WriteMode(StrEnum):
    COMPARE_AND_SET = "compare_and_set"
    LAST_WRITER_WINS = "last_writer_wins"


class Confirmation(StrEnum):
    """How a written number is known to have arrived."""

    ANSWER = "answer"
    IMPORT_REPORT = "import_report"
    READ_BACK = "read_back"


class Capabilities(Canonical):
    """One platform's declaration.

    `restocks_on_cancel`: the platform puts the units of a canceled order back on its own number.
    `throttles_by_operation`: a 429 is about that operation alone, not about all calls of the credential.
    `withdraws_units`: it can be told that some units of a line will not be delivered, and pays them back.
    `must_accept_orders`: an order is not ours until every line was accepted.
    `can_push_ready`: it can be told that an order waits for its customer.
    `write_batch`: rows in one write call; `read_batch`: numbers that one call reads back. Periods are seconds between
    two calls. `calls_per_minute`: how many calls that read numbers back one credential could make if it made no other.
    `dates_levels`: its own clock says when its levels changed; else they have the time at which we read them.
    `late_effect_seconds`: for so long after a write was sent it may still take effect; until then an old number that is
    read back says nothing about it.
    """

    stock_meaning: StockMeaning
    committed_included: bool
    decrements_at: DecrementMoment
    restocks_on_cancel: bool
    write_mode: WriteMode
    confirmation: Confirmation
    has_webhooks: bool
    must_accept_orders: bool = False
    can_read_levels: bool = True
    dates_levels: bool = False
    can_push_shipments: bool = True
    can_push_ready: bool = False
    withdraws_units: bool = False
    write_batch: int = Field(gt=0)
    throttles_by_operation: bool = False
    read_batch: int = Field(default=100, gt=0)
    calls_per_minute: float = Field(default=60.0, gt=0)
    order_poll_seconds: float = Field(gt=0)
    stock_poll_seconds: float = Field(gt=0)
    write_period_seconds: float = Field(default=0.0, ge=0)
    late_effect_seconds: float = Field(default=0.0, ge=0)
    order_overlap_seconds: float = Field(ge=0)
