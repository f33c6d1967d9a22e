"""What may take the place of what cannot be delivered, and who decides it."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from schemas.base import Canonical, Code, Sku

MAX_PRICE = 1_000_000


class Relation(StrEnum):
    """How the members of a group are related: one model in other colors or sizes, or models that one can rank."""

    VARIANT = "variant"
    MODEL = "model"


class PriceRule(StrEnum):
    """What a customer pays for a substitute: what was paid, the difference of the members' prices, or it is not given.

    DIFFERENCE: to pay on top where the substitute costs more, to be given back where it costs less.
    """

    AS_PAID = "as_paid"
    DIFFERENCE = "difference"
    NEVER = "never"


class OptionKind(StrEnum):
    """What may become of units that cannot be served, in the order in which it is offered."""

    VARIANT = "variant"
    HIGHER_MODEL = "higher_model"
    PICKUP = "pickup"
    LATER = "later"
    LOWER_MODEL = "lower_model"
    CANCEL = "cancel"


SUBSTITUTES = frozenset({OptionKind.VARIANT, OptionKind.HIGHER_MODEL, OptionKind.LOWER_MODEL})


class Consent(StrEnum):
    """Whether a kind of option happens without asking, is proposed to the customer, or neither."""

    AUTO = "auto"
    ASK = "ask"
    NEVER = "never"


class AtDeadline(StrEnum):
    """What happens when a customer did not answer: a person decides, the first option, or the units are canceled."""

    WAIT = "wait"
    FIRST = "first"
    CANCEL = "cancel"


def _in_range(price: Decimal) -> Decimal:
    if not price.is_finite() or price > MAX_PRICE:
        raise ValueError("a price is at most a million")
    return price


class Member(Canonical):
    """A sku of a group. `rank`: of models, the higher one is the better one. `price` is in the merchant's currency."""

    sku: Sku
    rank: Annotated[int, Field(ge=0, le=1_000)] = 0
    price: Annotated[Decimal, Field(ge=0, decimal_places=2), AfterValidator(_in_range)] | None = None


class SubstitutionGroup(Canonical):
    """Items that may take each other's place, and what the customer pays then, by direction.

    `same`: for a member of the same rank; `up`: for a better one; `down`: for a lesser one.
    """

    name: Code
    relation: Relation
    members: Annotated[tuple[Member, ...], Field(min_length=2)]
    same: PriceRule = PriceRule.AS_PAID
    up: PriceRule = PriceRule.AS_PAID
    down: PriceRule = PriceRule.NEVER

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        skus = [member.sku for member in self.members]
        if len(set(skus)) < len(skus):
            raise ValueError(f"group {self.name!r} names a sku twice")
        if self.relation is Relation.VARIANT and any(member.rank for member in self.members):
            raise ValueError(f"group {self.name!r} is of variants: they have no rank")
        has_prices = all(member.price is not None for member in self.members)
        if PriceRule.DIFFERENCE in {self.same, self.up, self.down} and not has_prices:
            raise ValueError(f"group {self.name!r} charges a difference: every member needs a price")
        return self
