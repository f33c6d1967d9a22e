from contextlib import closing
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command

from nervure.invariants import check_all
from nervure.inventory.derivation import evaluate
from nervure.store import migrations
from nervure.store.audit import AuditStore
from nervure.store.database import Database, DatabaseError, open_database
from nervure.store.migrations import differences, upgrade
from nervure.store.policy_log import POLICY_CHANGE
from nervure.store.returns import RETURN_LINE
from nervure.store.tables.orders import FULFILLMENT_LINE
from schemas.locations import LocationKind
from tests.nervure.derive import derive
from tests.nervure.invariants.rich import fill
from tests.nervure.world import START, World, at, merchant, must_hold


def test_a_migrated_database_is_what_the_tables_say(database: Database) -> None:
    assert differences(database) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    upgrade(database)
    assert differences(database) == []


def test_what_held_before_there_was_a_log_is_in_it(database: Database) -> None:
    """The migration that makes the log writes down what it finds, so that past numbers stay derivable."""
    with database.write() as connection:
        world = World(connection)
        merchant(world, bolt_paris=5, nut_paris=9)
        acme = world.location("acme", kind=LocationKind.SUPPLIER, master="acme", ttl_seconds=600)
        world.locations.set_as_of(acme, START)
        world.channel("shop", {"web": ["paris", "acme"]}, buffer_units=1)
        world.safety_stock("NUT", "paris", 2)
        world.receive("BOLT", "acme", 4)
        before = {name: evaluate(tree) for name, tree in derive(world, at(1)).items()}
        connection.execute(POLICY_CHANGE.delete())
        write_down = import_module("migrations.versions.0008_policies")._write_down_what_holds
        write_down(connection)
        assert {name: evaluate(tree) for name, tree in derive(world, at(1)).items()} == before
        assert before["shop", "web", "BOLT"] == 5 + 4 - 1
        assert before["shop", "web", "PAIR"] == 3 - 1


@pytest.fixture
def old_sqlite(tmp_path: Path) -> Database:
    """A database of the third form, in which orders and a return were heard."""
    database = open_database(f"sqlite:///{tmp_path / 'old.db'}")
    with database.engine.connect() as connection:
        command.upgrade(migrations._config(connection), "0003")
        connection.commit()
    insert_as_it_was(database)
    return database


def insert_as_it_was(database: Database) -> None:
    rows = {
        "item": [{"id": 1, "sku": "BOLT", "title": "Bolt", "kind": "simple", "options": "{}"}],
        "location": [
            {"id": 1, "code": "paris", "name": "Paris", "kind": "warehouse", "time_zone": "UTC"}
            | {"can_ship": True, "can_pickup": True, "was_fresh": True}
        ],
        "channel": [{"id": 1, "name": "shop", "platform": "emulated", "buffer_units": 0, "is_paused": False}],
        "stock_level": [
            {"id": 1, "item_id": 1, "location_id": 1, "owner": "us", "condition": "sellable", "lot": ""}
            | {"on_hand": 2, "reserved": 0, "allocated": 0, "sequence": 1}
        ],
        "stock_movement": [
            {"id": 1, "stock_level_id": 1, "sequence": 1, "kind": "returned", "units": 2}
            | {
                "cause_key": "return|shop|7|7-1|1",
                "document": "return:shop:7",
                "occurred_at": at(1),
                "recorded_at": at(1),
            }
        ],
        "goods_return": [{"id": 1, "channel_id": 1, "external_id": "7", "occurred_at": at(1), "recorded_at": at(1)}],
        "goods_return_line": [
            {"goods_return_id": 1, "external_id": name, "item_id": 1, "units": 2, "restocked": restocked}
            | {"condition": "sellable"}
            for name, restocked in (("7-1", True), ("7-2", False))
        ],
    }
    with database.write() as connection:
        for name, some in rows.items():
            table = sa.Table(name, sa.MetaData(), autoload_with=connection)
            times = {column.name for column in table.c if isinstance(column.type, sa.DateTime)}
            for row in some:
                told = {key: value.replace(tzinfo=None) if key in times else value for key, value in row.items()}  # type: ignore[attr-defined]  # a time
                connection.execute(table.insert().values(told))


def test_what_was_heard_before_an_upgrade_is_kept(old_sqlite: Database) -> None:
    with closing(old_sqlite) as database:
        upgrade(database)
        assert differences(database) == []
        with database.write() as connection:
            world = World(connection, START + timedelta(days=1))
            lines = connection.execute(sa.select(RETURN_LINE).order_by(RETURN_LINE.c.external_id)).all()
            assert [(line.external_id, line.units, line.units_back, line.stated_at) for line in lines] == [
                ("7-1", 2, 2, at(1)),
                ("7-2", 2, 0, at(1)),
            ]
            assert world.on_hand("BOLT", "paris") == 2
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
            must_hold(world)


def test_an_upgrade_that_would_leave_a_row_without_what_it_names_is_refused(old_sqlite: Database) -> None:
    with closing(old_sqlite) as database:
        with database.engine.connect() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.execute("PRAGMA foreign_keys=OFF")
            driver.execute("UPDATE stock_level SET location_id = 99")
            driver.execute("PRAGMA foreign_keys=ON")
        with pytest.raises(DatabaseError, match="a row of stock_level refers to one that is not there"):
            upgrade(database)
        with database.read() as connection:
            assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one() == "0003"


def given_back(database: Database) -> list[tuple[int, int]]:
    with database.read() as connection:
        query = sa.select(FULFILLMENT_LINE.c.id, FULFILLMENT_LINE.c.units_given_back).order_by(FULFILLMENT_LINE.c.id)
        return [(row.id, row.units_given_back) for row in connection.execute(query)]


def test_rows_from_before_digests_get_theirs(database: Database) -> None:
    fill(database)
    before = given_back(database)
    assert sum(units for _, units in before) > 0
    with database.write() as connection:
        for table in ("stock_movement", "claim", "stock_observation"):
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN digest")
        connection.exec_driver_sql("ALTER TABLE fulfillment_line DROP COLUMN units_given_back")
        newest = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one()
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0010'")
    with database.engine.connect() as connection:
        command.upgrade(migrations._config(connection), "0011")
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :newest"), {"newest": newest})
        connection.commit()
    assert differences(database) == []
    assert given_back(database) == before
    with database.read() as connection:
        assert check_all(AuditStore(connection)) == []
