"""Settings: whatever is wrong with them is one sentence that names the file and the key, and shows no secret."""

from decimal import Decimal
from pathlib import Path

import pytest

from nervure.settings import SettingsError
from nervure.template import SETTINGS_TEMPLATE
from schemas.locations import LocationKind
from schemas.routing import Contract
from tests.nervure.settings_texts import CONTRACTED, PLACE, SECRET, SHOP, SUPPLIER, fault, keep_secrets, read


@pytest.fixture(autouse=True)
def kept_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keep_secrets(tmp_path, monkeypatch)


def test_a_whole_file_is_understood(tmp_path: Path) -> None:
    hub = '[hub]\nport = 9000\napi_token = { file = "old-secret" }\nitems = "items.csv"\n'
    settings = read(tmp_path, hub + PLACE + SHOP + SUPPLIER)
    assert (settings.hub.port, settings.hub.items) == (9000, tmp_path / "items.csv")
    assert settings.hub.api_token is not None
    assert settings.hub.api_token.get_secret_value() == "kept in a file"
    assert settings.hub.database == f"sqlite:///{tmp_path / 'nervure.db'}"
    assert [(place.code, place.kind) for place in settings.locations] == [
        ("WH", LocationKind.WAREHOUSE),
        ("SUP", LocationKind.SUPPLIER),
    ]
    [channel] = settings.channels
    assert (channel.account.name, channel.platform, channel.stock_points) == (
        "webshop",
        "shopify",
        {"gid://shopify/Location/1": ("WH",)},
    )
    assert [secret.get_secret_value() for secret in channel.account.webhook_secrets] == [SECRET, "kept in a file"]
    [supplier] = settings.suppliers
    assert (supplier.exchange.name, supplier.location, supplier.exchange.ttl_seconds) == ("acme", "SUP", 3600)


def test_the_template_of_init_loads_and_so_does_everything_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = read(tmp_path, SETTINGS_TEMPLATE)
    assert ([place.code for place in settings.locations], settings.channels) == (["WAREHOUSE", "STORE"], ())
    names = ("NERVURE_API_TOKEN", "SHOPIFY_TOKEN", "SHOPIFY_SECRET", "PRESTASHOP_KEY", "MIRAKL_KEY", "SQUARE_TOKEN")
    for name in (*names, "SQUARE_SIGNATURE_KEY"):
        monkeypatch.setenv(name, SECRET)
    head, _, channels = SETTINGS_TEMPLATE.partition("# [[channels]]")
    full = read(
        tmp_path,
        head.replace("# callback_url", "callback_url")
        .replace("# api_token", "api_token")
        .replace("# items", "items")
        .replace("# opening_stock", "opening_stock")
        + "[[channels]]"
        + "\n".join(line.removeprefix("# ") for line in channels.splitlines()),
    )
    assert [channel.platform for channel in full.channels] == ["shopify", "prestashop", "mirakl", "square"]
    assert full.hub.callback_url == "https://hub.example.com"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[hub", "nervure.toml is not TOML: "),
        ("", "nervure.toml: at least one [[locations]] is needed"),
        (PLACE + PLACE, "nervure.toml: location 'WH' is there twice"),
        (PLACE + SHOP + SHOP, "nervure.toml: channel or supplier 'webshop' is there twice"),
        (
            PLACE + SHOP + SUPPLIER.replace('"acme"', '"webshop"'),
            "nervure.toml: channel or supplier 'webshop' is there",
        ),
        (
            PLACE.replace('"warehouse"', '"in_transit"') + SHOP,
            "nervure.toml: stock point 'gid://shopify/Location/1' of channel 'webshop' names location 'WH':"
            " what is in transit cannot be sold",
        ),
        (
            PLACE + SHOP.replace('["WH"]', "[]"),
            "nervure.toml: channel 'webshop': stock_points.gid://shopify/Location/1 needs at least 1 of them",
        ),
        (
            PLACE + SUPPLIER.replace('location = "SUP"', 'location = "SUB"'),
            "nervure.toml: supplier 'acme' names location 'SUB', which is not declared",
        ),
        (
            PLACE + SHOP.replace('"shopify"', '"shopifi"'),
            "nervure.toml: channel 'webshop' has platform 'shopifi'; known are mirakl, prestashop, shopify, square",
        ),
        (PLACE + SHOP.replace('platform = "shopify"\n', ""), "nervure.toml: channel 'webshop' has platform ''; known"),
        (
            PLACE + SUPPLIER.replace('"supplier_feed"', '"fax"'),
            "nervure.toml: supplier 'acme' has platform 'fax'; known are supplier_feed",
        ),
        (
            PLACE.replace('code = "WH"', 'code = "WH"\nmaster = "tills"') + SHOP,
            "nervure.toml: location 'WH' has master 'tills', which is no channel and no supplier",
        ),
        (
            PLACE.replace('code = "WH"', 'code = "WH"\nmaster = "webshop"')
            + SHOP.replace('["WH"]', '["WH", "SUP"]')
            + SUPPLIER,
            "nervure.toml: location 'WH' has master 'webshop', which has no stock point for this location alone",
        ),
        (
            PLACE.replace('code = "WH"', 'code = "WH"\nmaster = "acme"') + SUPPLIER,
            "nervure.toml: location 'WH' has master 'acme', which is the supplier of 'SUP'",
        ),
        (
            PLACE + SHOP + SUPPLIER.replace('code = "SUP"', 'code = "SUP"\nmaster = "webshop"'),
            "nervure.toml: location 'SUP' has master 'webshop', and is the place of supplier 'acme'",
        ),
        (
            PLACE + "[locations.routing.contract]\nmin_order = 10\n",
            "nervure.toml: location 'WH' has a contract, and is no supplier's",
        ),
        (
            PLACE + SHOP + CONTRACTED.replace("webshop", "market"),
            "nervure.toml: the contract of location 'SUP' names channel 'market', which is not declared",
        ),
        (
            PLACE + CONTRACTED.replace("min_order = 10", "min_order = -1"),
            "nervure.toml: location 'SUP': routing.contract.min_order must be 0 or more",
        ),
        (PLACE + "[hub]\ncount_limit_units = -1\n", "nervure.toml: hub.count_limit_units must be 0 or more"),
        (PLACE + "[hub]\nprot = 1\n", "nervure.toml: hub.prot is not known here"),
        (PLACE + '[hub]\nport = "high"\n', "nervure.toml: hub.port must be a whole number"),
        (PLACE + "[hub]\npersonal_data_days = 0\n", "nervure.toml: hub.personal_data_days must be above 0"),
        (PLACE + "[warehouse]\n", "nervure.toml: warehouse is not known here"),
        (PLACE.replace('"warehouse"', '"cellar"'), "nervure.toml: location 'WH': kind must be 'warehouse', 'store', "),
        (PLACE.replace('code = "WH"\n', ""), "nervure.toml: location 'Warehouse': code is missing"),
        (PLACE + SHOP + "color = 1\n", "nervure.toml: channel 'webshop': color is not known here"),
        (PLACE + SHOP + "buffer_units = -1\n", "nervure.toml: channel 'webshop': buffer_units must be 0 or more"),
        (PLACE + SHOP + 'buffer = "learned"\n', "nervure.toml: channel 'webshop': buffer must be 'set' or 'earned'"),
        (
            PLACE + SHOP + 'buffer = "earned"\n',
            "nervure.toml: the buffer of channel 'webshop' is earned: say what for in [channels.earned],",
        ),
        (
            PLACE + SHOP + "earned = { margin = 4 }\n",
            "nervure.toml: channel 'webshop': earned.cancellation_cost is missing",
        ),
        (
            PLACE + SHOP + "earned = { cancellation_cost = 0, margin = 4 }\n",
            "nervure.toml: channel 'webshop': earned.cancellation_cost must be above 0",
        ),
        (
            PLACE + SHOP + 'earned = { cancellation_cost = 1, margin = "130 %" }\n',
            "nervure.toml: channel 'webshop': earned.margin must be a number",
        ),
        (
            PLACE + SHOP + "order_poll_seconds = 0\n",
            "nervure.toml: channel 'webshop': order_poll_seconds must be above 0",
        ),
        (PLACE + SHOP.replace('"webshop"', '""'), "nervure.toml: channel '': name must not be empty"),
        (PLACE + SHOP + 'time_zone = "Europe/Pari"\n', "nervure.toml: channel 'webshop': time_zone: "),
        (PLACE + SUPPLIER.replace("ttl_seconds = 3600\n", ""), "nervure.toml: supplier 'acme': ttl_seconds is missing"),
        (PLACE + SUPPLIER + "[[suppliers]]\n", "nervure.toml: supplier None has platform ''; known are"),
        ("channels = 3\n" + PLACE, "nervure.toml: channels are written [[channels]]"),
        (PLACE + '[channels]\nname = "webshop"\n', "nervure.toml: channels are written [[channels]]"),
        (PLACE + '[suppliers]\nname = "acme"\n', "nervure.toml: suppliers are written [[suppliers]]"),
        ("channels = [3]\n" + PLACE, "nervure.toml: channels are written [[channels]]"),
        ("hub = 3\n" + PLACE, "nervure.toml: hub is written [hub]"),
        (PLACE + "[hub]\nitems = 3\n", "nervure.toml: hub.items: "),
        ('[locations]\ncode = "WH"\n', "nervure.toml: locations are written [[locations]], one for each"),
        (PLACE + SHOP.replace('"shopify"', '["shopify"]'), "nervure.toml: channel 'webshop' has platform ['shopify'];"),
    ],
)
def test_bad_settings_are_one_sentence_that_says_where(tmp_path: Path, text: str, sentence: str) -> None:
    assert fault(tmp_path, text).startswith(sentence)


def test_a_suppliers_contract_is_read_with_its_location(tmp_path: Path) -> None:
    routing = read(tmp_path, PLACE + SHOP + CONTRACTED).locations[1].routing
    assert routing is not None
    assert routing.contract == Contract(min_order=Decimal(10), channels=("webshop",))


@pytest.mark.parametrize("url", ["", "localhost:80", "ftp://shop.example", "http://[::1", "https://"])
def test_an_account_names_a_server_that_speaks_http(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError, match="channel 'webshop': url: "):
        read(tmp_path, PLACE + SHOP.replace("https://shop.example", url))


def test_a_channel_or_a_supplier_can_be_the_master_of_its_own_place(tmp_path: Path) -> None:
    place = PLACE.replace('code = "WH"', 'code = "WH"\nmaster = "webshop"')
    supplier = SUPPLIER.replace('code = "SUP"', 'code = "SUP"\nmaster = "acme"')
    settings = read(tmp_path, place + SHOP + supplier)
    assert [(location.code, location.master) for location in settings.locations] == [("WH", "webshop"), ("SUP", "acme")]


def test_the_limits_of_one_persons_count_are_settings(tmp_path: Path) -> None:
    hub = read(tmp_path, PLACE).hub
    assert (hub.count_limit_units, hub.count_limit_share, hub.count_limit_value) == (5, None, None)
    limits = "[hub]\ncount_limit_units = 20\ncount_limit_share = 0.1\ncount_limit_value = 99.90\n"
    hub = read(tmp_path, PLACE + limits).hub
    assert (hub.count_limit_units, hub.count_limit_share, str(hub.count_limit_value)) == (20, 0.1, "99.9")
