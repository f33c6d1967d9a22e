"""A reservation has claims of what was asked for, and they ended when it did."""

from collections.abc import Iterator

from nervure.invariants.violation import HoldSeen, Look, Violation, of_row

RULE = "holds_claimed"
_STATE_OF_CLAIMS = {"held": "held", "released": "released", "expired": "released", "consumed": "consumed"}


def check(look: Look) -> Iterator[Violation]:
    """Reservations whose claims are of other units or in another state; where kits were asked for, parts are taken."""
    for hold in look.holds():
        yield from _units_of_parts(hold) if hold.has_kits else _units(hold)
        yield from _state(hold)
    for row in look.unheld_claims():
        yield of_row(RULE, row)


def _units(hold: HoldSeen) -> Iterator[Violation]:
    for sku in sorted(hold.asked.keys() | hold.claimed.keys()):
        asked, claimed = hold.asked[sku], hold.claimed[sku]
        if asked != claimed:
            yield _violation(hold, sku, claimed - asked, f"{claimed} of {sku} claimed", f"{asked} asked for")


def _units_of_parts(hold: HoldSeen) -> Iterator[Violation]:
    if not hold.claimed:
        yield _violation(hold, _any(hold), -sum(hold.asked.values()), "no claim", "claims of the parts")
    if len(hold.asked) == 1:
        [asked] = hold.asked.values()
        for sku, claimed in sorted(hold.claimed.items()):
            if claimed % asked:
                must = f"a multiple of {asked}"
                yield _violation(hold, sku, claimed % asked, f"{claimed} of {sku} claimed", must)


def _state(hold: HoldSeen) -> Iterator[Violation]:
    must = _STATE_OF_CLAIMS.get(hold.state, "held")
    if hold.states - {must}:
        units = sum(hold.claimed.values())
        found = f"{hold.state}, claims {', '.join(sorted(hold.states))}"
        yield _violation(hold, _any(hold), units, found, f"claims {must}")
    if not hold.names_its_order:
        yield _violation(hold, _any(hold), 0, "consumed by another order than it names", "the order that it names")
    if hold.late_claims:
        yield _violation(hold, _any(hold), hold.late_claims, "ends before its claims", "no earlier than its claims")


def _any(hold: HoldSeen) -> str:
    return ", ".join(sorted(hold.asked.keys() | hold.claimed.keys()))


def _violation(hold: HoldSeen, sku: str, delta: int, found: str, must: str) -> Violation:
    return Violation(RULE, f"reservation {hold.reference}", f"{found}, must be {must}", sku, "", delta, found, must)
