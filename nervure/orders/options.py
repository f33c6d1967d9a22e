"""What may become of units that cannot be served: which options there are, in which order, and who decides."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from nervure.orders.reservations import Ask
from schemas.substitution import SUBSTITUTES, AtDeadline, Consent, OptionKind, PriceRule

CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class ShortfallPolicy:
    """What a merchant lets happen on a channel. `answer_within`: how long a customer may think.

    `most_substitutes`: of so many different items units are held for one customer at once.
    """

    consents: dict[OptionKind, Consent] = field(default_factory=dict)
    answer_within: timedelta = timedelta(hours=48)
    at_deadline: AtDeadline = AtDeadline.WAIT
    most_substitutes: int = 3

    def consent(self, kind: OptionKind) -> Consent:
        return self.consents.get(kind, Consent.NEVER)

    @property
    def has_options(self) -> bool:
        return any(one is not Consent.NEVER for one in self.consents.values())


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that may become of all missing units of a line, with the reason why it is possible.

    `due`: what the customer pays on top for all of them, below 0: gets back. `needs`: what must be held for it.
    `on`: when it arrives, can be fetched, or comes in; None: nobody knows, or nothing comes.
    """

    kind: OptionKind
    name: str
    reason: str
    due: Decimal
    needs: tuple[Ask, ...] = ()
    item_id: int | None = None
    listing_id: int | None = None
    location_id: int | None = None
    on: date | None = None

    @property
    def key(self) -> str:
        """How people and programs name it; it stays the same however often it is looked."""
        return f"{self.kind.value}:{self.name}" if self.name else self.kind.value


def in_order(options: Sequence[Option]) -> list[Option]:
    """The options as they are offered: by kind, within a kind as they were found, none twice."""
    kinds = list(OptionKind)
    first = {one.key: one for one in reversed(options)}
    known = [one for one in options if first[one.key] is one]
    return sorted(known, key=lambda one: kinds.index(one.kind))


def decide(options: Sequence[Option], policy: ShortfallPolicy) -> tuple[Option | None, list[Option]]:
    """What happens without asking, or else what is proposed.

    The best option decides: it happens by itself where the merchant lets it. A lesser one never does while there is a
    better one to ask for.
    """
    allowed = [one for one in options if policy.consent(one.kind) is not Consent.NEVER]
    if not allowed:
        return None, []
    if policy.consent(allowed[0].kind) is Consent.AUTO:
        return allowed[0], []
    substitutes = [one for one in allowed if one.kind in SUBSTITUTES][: policy.most_substitutes]
    return None, [one for one in allowed if one.kind not in SUBSTITUTES or one in substitutes]


def kind_of(climb: int) -> OptionKind:
    """What a member of a group is to another one, by how many ranks it is the better one."""
    if climb > 0:
        return OptionKind.HIGHER_MODEL
    return OptionKind.LOWER_MODEL if climb < 0 else OptionKind.VARIANT


def price_of(
    rule: PriceRule, price: Decimal | None, instead_of: Decimal | None, units: int
) -> tuple[Decimal, str] | None:
    """What is due for a substitute, in euros, and how it is said; None: the difference is asked for and not known."""
    difference = None if price is None or instead_of is None else (price - instead_of) * units
    if rule is PriceRule.DIFFERENCE:
        if difference is None:
            return None
        return difference, said_due(difference, "EUR")
    if not difference:
        return Decimal(0), "at the price paid"
    borne = f"{abs(difference):.2f} EUR {'more' if difference > 0 else 'less'}"
    return Decimal(0), f"at the price paid, though it costs {borne}"


def said_due(due: Decimal, currency: str) -> str:
    """An amount that a customer pays on top, or gets back."""
    if not due:
        return "at no extra charge"
    return f"{abs(due):.2f} {currency} {'to pay on top' if due > 0 else 'to give back'}"


@dataclass(frozen=True, slots=True)
class Paid:
    """What a line costs as the channel states it, for `units`: discounts taken off, tax included.

    `units_gone` of them are canceled, and what was paid for them was given back.
    """

    units: int
    units_gone: int
    amount: Decimal
    currency: str

    def share(self, units: int) -> Decimal:
        """What was paid for the next so many of its units, to the cent; all such shares sum to the whole amount."""
        return self._until(self.units_gone + units) - self._until(self.units_gone)

    def _until(self, units: int) -> Decimal:
        part = self.amount * min(units, self.units) / self.units if self.units else Decimal(0)
        return part.quantize(CENT, ROUND_HALF_UP)
