"""The demo: an invented merchant with five accounts, written down as settings, and the command that plays its world."""

import csv
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from simulation.accounts import Account, open_accounts, supplier_settings
from simulation.catalogue import PLACES, STORES, SUPPLIER, make_goods, opening_stock

GOODS = 520
SUPPLIER_TTL_SECONDS = 1800.0
POLL_SECONDS = 1.0
"""The demo's PrestaShop is asked for orders every second: it has no webhooks."""


@dataclass(frozen=True, slots=True)
class DemoFiles:
    """The hub's settings, and the command that plays the world around it."""

    settings_file: Path
    world_command: list[str]


@dataclass(frozen=True, slots=True)
class WorldPlan:
    """What the world process is told. `orders` None: shoppers come until it is stopped."""

    seed: int
    world_port: int
    hub_url: str
    orders: int | None
    orders_per_second: float
    ship_after_seconds: float = 20.0
    supplier_speed: float = 60.0
    replenish: bool = False


def prepare(
    folder: Path, *, world_port: int, hub_port: int, orders: int | None, orders_per_second: float, seed: int
) -> DemoFiles:
    """Writes settings, items, opening stock and secrets into a folder.

    The demo begins anew: its platforms keep nothing when they stop, so the hub must not remember their orders either.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for remembered in folder.glob("hub.db*"):
        remembered.unlink()
    goods = make_goods(GOODS, seed)
    stock = opening_stock(goods, seed)
    with (folder / "items.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sku", "title", "gtin", "components"])
        for good in goods:
            parts = " ".join(f"{sku}:{units}" for sku, units in good.parts.items())
            writer.writerow([good.sku, good.entry.title, good.entry.gtin or "", parts])
    with (folder / "opening_stock.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sku", "location", "units"])
        writer.writerows([sku, place, units] for (sku, place), units in stock.items() if place != SUPPLIER.code)
    settings_file = folder / "nervure.toml"
    settings_file.write_text(_settings(folder, world_port, hub_port), "utf-8")
    plan = WorldPlan(
        seed=seed,
        world_port=world_port,
        hub_url=f"http://127.0.0.1:{hub_port}",
        orders=orders,
        orders_per_second=orders_per_second,
        replenish=orders is None,
    )
    plan_file = folder / "world.json"
    plan_file.write_text(json.dumps(asdict(plan)), "utf-8")
    return DemoFiles(settings_file, [sys.executable, "-m", "simulation", str(plan_file)])


def _settings(folder: Path, world_port: int, hub_port: int) -> str:
    secrets = folder / "secrets"
    secrets.mkdir(exist_ok=True)
    hub = {
        "database": "sqlite:///hub.db",
        "port": hub_port,
        "callback_url": f"http://127.0.0.1:{hub_port}",
        "items": "items.csv",
        "opening_stock": "opening_stock.csv",
    }
    text = ["# The demo's settings, written anew at each start.", "", "[hub]", *_lines(hub)]
    for place in PLACES:
        text += ["", "[[locations]]", f'code = "{place.code}"', f'name = "{place.name}"', f'kind = "{place.kind}"']
        text += [f'address = {{ country = "FR", postal_code = "{place.postal_code}", city = "{place.city}" }}']
        text += [f"coordinates = {{ latitude = {place.latitude}, longitude = {place.longitude} }}"]
        text += ['time_zone = "Europe/Paris"', f"can_pickup = {str(place in STORES).lower()}"]
    for account in open_accounts(order_poll_seconds=POLL_SECONDS):
        text += ["", "[[channels]]", *_channel(account, world_port, secrets)]
    supplier = supplier_settings(ttl_seconds=SUPPLIER_TTL_SECONDS) | {"url": f"http://127.0.0.1:{world_port}/supplier"}
    text += ["", "[[suppliers]]", *_lines(supplier)]
    return "\n".join(text) + "\n"


def _channel(account: Account, world_port: int, secrets: Path) -> list[str]:
    values: dict[str, Any] = {
        "name": account.name,
        "platform": account.platform,
        "url": f"http://127.0.0.1:{world_port}/{account.path}",
        # The world opens with the hub: nobody has sold anything there before.
        "needs_cutover": False,
        **account.settings,
    }
    if account.order_poll_seconds is not None:
        values["order_poll_seconds"] = account.order_poll_seconds
    for name, secret in account.secrets.items():
        file = f"{account.name}-{name}"
        (secrets / file).write_text(secret, "utf-8")
        reference = {"file": f"secrets/{file}"}
        values[name] = [reference] if name == "webhook_secrets" else reference
    values["stock_points"] = {point: list(codes) for point, codes in account.stock_points.items()}
    return _lines(values)


def _lines(values: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {_toml(value)}" for key, value in values.items()]


def _toml(value: Any) -> str:  # what TOML knows
    match value:
        case dict():
            return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(inner)}" for key, inner in value.items()) + " }"
        case list() | tuple():
            return "[" + ", ".join(_toml(inner) for inner in value) + "]"
        case _:
            return json.dumps(value)
