from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy.exc import StatementError

from nervure.store.tables.orders import ORDER
from nervure.store.tasks import TASK
from tests.nervure.world import World, an_order, merchant

PARIS = timezone(timedelta(hours=2))


def test_a_time_comes_back_aware_and_in_utc(world: World) -> None:
    moment = datetime(2026, 7, 1, 1, 30, 0, 123456, tzinfo=PARIS)
    world.connection.execute(TASK.insert().values(kind="test", subject="a", text="", created_at=moment))
    [stored] = world.connection.execute(TASK.select()).all()
    assert stored.created_at == moment
    assert stored.created_at.isoformat() == "2026-06-30T23:30:00.123456+00:00"
    assert stored.closed_at is None


def test_a_time_is_compared_as_the_moment_that_it_is(world: World) -> None:
    noon = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
    world.connection.execute(TASK.insert().values(kind="test", subject="a", text="", created_at=noon))
    same = noon.astimezone(PARIS)
    assert len(world.connection.execute(TASK.select().where(TASK.c.created_at == same)).all()) == 1
    assert len(world.connection.execute(TASK.select().where(TASK.c.created_at < same)).all()) == 0


def test_a_time_without_a_zone_is_not_stored(world: World) -> None:
    naive = datetime(2026, 7, 1, 12, 0)  # noqa: DTZ001 - that is the point
    with pytest.raises(StatementError, match="a time without zone cannot be stored"):
        world.connection.execute(TASK.insert().values(kind="test", subject="a", text="", created_at=naive))


@pytest.mark.requirement("R40")
@pytest.mark.parametrize("amount", ["7178.69", "0.10", "0.1", "-3.00", "1E+2", "12345678901234567890.123456789", "0"])
def test_an_amount_is_stored_to_its_last_digit(world: World, amount: str) -> None:
    merchant(world)
    order = an_order("1", {"BOLT": 1})
    world.orders.upsert(order.model_copy(update={"difference": Decimal(amount)}))
    [stored] = world.connection.execute(ORDER.select().with_only_columns(ORDER.c.difference)).scalars()
    assert stored == Decimal(amount)
    assert str(stored) == format(Decimal(amount), "f")
