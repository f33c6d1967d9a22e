"""The demo's files are settings that the hub can open, and tell nothing that is secret."""

import csv
import json
import sys
from pathlib import Path

from nervure.clock import ManualClock
from nervure.operations.setup import open_hub
from nervure.settings import Settings
from nervure.settings_file import load
from nervure.store.reports import ReportStore
from simulation.accounts import open_accounts
from simulation.catalogue import SUPPLIER, make_goods, opening_stock
from simulation.demo import GOODS, DemoFiles, prepare
from simulation.hubs import SUPPLIER_TTL_SECONDS, hub_account, hub_supplier
from tests.simulation.merchants import START


def prepared(folder: Path, *, orders: int | None = 300) -> tuple[DemoFiles, Settings]:
    files = prepare(folder, world_port=9001, hub_port=9002, orders=orders, orders_per_second=2.5, seed=3)
    return files, load(files.settings_file)


def test_the_settings_describe_five_accounts(tmp_path: Path) -> None:
    files, settings = prepared(tmp_path / "new" / "demo")
    assert files.settings_file == tmp_path / "new" / "demo" / "nervure.toml"
    assert [(section.account.name, section.platform) for section in settings.channels] == [
        ("webshop", "shopify"),
        ("boutique", "prestashop"),
        ("marketplace", "mirakl"),
        ("tills", "square"),
    ]
    assert [section.account.url for section in settings.channels] == [
        f"http://127.0.0.1:9001/{path}" for path in ("shopify", "prestashop", "mirakl", "square")
    ]
    assert [section.order_poll_seconds for section in settings.channels] == [None, 1.0, None, None]
    [supplier] = settings.suppliers
    assert (supplier.exchange.name, supplier.location, supplier.exchange.ttl_seconds) == (
        "wholesale",
        SUPPLIER.code,
        1800.0,
    )
    assert (settings.hub.port, settings.hub.callback_url) == (9002, "http://127.0.0.1:9002")
    assert settings.hub.database == f"sqlite:///{tmp_path / 'new' / 'demo' / 'hub.db'}"


def test_secrets_lie_in_files_of_their_own(tmp_path: Path) -> None:
    files, settings = prepared(tmp_path)
    text = files.settings_file.read_text("utf-8")
    secrets = [path.read_text("utf-8") for path in sorted((tmp_path / "secrets").iterdir())]
    assert len(secrets) == 6
    assert all(secret not in text for secret in secrets)
    assert settings.channels[0].account.webhook_secrets[0].get_secret_value() in secrets


def test_the_world_is_told_what_the_hub_is_told(tmp_path: Path) -> None:
    files, _ = prepared(tmp_path)
    assert files.world_command == [sys.executable, "-m", "simulation", str(tmp_path / "world.json")]
    assert json.loads((tmp_path / "world.json").read_text("utf-8")) == {
        "seed": 3,
        "world_port": 9001,
        "hub_url": "http://127.0.0.1:9002",
        "orders": 300,
        "orders_per_second": 2.5,
        "ship_after_seconds": 20.0,
        "supplier_speed": 60.0,
        "replenish": False,
    }
    prepared(tmp_path, orders=None)
    plan = json.loads((tmp_path / "world.json").read_text("utf-8"))
    assert (plan["orders"], plan["replenish"]) == (None, True)


def test_items_and_opening_stock_are_those_of_the_seed(tmp_path: Path) -> None:
    prepared(tmp_path)
    goods = make_goods(GOODS, 3)
    with (tmp_path / "items.csv").open(encoding="utf-8", newline="") as file:
        assert [row["sku"] for row in csv.DictReader(file)] == [good.sku for good in goods]
    own = {key: units for key, units in opening_stock(goods, 3).items() if key[1] != SUPPLIER.code}
    with (tmp_path / "opening_stock.csv").open(encoding="utf-8", newline="") as file:
        assert {(row["sku"], row["location"]): int(row["units"]) for row in csv.DictReader(file)} == own


def test_the_hub_opens_from_these_files_and_again_without_doubling_anything(tmp_path: Path) -> None:
    _, settings = prepared(tmp_path)
    totals = []
    for _ in range(2):
        with open_hub(settings, ManualClock(START)) as hub:
            assert (list(hub.accounts), list(hub.suppliers)) == (
                ["webshop", "boutique", "marketplace", "tills"],
                ["wholesale"],
            )
            with hub.database.read() as connection:
                totals.append(connection.exec_driver_sql("SELECT count(*), sum(on_hand) FROM stock_level").one())
                assert [one.name for one in ReportStore(connection, START).channels()] == list(hub.accounts)
    stock = {key: units for key, units in opening_stock(make_goods(GOODS, 3), 3).items() if key[1] != SUPPLIER.code}
    assert totals == [(sum(units > 0 for units in stock.values()), sum(stock.values()))] * 2


def test_the_replay_speaks_with_the_same_accounts(tmp_path: Path) -> None:
    _, settings = prepared(tmp_path)
    for account, section in zip(open_accounts(order_poll_seconds=1.0), settings.channels, strict=True):
        ours = hub_account(account, section.account.url)
        assert ours.settings == section.account
        assert ours.order_poll_seconds == section.order_poll_seconds
    theirs = settings.suppliers[0].exchange
    assert hub_supplier("http://127.0.0.1:9001/supplier").settings == theirs.model_copy(
        update={"ttl_seconds": SUPPLIER_TTL_SECONDS}
    )


def test_the_demo_begins_anew_as_its_platforms_do(tmp_path: Path) -> None:
    for name in ("hub.db", "hub.db-wal", "kept.txt"):
        (tmp_path / name).write_text("from before", "utf-8")
    prepare(tmp_path, world_port=9001, hub_port=9002, orders=None, orders_per_second=1.0, seed=1)
    assert not list(tmp_path.glob("hub.db*"))
    assert (tmp_path / "kept.txt").exists()
