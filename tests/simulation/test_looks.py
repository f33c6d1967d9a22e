"""Every loop of the windows has its kind, and each look wakes by columns and moments that exist."""

import pytest
from sqlmodel import SQLModel

from nervure.operations import asking, keeping, loops
from nervure.operations.windows import Window
from simulation.agenda import Agenda
from simulation.hubs import open_hub
from simulation.looks import HEARING, LOOKS, MOMENTS, NUMBERS_WAITING, kind_of
from simulation.template import make_template, open_copies

UNSKIPPED = {
    "stock wholesale",
    "sweep buffers",
    "sweep not found",
    "sweep pace",
    "sweep scarcity",
    "sweep webshop subscriptions",
    "sweep tills subscriptions",
}
"""Loops that say themselves when they are due, and never look in vain."""


def test_no_loop_of_the_windows_is_forgotten() -> None:
    template = make_template(6, 1)
    with open_copies() as copies, copies.of(template) as database:
        world = template.world(Agenda(template.opens_at), {})
        window = Window(open_hub(world, database), 300)
        families = {
            "inbox": loops.draining(window),
            "orders": asking.pulling_orders(window),
            "stock": asking.pulling_stock(window),
            "publish": loops.publishing(window),
            "sweep": keeping.sweeping(window),
        }
    kinds = {f"{family} {name}": kind_of(family, name) for family, found in families.items() for name in found}
    assert kinds["sweep tills read back"] == ("stock", "tills")
    assert kinds["stock wholesale replies"] == ("replies", "wholesale")
    assert kinds["inbox webshop messages"] == ("messages", "webshop")
    assert kinds["publish life"] == ("life", "life")
    assert kinds["publish boutique"] == ("publish", "boutique")
    assert {name for name, (kind, _) in kinds.items() if kind not in LOOKS} | {"stock wholesale"} == UNSKIPPED


@pytest.mark.parametrize(
    "name", sorted({*HEARING, NUMBERS_WAITING, *MOMENTS, *(n for k in LOOKS.values() for n in k.columns)})
)
def test_what_wakes_a_look_is_a_column(name: str) -> None:
    table, _, column = name.partition(".")
    assert column == "*" or column in SQLModel.metadata.tables[table].columns
