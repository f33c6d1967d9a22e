from nervure.store.database import Database
from nervure.store.migrations import differences, upgrade


def test_a_migrated_database_is_what_the_tables_say(database: Database) -> None:
    assert differences(database) == []


def test_migrating_again_changes_nothing(database: Database) -> None:
    upgrade(database)
    assert differences(database) == []
