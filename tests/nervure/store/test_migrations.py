from importlib import import_module

from nervure.inventory.derivation import evaluate
from nervure.store.database import Database
from nervure.store.migrations import differences, upgrade
from nervure.store.policy_log import POLICY_CHANGE
from schemas.locations import LocationKind
from tests.nervure.derive import derive
from tests.nervure.world import START, World, at, merchant


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
        world.catalogue.set_as_of(acme, START)
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
