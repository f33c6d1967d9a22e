"""Every command against a small hub; whatever goes wrong is one sentence and exit 1."""

import json
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from json import loads
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from connectors.transport import HttpRequest, HttpResponse, Send
from nervure import cli, rehearsals
from nervure.cli import running
from nervure.clock import SystemClock
from nervure.operations import setup
from nervure.operations.drain import drain
from nervure.operations.hub import Hub
from nervure.operations.publish import publish, refresh
from nervure.operations.pull import store
from nervure.rehearsals import Outcome, RehearsalError
from nervure.settings_file import load
from nervure.store.budgets import BudgetStore
from nervure.store.clocks import ClockStore
from nervure.store.drift import DriftStore
from nervure.template import SETTINGS_TEMPLATE
from schemas.documents import Heard, RawDocument
from simulation import odds
from simulation.day import Size
from simulation.platforms.prestashop import KEY, PrestaShopEmulator
from simulation.platforms.supplier import SupplierEmulator
from tests.nervure.world import World, an_order, fresh_sqlite
from tests.simulation.merchants import GOODS

SETTINGS = """
[hub]
items = "items.csv"
opening_stock = "stock.csv"

[[locations]]
code = "WH"
name = "Warehouse"
kind = "warehouse"

[[locations]]
code = "SUP"
name = "Supplier"
kind = "supplier"

[[channels]]
name = "boutique"
platform = "prestashop"
url = "http://boutique.example"
key = { file = "key" }
id_shop = 1
time_zone = "Europe/Paris"
stock_points = { "1" = ["WH"] }
needs_cutover = false

[[suppliers]]
name = "acme"
platform = "supplier_feed"
location = "SUP"
url = "http://acme.example"
ttl_seconds = 3600
feed.source = "http"
feed.path = "/feed/stock.csv"
feed.format = "csv"
feed.columns = { supplier_sku = "sku", units = "stock" }
"""


@dataclass
class Shell:
    """A folder with settings, the platforms that they name, and the command."""

    folder: Path
    shop: PrestaShopEmulator
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def run(self, *words: str) -> tuple[int, str, str]:
        """Runs `nervure WORDS`; answers exit code, output and errors."""
        self.monkeypatch.setattr(sys, "argv", ["nervure", *words])
        self.monkeypatch.chdir(self.folder)
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = self.capsys.readouterr()
        return code, out, err

    def says(self, *words: str) -> str:
        """What a command that works says."""
        code, out, err = self.run(*words)
        assert (code, err) == (0, ""), (out, err)
        return out

    def fails(self, *words: str) -> str:
        """The one sentence of a command that does not."""
        code, _, err = self.run(*words)
        assert code == 1
        assert err.startswith("nervure: ")
        assert err.count("\n") == 1
        return err.removeprefix("nervure: ").rstrip("\n")

    @contextmanager
    def hub(self) -> Iterator[Hub]:
        with setup.open_hub(load(self.folder / "nervure.toml"), SystemClock()) as hub:
            yield hub


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.delenv("NERVURE_SETTINGS", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "nervure.toml").write_text(SETTINGS, "utf-8")
    (tmp_path / "key").write_text(KEY, "utf-8")
    (tmp_path / "items.csv").write_text(
        "sku,title,components\nMUG,Mug,\nTRAY,Tray,\nSET,Gift box,MUG:2 TRAY:1\n", "utf-8"
    )
    (tmp_path / "stock.csv").write_text("sku,location,units\nMUG,WH,5\nTRAY,WH,2\n", "utf-8")
    with fresh_sqlite() as database:
        shutil.copy(str(database.engine.url.database), tmp_path / "nervure.db")
    now = SystemClock().now()
    shop = PrestaShopEmulator(time_zone="Europe/Paris")
    shop.load([good.entry for good in GOODS], ["1"], now)
    supplier = SupplierEmulator()
    supplier.load({"MUG": 9}, now)

    @contextmanager
    def wired(url: str) -> Iterator[Send]:
        platform = supplier if "acme" in url else shop

        def send(request: HttpRequest) -> HttpResponse:
            return platform.handle(request, SystemClock().now())

        yield send

    monkeypatch.setattr(setup, "httpx_sender", wired)
    return Shell(tmp_path, shop, monkeypatch, capsys)


def bound(shell: Shell) -> None:
    assert shell.says("channels", "bind", "boutique") != ""
    with shell.hub() as hub:
        while drain(hub).handled:
            pass
        refresh(hub)


def test_init_writes_settings_that_load_and_overwrites_nothing(shell: Shell) -> None:
    assert shell.fails("init") == "nervure.toml is there already: move it away first"
    assert (shell.folder / "nervure.toml").read_text("utf-8") == SETTINGS
    assert shell.says("init", "new.toml").startswith("wrote new.toml: ")
    assert (shell.folder / "new.toml").read_text("utf-8") == SETTINGS_TEMPLATE
    assert load(shell.folder / "new.toml").channels == ()
    assert shell.fails("init", "no/such/new.toml") == "no/such/new.toml cannot be written: No such file or directory"


def test_without_settings_every_command_says_what_to_do(shell: Shell) -> None:
    (shell.folder / "nervure.toml").unlink()
    for words in (("status",), ("check",), ("rebuild",), ("db", "upgrade"), ("inbox", "list"), ("channels", "check")):
        assert shell.fails(*words) == "no settings: write them with `nervure init`, or name the file with --settings"
    assert shell.fails("status", "--settings", "gone.toml").startswith("gone.toml cannot be read: ")


def test_a_database_that_cannot_be_used_is_said_in_one_sentence(shell: Shell) -> None:
    text = SETTINGS.replace("[hub]", '[hub]\ndatabase = "mysql://host/hub"')
    (shell.folder / "nervure.toml").write_text(text, "utf-8")
    assert shell.fails("status") == "databases of kind 'mysql' are not supported: use SQLite or PostgreSQL"


def test_a_file_that_is_no_database_is_said_in_one_sentence(shell: Shell) -> None:
    (shell.folder / "letter.db").write_text("Dear customer, " * 1_000, "utf-8")
    text = SETTINGS.replace("[hub]", '[hub]\ndatabase = "sqlite:///letter.db"')
    (shell.folder / "nervure.toml").write_text(text, "utf-8")
    assert "letter.db cannot be opened: is its folder there, and is it an SQLite file?" in shell.fails("status")
    assert (shell.folder / "letter.db").read_text("utf-8").startswith("Dear customer")


def test_a_database_of_somebody_else_is_said_in_one_sentence(shell: Shell) -> None:
    with closing(sqlite3.connect(shell.folder / "other.db")) as other:
        other.execute("CREATE TABLE item (name)")
    text = SETTINGS.replace("[hub]", '[hub]\ndatabase = "sqlite:///other.db"')
    (shell.folder / "nervure.toml").write_text(text, "utf-8")
    assert shell.fails("status") == (
        "the database refused it: table item already exists; is it the hub's own, and may this user write to it?"
    )


@pytest.mark.parametrize(
    ("name", "body", "sentence"),
    [
        ("a.csv", b'sku,title\n"MUG,Mug\n', "a.csv, line 2: a text in quotes begins here and never ends"),
        ("a.csv", b'sku,title\n"M"UG,Mug\n', "a.csv, line 2: a cell goes on after its closing quote: a quote inside"),
        ("a.csv", b"\xff\xfe\x00\x00a", "a.csv cannot be read: wrong encoding: it is not utf-16 (byte at position 4)"),
        ("a.xlsx", b"x", "a.xlsx cannot be read: it is not a complete XLSX workbook"),
    ],
)
def test_a_file_that_is_no_table_is_said_in_one_sentence(shell: Shell, name: str, body: bytes, sentence: str) -> None:
    (shell.folder / name).write_bytes(body)
    assert shell.fails("import", "items", name).startswith(sentence)


def test_settings_that_cannot_be_used_are_said_with_their_place(shell: Shell) -> None:
    path = shell.folder / "nervure.toml"
    for was, written, sentence in (
        (
            "[hub]",
            "[hub",
            "nervure.toml is not TOML: Expected ']' at the end of a table declaration (at line 2, column 5)",
        ),
        ("[hub]", "[hub]\nprot = 3", "nervure.toml: hub.prot is not known here"),
        ('name = "Warehouse"\n', "", "nervure.toml: location 'WH': name is missing"),
        ("id_shop = 1", 'id_shop = "x"', "nervure.toml: channel 'boutique': id_shop must be a whole number"),
        ('["WH"]', '"WH"', "nervure.toml: channel 'boutique': stock_points.1 must be a list in [ ]"),
        ('"http"', '"smtp"', "nervure.toml: supplier 'acme': feed.source must be 'http', 'sftp' or 'folder'"),
    ):
        path.write_text(SETTINGS.replace(was, written, 1), "utf-8")
        assert shell.fails("status") == sentence
    path.write_bytes(b"\xff\xfe\x00x")
    assert shell.fails("status") == "nervure.toml cannot be read: it is not UTF-8 text"
    assert shell.fails("status", "--settings", ".") == ". cannot be read: Is a directory"


def test_figures_that_cannot_be_written_are_said_in_one_sentence(shell: Shell) -> None:
    with pytest.raises(RehearsalError, match=r"nervure\.toml/x\.json cannot be written: "):
        rehearsals.write_json({}, shell.folder / "nervure.toml" / "x.json")


def test_status_shows_every_channel_and_what_is_to_do(shell: Shell) -> None:
    assert shell.says("status").splitlines() == [
        "channel   orders  in flight  confirmed  error  excluded  polled  calls",
        "boutique  0       0          0          0      3                 free ",
    ]
    bound(shell)
    with shell.hub() as hub, hub.database.write() as connection:
        World(connection).tasks.open("shortfall", "order_line:1", "1 unit is missing")
        World(connection).connection.exec_driver_sql("UPDATE channel SET problem = 'sign-in refused'")
    lines = shell.says("status").splitlines()
    assert lines[1].split() == ["boutique", "0", "3", "0", "0", "0", "free"]
    assert lines[2:] == ["boutique: sign-in refused", "shortfall: order_line:1: 1 unit is missing"]
    with shell.hub() as hub:
        for _ in range(5):
            hub.database.run(lambda c: BudgetStore(c, hub.clock.now()).failed("boutique", "refused", is_probe=False))
        assert "down 1" in shell.says("status")


@pytest.mark.parametrize(
    ("least", "most", "said"),
    [
        (-0.5, 0.5, []),
        (179.5, 180.5, ["boutique: its clock is 180 s ahead, and its times are corrected"]),
        (-90.5, -89.5, ["boutique: its clock is 90 s behind, and its times are corrected"]),
        (3599.5, 3600.5, ["boutique: its clock is too far off to correct its times"]),
    ],
)
def test_status_says_how_far_a_channels_clock_is_off(shell: Shell, least: float, most: float, said: list[str]) -> None:
    with shell.hub() as hub, hub.database.write() as connection:
        for _ in range(3):
            ClockStore(connection, hub.clock.now()).heard(hub.credential("boutique"), least, most)
    assert shell.says("status").splitlines()[2:] == said


def test_status_fits_a_terminal_of_80_columns(shell: Shell) -> None:
    shell.monkeypatch.setenv("COLUMNS", "80")
    with shell.hub() as hub, hub.database.write() as connection:
        text = "UPDATE channel SET problem = 'the key was refused', is_paused = true"
        World(connection).connection.exec_driver_sql(text)
    head, row, problem = shell.says("status").splitlines()
    assert head.split("  ")[0] == "channel"
    assert row.split() == ["boutique", "0", "0", "0", "0", "3", "free"], "one line, nothing cut"
    assert problem == "boutique: the key was refused, paused"


def test_buffers_are_earned_and_reported(shell: Shell) -> None:
    assert shell.says("buffers", "earn") == "0 buffers changed\n", "the settings do not say that any is earned"
    channel = SETTINGS[SETTINGS.index("[[channels]]") : SETTINGS.index("[[suppliers]]")]
    (shell.folder / "nervure.toml").write_text(SETTINGS + channel.replace("boutique", "outlet"), "utf-8")
    head, row, _ = shell.says("buffers", "report", "--csv", "buffers.csv").splitlines()
    assert head.split("  ")[0] == "channel"
    assert row.split() == ["boutique", "?", "0", "0", "?", "?", "0", "0", "0.0"]
    assert (shell.folder / "buffers.csv").read_text("utf-8").splitlines() == [
        "channel,p50_seconds,p95_seconds,lines,last,without,predicted,low,high,realized,kept_back,lost_per_day",
        "boutique,,,0,0,,,,,0,0,0",
        "outlet,,,0,0,,,,,0,0,0",
    ]


def test_check_names_what_does_not_hold(shell: Shell) -> None:
    assert shell.says("check") == "everything holds\n"
    with shell.hub() as hub, hub.database.write() as connection:
        connection.exec_driver_sql("UPDATE stock_level SET on_hand = on_hand + 2 WHERE id = 1")
    code, out, err = shell.run("check")
    assert (code, err) == (1, "nervure: 1 violation\n")
    assert out == "units_conserved: MUG at WH: on hand 7, movements give 5 (+2)\n"
    code, out, err = shell.run("check", "--json")
    assert (code, err) == (1, "nervure: 1 violation\n")
    assert loads(out) == {
        "rule": "units_conserved",
        "subject": "MUG at WH",
        "text": "on hand 7, movements give 5 (+2)",
        "sku": "MUG",
        "location": "WH",
        "delta": 2,
        "found": "on hand 7",
        "must": "on hand 5",
    }


@pytest.mark.requirement("R14")
def test_rebuild_puts_levels_right_and_says_which(shell: Shell) -> None:
    assert shell.says("rebuild") == "0 levels were put right\n"
    with shell.hub() as hub, hub.database.write() as connection:
        connection.exec_driver_sql("UPDATE stock_level SET on_hand = on_hand + 2 WHERE id = 1")
    said = shell.says("rebuild").splitlines()
    assert said == ["MUG at WH (us sellable): on_hand 7 -> 5", "1 level was put right"]
    assert shell.says("check") == "everything holds\n"


def test_the_database_can_be_upgraded_and_checked(shell: Shell) -> None:
    assert shell.says("db", "upgrade") == "the database is up to date\n"
    assert shell.says("db", "check") == "migrations and tables agree\n"


def test_dead_letters_are_listed_and_tried_again(shell: Shell) -> None:
    assert shell.says("inbox", "list") == "no dead letters\n"
    assert shell.says("inbox", "replay") == "0 documents will be tried again\n"
    with shell.hub() as hub:
        store(hub, "boutique", (RawDocument("order", "7", "7", b"jane@example.com", Heard.POLL),))
        drain(hub)
    head, letter = shell.says("inbox", "list").splitlines()
    assert head.split() == ["id", "channel", "topic", "document", "reason"]
    number = letter.split()[0]
    assert "jane" not in letter
    assert shell.fails("inbox", "replay", number, "4711") == "1 of these are no dead letters; 1 were put back"
    with shell.hub() as hub:
        assert drain(hub).dead == 1
    assert shell.says("inbox", "replay", number) == "1 document will be tried again\n"
    assert shell.fails("inbox", "accept", number) == f"document {number} is no dead letter"
    with shell.hub() as hub:
        drain(hub)
    assert shell.says("inbox", "accept", number) == f"document {number} of boutique will be taken as it is\n"


def test_tasks_are_listed_with_names_and_closed(shell: Shell) -> None:
    assert shell.says("tasks", "list") == "nothing to look at\n"
    with shell.hub() as hub, hub.database.write() as connection:
        World(connection).tasks.open("oversold", "item:1:location:1", "2 units more are owed than are there")
    head, task = shell.says("tasks", "list").splitlines()
    assert head.split() == ["id", "since", "what", "about", "text"]
    assert task.endswith("oversold  MUG at WH  2 units more are owed than are there")
    assert shell.fails("tasks", "done", "99") == "there is no open task 99"
    assert shell.says("tasks", "done", task.split()[0]) == f"task {task.split()[0]} is closed\n"
    assert shell.says("tasks", "list") == "nothing to look at\n"


def test_accounts_are_checked_one_by_one(shell: Shell) -> None:
    lines = shell.says("channels", "check").splitlines()
    assert [line.split(": ")[0] for line in lines] == ["boutique", "acme"]
    (shell.folder / "key").write_text("WRONGKEYWRONGKEYWRONGKEYWRONGKEY", "utf-8")
    code, out, err = shell.run("channels", "check")
    assert (code, out.split(": ")[0]) == (1, "acme")
    first, last = err.splitlines()
    assert first.startswith("boutique: ")
    assert "WRONGKEY" not in first
    assert last == "nervure: 1 account cannot be used yet"


def test_subscriptions_need_an_address(shell: Shell) -> None:
    assert shell.fails("channels", "subscribe") == "settings say no hub.callback_url: platforms cannot reach this hub"
    text = SETTINGS.replace("[hub]", '[hub]\ncallback_url = "https://hub.example"')
    (shell.folder / "nervure.toml").write_text(text, "utf-8")
    assert shell.says("channels", "subscribe") == "", "this platform has no webhooks"


def test_a_catalogue_is_pulled_and_bound(shell: Shell) -> None:
    assert shell.says("channels", "bind", "boutique") != "0 listings bound\n0 new documents\n"
    assert shell.says("channels", "bind", "boutique") == "0 listings bound\n0 new documents\n"
    bound(shell)
    assert shell.says("channels", "unbound", "boutique") == "every listing is bound\n"


def test_drift_is_listed_and_decided_about(shell: Shell) -> None:
    bound(shell)
    assert shell.says("channels", "drift", "boutique") == "nothing differs\n"
    assert shell.fails("channels", "drift", "boutique", "--keep", "MUG") == "boutique asks nothing about 'MUG'"
    with shell.hub() as hub, hub.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE publication SET state = 'failed', reason = 'asked', drift_units = 9, channel_units = 9,"
            " revision = 1, salable_quantity = 4 WHERE id = (SELECT min(id) FROM publication)"
        )
        sku = DriftStore(connection, hub.clock.now()).listed("boutique")[0].sku
    assert shell.says("channels", "drift", "boutique").splitlines()[1].split() == [sku, "1", "9", "4", "asked"]
    said = shell.says("channels", "drift", "boutique", "--keep", sku).splitlines()
    assert said[0] == f"{sku}: what the channel shows stands"
    assert said[2].split() == [sku, "1", "9", "4", "let", "stand"]


@pytest.mark.parametrize("command", ["bind", "unbound", "pause", "resume", "drift"])
def test_an_unknown_channel_is_named_with_those_there_are(shell: Shell, command: str) -> None:
    assert shell.fails("channels", command, "boutik") == "no channel 'boutik' in the settings; there are: boutique"


def test_publishing_is_paused_and_goes_on(shell: Shell) -> None:
    bound(shell)
    assert shell.says("channels", "pause", "boutique") == "boutique: paused\n"
    assert "paused" in shell.says("status")
    with shell.hub() as hub:
        assert publish(hub, "boutique").total == 0
    assert shell.says("channels", "resume", "boutique") == "boutique: publishing\n"
    with shell.hub() as hub:
        assert publish(hub, "boutique").total == 3


@pytest.mark.requirement("R17")
def test_stock_is_shown_received_and_adjusted(shell: Shell) -> None:
    bound(shell)

    def shown(sku: str) -> list[str]:
        return shell.says("stock", "show", "boutique", sku).splitlines()[1].split()

    assert (shown("MUG"), shown("SET")) == (["1", "5"], ["1", "2"])
    assert shell.says("stock", "receive", "MUG", "WH", "3", "--document", "D1") == "booked\n"
    assert shell.says("stock", "receive", "MUG", "WH", "3", "--document", "D1") == "was booked before\n"
    assert shell.says("stock", "adjust", "MUG", "WH", "-2", "lost", "--document", "D2") == "booked\n"
    assert shown("MUG") == ["1", "6"]
    assert shell.fails("stock", "show", "boutique", "CUP") == "sku 'CUP' is not listed on channel 'boutique'"
    assert shell.fails("stock", "receive", "CUP", "WH", "3", "--document", "D3") == "sku 'CUP' is not known"
    assert shell.fails("stock", "receive", "MUG", "WG", "3", "--document", "D3") == "location 'WG' is not known"
    assert shell.fails("stock", "adjust", "MUG", "WH", "0", "lost", "--document", "D3") == "0 units are no difference"
    assert shown("MUG") == ["1", "6"]


def table(said: str) -> list[list[str]]:
    """The rows of a printed table, without its head."""
    return [line.split() for line in said.splitlines()[1:]]


def test_a_purchase_is_expected_comes_in_and_is_closed(shell: Shell) -> None:
    line = ("MUG", "WH", "10", "--on", "2126-03-09")
    assert shell.says("stock", "incoming") == "nothing is to come in\n"
    assert shell.says("stock", "expect", "PO-7", *line, "--supplier", "acme") == "1 expected\n"
    assert shell.says("stock", "expect", "PO-7", *line) == "1 expected before\n"
    (shell.folder / "po.csv").write_text("sku,location,units\nMUG,WH,12\nTRAY,WH,4\n", "utf-8")
    more = ("stock", "expect", "PO-7", "--file", "po.csv", "--on", "2126-03-09")
    assert shell.fails(*more).endswith("already: say --revise to change that")
    assert shell.says(*more, "--revise") == "1 expected, 1 changed\n"
    assert table(shell.says("stock", "incoming", "TRAY")) == [
        ["TRAY", "WH", "4", "sellable", "2126-03-09", "purchase:PO-7"]
    ]
    assert table(shell.says("stock", "future", "MUG")) == [["now", "5"], ["2126-03-09", "17"]]
    note = ("stock", "receive", "MUG", "WH", "3", "--document", "N1", "--purchase", "PO-7")
    assert shell.says(*note) == "booked: 3 of 12 have come in\n"
    assert shell.says(*note) == "was booked before\n"
    assert shell.says(*note, "--condition", "damaged") == "booked: 6 of 12 have come in\n"
    assert shell.says(*note, "--lot", "L1") == "booked: 9 of 12 have come in\n"
    other = ("stock", "receive", "TRAY", "WH", "5", "--document", "N2", "--purchase", "PO-7")
    assert shell.says(*other) == "booked, 1 more than expected: 5 of 4 have come in\n"
    assert "purchase PO-7, TRAY at WH" in shell.says("tasks", "list")
    assert shell.says("stock", "close-purchase", "PO-7") == "3 of MUG at WH will not come\nclosed\n"
    assert shell.says("stock", "close-purchase", "PO-7") == "was closed before\n"
    assert shell.fails("stock", "close-purchase", "PO-8") == "purchase 'PO-8' is not known"


def test_what_is_overdue_is_named(shell: Shell) -> None:
    shell.says("stock", "expect", "PO-7", "MUG", "WH", "10", "--on", "2020-03-09")
    assert table(shell.says("stock", "incoming")) == [
        ["MUG", "WH", "10", "sellable", "2020-03-09", "overdue", "purchase:PO-7"]
    ]
    now, overdue = shell.says("stock", "future", "MUG", "--location", "WH").splitlines()[1:]
    assert now.split() == ["now", "5"]
    assert overdue == "not promised: 10 sellable MUG to WH, 2020-03-09 overdue, purchase:PO-7"


def test_units_leave_for_another_place_and_arrive(shell: Shell) -> None:
    (shell.folder / "nervure.toml").write_text(
        SETTINGS + '\n[[locations]]\ncode = "SHOP"\nname = "Shop"\nkind = "store"\n', "utf-8"
    )
    leave = ("stock", "transfer", "T-1", "MUG", "WH", "SHOP", "4", "--on", "2126-03-09")
    assert shell.says(*leave) == "4 are in transit\n"
    assert shell.says(*leave) == "was sent before\n"
    assert shell.fails("stock", "transfer", "T-2", "MUG", "WH", "SHOP", "2").startswith("only 1 of 'MUG' may leave")
    assert shell.says("stock", "transfer", "T-2", "MUG", "WH", "SHOP", "2", "--force") == "2 are in transit\n"
    assert table(shell.says("stock", "incoming", "MUG")) == [
        ["MUG", "SHOP", "4", "sellable", "2126-03-09", "transfer:T-1"],
        ["MUG", "SHOP", "2", "sellable", "no", "day", "said", "transfer:T-2"],
    ]
    part = ("stock", "arrive", "T-1", "MUG", "3", "--document", "A1")
    assert shell.says(*part) == "3 arrived\n"
    assert shell.says(*part) == "was booked before\n"
    assert shell.fails("stock", "arrive", "T-1", "MUG", "3") == (
        "an arrival of some units needs a name: give it with --document"
    )
    assert shell.says("stock", "arrive", "T-1", "MUG", "2", "--document", "A2", "--found") == "2 arrived, 1 found\n"
    assert shell.says("stock", "arrive", "T-2", "--lost") == "0 arrived, 2 lost\n"
    assert shell.fails("stock", "arrive", "T-2", "--found").startswith("--found needs SKU UNITS")
    assert shell.says("stock", "transfer", "T-3", "TRAY", "WH", "SHOP", "2") == "2 are in transit\n"
    assert shell.says("stock", "cancel-transfer", "T-3") == "2 came back\n"
    assert shell.says("stock", "cancel-transfer", "T-3") == "nothing of it is in transit\n"
    assert shell.says("check") == "everything holds\n"


def test_policies_are_set_listed_and_cleared(shell: Shell) -> None:
    bound(shell)

    def shown(sku: str) -> str:
        return shell.says("stock", "show", "boutique", sku).splitlines()[1].split()[1]

    assert shell.says("policy", "set", "share", "50", "--channel", "boutique") == "set\n"
    assert shell.says("policy", "set", "share", "50", "--channel", "boutique") == "was so before\n"
    assert shell.says("policy", "set", "cap", "1", "--channel", "boutique", "--sku", "MUG") == "set\n"
    assert (shown("MUG"), shown("SET"), shown("TRAY")) == ("1", "1", "1")
    assert shell.says("policy", "set", "backorder", "4", "--sku", "TRAY", "--until", "2999-12-31") == "set\n"
    assert shown("TRAY") == "5"
    listed = [line.split() for line in shell.says("policy", "list").splitlines()[1:]]
    assert listed == [
        ["share", "50", "%", "boutique", "all"],
        ["cap", "1", "boutique", "MUG"],
        ["backorder", "4", "all", "TRAY", "2999-12-31", "0"],
    ]
    assert shell.says("policy", "clear", "share", "--channel", "boutique") == "cleared\n"
    assert shell.fails("policy", "clear", "share", "--channel", "boutique").startswith("there is no share for exactly")
    assert (shown("MUG"), shown("SET"), shown("TRAY")) == ("1", "2", "6")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("MUG", "WH", "10"), "one line needs SKU LOCATION UNITS and --on DATE; many lines need --file"),
        ((), "one line needs SKU LOCATION UNITS and --on DATE; many lines need --file"),
        (("MUG", "--file", "po.csv"), "name one line, or a file of lines, not both"),
        (("--file", "po.csv"), "po.csv cannot be read: No such file or directory"),
        (("CUP", "WH", "1", "--on", "2126-03-09"), "sku 'CUP' is not known"),
    ],
)
def test_a_purchase_that_is_said_half_is_refused(shell: Shell, words: tuple[str, ...], sentence: str) -> None:
    assert shell.fails("stock", "expect", "PO-7", *words) == sentence
    assert shell.says("stock", "incoming") == "nothing is to come in\n"


def test_goods_are_counted_confirmed_and_booked(shell: Shell) -> None:
    assert shell.says("count", "open", "C-1", "WH", "MUG", "TRAY") == "2 to count\n"
    assert shell.says("count", "enter", "C-1", "MUG", "3", "--by", "Ana") == "entered\n"
    assert shell.says("count", "enter", "C-1", "MUG", "3", "--by", "Ana") == "was entered before\n"
    when = ("--at", "2026-01-05T09:30:00+01:00")
    assert shell.says("count", "enter", "C-1", "TRAY", "60", *when, "--by", "Ana", "--reason", "found") == "entered\n"
    lines = [line.split() for line in shell.says("count", "show", "C-1").splitlines()]
    assert lines[0] == ["C-1", "at", "WH:", "open"]
    assert lines[2] == ["MUG", "sellable", "us", "-", "3", "5", "-2", "entered"]
    assert lines[3] == ["TRAY", "sellable", "us", "-", "60", "0", "+60", "second", "person"]
    assert shell.says("count", "confirm", "C-1", "--by", "Ana") == "1 booked, 1 need a second person\n"
    assert shell.fails("count", "close", "C-1") == "count 'C-1' has 1 entered lines that nobody confirmed"
    assert shell.says("count", "confirm", "C-1", "--by", "Bo") == "1 booked\n"
    assert shell.says("count", "close", "C-1") == "closed\n"
    assert shell.fails("count", "cancel", "C-1") == "count 'C-1' is closed"
    assert shell.says("count", "open", "C-2", "WH", "--all").endswith(" to count\n")
    assert shell.says("count", "cancel", "C-2") == "canceled\n"
    assert shell.fails("count", "open", "C-3", "SUP", "MUG") == (
        "location 'SUP' is counted by 'acme', its master: count there"
    )
    assert shell.fails("count", "open", "C-3", "WH", "SET") == (
        "'SET' is a kit and has no stock of its own: count its parts"
    )
    assert shell.fails("count", "show", "C-3") == "there is no count 'C-3'"
    example = "write it like 2026-11-27T14:30:00+01:00"
    assert shell.fails("count", "enter", "C-1", "MUG", "3", "--at", "noon") == f"'noon' is no time: {example}"
    assert shell.fails("count", "enter", "C-1", "MUG", "3", "--at", "2026-01-05") == (
        f"'2026-01-05' lacks its offset from UTC: {example}"
    )


def test_goods_change_condition_and_owner_are_consumed_and_reported(shell: Shell) -> None:
    def cells(*words: str) -> list[list[str]]:
        return [line.split() for line in shell.says("stock", *words).splitlines()]

    move = ("stock", "condition", "MUG", "WH", "2", "--to", "damaged", "--document", "C1")
    assert [shell.says(*move), shell.says(*move)] == ["booked\n", "was booked before\n"]
    assert shell.says("stock", "owner", "MUG", "WH", "3", "--to", "acme", "--document", "O1") == "booked\n"
    assert shell.says("stock", "consume", "MUG", "WH", "1", "--owner", "acme", "--document", "U1") == "booked\n"
    assert cells("lots", "MUG")[1:] == [
        ["-", "-", "WH", "us", "damaged", "2", "0"],
        ["-", "-", "WH", "acme", "sellable", "2", "0"],
    ]
    period = ("consumed", "--owner", "acme", "--since", "2026-01-01", "--until", "2100-01-01")
    assert cells(*period) == [
        ["sku", "location", "lot", "how", "units"],
        ["MUG", "WH", "consumed", "1"],
        ["MUG", "WH", "ownership", "change", "-3"],
        ["-2", "units", "in", "all"],
    ]
    nobody = ("stock", "consumed", "--owner", "bolts", "--since", "2026-01-01", "--until", "2100-01-01")
    assert shell.says(*nobody) == "nothing of 'bolts' was used\n"
    wrong = ("stock", "consumed", "--owner", "acme", "--since", "2026-01-02", "--until", "2026-01-02")
    assert shell.fails(*wrong) == "--until must be a later day than --since: the day itself is not in it"
    assert shell.fails("stock", "consume", "MUG", "WH", "9", "--owner", "acme", "--document", "U2") == (
        "9 units of 'MUG' at 'WH' cannot be moved: 2 sellable units of 'acme' lie there; count first, or book what"
        " was found"
    )


def test_goods_are_assembled_taken_apart_and_a_document_is_undone(shell: Shell) -> None:
    (shell.folder / "items.csv").write_text(
        "sku,title,components,recipe,lot_tracking\nMUG,Mug,,,\nTRAY,Tray,,,\nSET,Gift box,MUG:2 TRAY:1,,\n"
        "BOX,Packed box,,MUG:2 TRAY:1,\nJAM,Jam,,,expiry\n",
        "utf-8",
    )
    assert shell.says("stock", "assemble", "BOX", "WH", "2", "--document", "A1") == "booked\n"
    assert shell.fails("stock", "assemble", "BOX", "WH", "1", "--document", "A2") == (
        "not enough at 'WH' that nobody has claimed: 1 of 2 'MUG', 0 of 1 'TRAY'"
    )
    assert shell.says("stock", "disassemble", "BOX", "WH", "1", "--document", "A3") == "booked\n"
    written = shell.says("undo", "A3", "--dry-run").splitlines()
    assert [line.split() for line in written] == [
        ["sku", "location", "owner", "condition", "lot", "units"],
        ["BOX", "WH", "us", "sellable", "+1"],
        ["MUG", "WH", "us", "sellable", "-2"],
        ["TRAY", "WH", "us", "sellable", "-1"],
        ["disassembly:A3", "would", "be", "undone"],
    ]
    assert shell.says("undo", "A3").splitlines()[-1] == "disassembly:A3 is undone"
    assert shell.says("undo", "A3") == "disassembly:A3 was undone before\n"
    assert shell.fails("undo", "A9") == "no movement has the document 'A9'"
    assert shell.fails("stock", "receive", "JAM", "WH", "4", "--document", "J1") == (
        "'JAM' is kept by lots with expiry dates: name the lot"
    )
    jam = ("stock", "receive", "JAM", "WH", "4", "--document", "J1", "--lot", "L7", "--expires-on", "2100-03-31")
    assert shell.says(*jam) == "booked\n"
    lots = shell.says("stock", "lots", "JAM", "--lot", "L7", "--expires-on", "2100-04-30").splitlines()
    assert lots[1].split() == ["L7", "2100-04-30", "WH", "us", "sellable", "4", "0"]
    assert shell.fails("stock", "lots", "JAM", "--lot", "L8", "--expires-on", "2100-04-30") == "'JAM' has no lot 'L8'"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("share", "101", "--channel", "boutique"), "a share is 0 to 100 percent, not 101"),
        (("share", "50"), "a share is for one channel: name it with --channel"),
        (("cap", "5", "--channel", "bazaar"), "no channel 'bazaar' in the settings; there are: boutique"),
        (("cap", "5", "--channel", "boutique", "--sku", "CUP"), "sku 'CUP' is not known"),
        (("cap", "5", "--channel", "boutique", "--until", "2999-01-01"), "a cap has no last day: leave --until out"),
        (("backorder", "5"), "a backorder is for one sku: name it with --sku"),
        (
            ("preorder", "5", "--sku", "MUG"),
            "a preorder needs the last day on which its units are promised: --until DAY",
        ),
        (
            ("backorder", "5", "--sku", "MUG", "--until", "2001-01-01"),
            "2001-01-01 has passed: nothing can be promised by then",
        ),
        (
            ("backorder", "5", "--sku", "MUG", "--until", "soon"),
            "'soon' is not a day: write it as 2026-12-24",
        ),
        (
            ("buffer", "5", "--channel", "boutique"),
            "the buffer of a whole channel is buffer_units in the settings; here name a sku with --sku",
        ),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(shell: Shell, words: tuple[str, ...], sentence: str) -> None:
    assert shell.fails("policy", "set", *words) == sentence
    assert shell.says("policy", "list").splitlines()[1:] == []


def test_safety_stock_is_kept_back_one_by_one_or_from_a_file(shell: Shell) -> None:
    bound(shell)
    assert shell.says("stock", "safety", "MUG", "WH", "2") == "1 of 1 changed\n"
    assert shell.says("stock", "safety", "MUG", "WH", "2") == "0 of 1 changed\n"
    assert shell.says("stock", "show", "boutique", "MUG").splitlines()[1].split() == ["1", "3"]
    file = shell.folder / "safety.csv"
    file.write_text("sku,location,units\nMUG,WH,1\nTRAY,WH,1\nTRAY,SUP,4\n", "utf-8")
    assert shell.says("stock", "safety", "--csv", "safety.csv") == "3 of 3 changed\n"
    for text, sentence in {
        "sku,units\nMUG,1\n": "safety.csv lacks the column 'location'",
        "sku,location,units\nMUG,WH,0\nTRAY,WH,-1\n": "safety.csv, line 3: '-1' are not whole units of 0 or more",
        "sku,location,units\nMUG,WH,0\nMUG,WH,1\n": "safety.csv, line 3: 'MUG' at 'WH' is there twice",
        "sku,location,units\nMUG,WH,0\nCUP,WH,1\n": "sku 'CUP' is not known",
        "sku,location,units\nMUG,WH,0\nMUG,WG,1\n": "location 'WG' is not known",
    }.items():
        file.write_text(text, "utf-8")
        assert shell.fails("stock", "safety", "--csv", "safety.csv") == sentence
    assert shell.fails("stock", "safety", "MUG") == "name SKU LOCATION UNITS, or a file with --csv, and not both"
    assert shell.fails("stock", "safety", "--csv", "gone.csv").startswith("gone.csv cannot be read: ")
    assert shell.says("stock", "show", "boutique", "MUG").splitlines()[1].split() == ["1", "4"]


@pytest.mark.requirement("R45")
def test_what_can_be_collected_where_is_shown(shell: Shell) -> None:
    text = (shell.folder / "nervure.toml").read_text("utf-8")
    text = text.replace('kind = "warehouse"\n', 'kind = "warehouse"\ncan_pickup = true\n')
    (shell.folder / "nervure.toml").write_text(text, "utf-8")
    assert shell.says("stock", "pickup", "SET").splitlines()[1].split() == ["WH", "2"]
    assert shell.fails("stock", "pickup", "CUP") == "sku 'CUP' is not known"


@pytest.mark.parametrize(
    "words",
    [
        ("stock", "show", "bazaar", "MUG"),
        ("explain", "MUG", "--channel", "bazaar"),
        ("orders", "explain", "bazaar", "1"),
        ("route", "explain", "1", "--channel", "bazaar"),
        ("shortfalls", "list", "--channel", "bazaar"),
        ("shortfalls", "options", "bazaar", "1"),
        ("shortfalls", "choose", "bazaar", "1", "cancel"),
        ("stock", "reserve", "CART", "MUG=1", "--minutes", "5", "--channel", "bazaar"),
        ("stock", "convert", "HOLD", "bazaar", "1"),
        ("policy", "set", "cap", "5", "--channel", "bazaar"),
        ("policy", "clear", "cap", "--channel", "bazaar"),
        ("policy", "list", "--channel", "bazaar"),
    ],
)
def test_a_channel_that_is_not_there_is_said_with_those_that_are(shell: Shell, words: tuple[str, ...]) -> None:
    shell.says("stock", "reserve", "HOLD", "MUG=1@WH", "--minutes", "5")
    assert shell.fails(*words) == "no channel 'bazaar' in the settings; there are: boutique"


def test_what_a_channel_does_not_have_is_no_wrong_channel(shell: Shell) -> None:
    assert shell.fails("stock", "show", "boutique", "CUP") == "sku 'CUP' is not listed on channel 'boutique'"
    assert shell.fails("route", "explain", "9", "--channel", "boutique") == "no order '9'"
    assert shell.fails("explain", "MUG", "--channel", "boutique") == (
        "sku 'MUG' is not listed on channel 'boutique'; ask for a place with --location"
    )
    assert len(shell.says("policy", "list", "--channel", "boutique").splitlines()) == 1, "a heading, and no policy"


@pytest.mark.requirement("R17")
def test_where_nobody_says_how_wide_a_line_may_be_none_is_folded(shell: Shell) -> None:
    document = "delivery note " + " ".join(str(number) for number in range(100))
    with shell.hub() as hub, hub.database.write() as connection:
        World(connection, hub.clock.now()).move("TRAY", "WH", 1, cause=document)
    shell.monkeypatch.setenv("COLUMNS", "80")
    assert len(shell.says("explain", "TRAY", "--location", "WH").splitlines()) > 6
    shell.monkeypatch.delenv("COLUMNS")
    lines = shell.says("explain", "TRAY", "--location", "WH").splitlines()
    assert len(lines) == 4, "the number, what is on hand, and two movements"
    assert sum(document in line for line in lines) == 1


@pytest.mark.requirement("R17")
def test_a_number_is_explained(shell: Shell) -> None:
    bound(shell)
    shell.says("policy", "set", "share", "50", "--channel", "boutique")
    shell.says("stock", "safety", "MUG", "WH", "1")
    lines = shell.says("explain", "SET", "--channel", "boutique").splitlines()
    assert lines[0].startswith("1  SET on boutique, stock point 1, ")
    assert "share of boutique: 50 % of 2" in lines[1]
    assert any("2  MUG, 2 in each: 4 there" in line for line in lines)
    assert any("-1  safety stock" in line for line in lines)
    assert lines[-1].endswith("not computed yet: the last number is 2")
    whole = shell.says("explain", "MUG", "--without", "share", "--without", "safety").splitlines()
    assert whole[0].startswith("5  MUG on boutique")
    assert whole[1].endswith("what if: without share and safety; as it is, it is 2")
    assert shell.says("explain", "MUG", "--location", "WH").startswith("4  MUG at WH, ")
    said = json.loads(shell.says("explain", "MUG", "--json"))
    assert [(one["units"], one["derived"]) for one in said["derivations"]] == [(2, 2)]
    past = shell.says("explain", "MUG", "--location", "WH", "--at", "2001-01-01T10:00")
    assert past.startswith("0  MUG at WH, 2001-01-01 10:00:00 UTC")


def test_what_cannot_be_explained_is_one_sentence(shell: Shell) -> None:
    bound(shell)
    assert shell.fails("explain", "CUP") == "sku 'CUP' is not known"
    assert shell.fails("explain", "MUG", "--location", "WG") == "location 'WG' is not known"
    assert shell.fails("explain", "MUG", "--channel", "bazaar") == (
        "no channel 'bazaar' in the settings; there are: boutique"
    )
    for text in ("soon", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        assert shell.fails("explain", "MUG", "--at", text) == f"{text!r} is not a time: write it as 2026-11-27T18:30"
    assert shell.fails("explain", "\udcff") == "an argument is not in UTF-8"
    assert shell.fails("explain", "MUG", "--at", "2999-01-01") == "2999-01-01 00:00:00 UTC has not come yet"
    assert shell.fails("explain", "MUG", "--location", "WH", "--channel", "boutique") == (
        "a number is of a location or of a channel: name one of them"
    )
    assert shell.fails("explain", "MUG", "--without", "supplier:ame").startswith(
        "nothing in this derivation is 'supplier:ame': leave out one of buffer, safety, share, "
    )


def test_a_long_history_is_cut_for_people_and_whole_in_json(shell: Shell) -> None:
    with shell.hub() as hub, hub.database.write() as connection:
        world = World(connection, hub.clock.now())
        for number in range(30):
            world.move("TRAY", "WH", 1, cause=f"delivery {number}")
    lines = shell.says("explain", "TRAY", "--location", "WH").splitlines()
    assert lines[0].startswith("32  TRAY at WH")
    assert sum("delivery" in line for line in lines) == 20
    assert any("… and 11 more before, +12 units (--json has all)" in " ".join(line.split()) for line in lines)
    assert shell.says("explain", "TRAY", "--location", "WH", "--json").count('"document": "delivery') == 30


@pytest.mark.parametrize(
    "words",
    [
        ("policy", "set", "discount", "5"),
        ("policy", "set", "share", "-1"),
        ("stock", "safety", "MUG", "WH", "-1"),
        ("stock", "receive", "MUG", "WH", "0", "--document", "D1"),
        ("stock", "receive", "MUG", "WH", "many", "--document", "D1"),
        ("stock", "receive", "MUG", "WH", "99999999999999999999", "--document", "D1"),
        ("stock", "receive", "MUG", "WH", "1"),
        ("stock", "adjust", "MUG", "WH", "1", "boredom", "--document", "D1"),
        ("stock", "expect", "PO-7", "MUG", "WH", "0", "--on", "2126-03-09"),
        ("stock", "expect", "PO-7", "MUG", "WH", "1", "--on", "tomorrow"),
        ("stock", "transfer", "T-1", "MUG", "WH", "SUP", "0"),
        ("stock", "arrive", "T-1", "MUG", "1", "--condition", "wet"),
        ("inbox", "replay", "seven"),
        ("inbox", "replay", "99999999999999999999999"),
        ("inbox", "accept", "99999999999999999999999"),
        ("tasks", "done", "0"),
        ("count", "enter", "C-1", "MUG", "-1"),
        ("count", "enter", "C-1", "MUG", "1", "--reason", "boredom"),
        ("count", "confirm", "C-1"),
        ("demo", "--orders", "0"),
        ("replay",),
        ("replay", "x.csv", "--speed", "0"),
        ("nonsense",),
        ("stock", "nonsense"),
    ],
)
def test_words_that_make_no_sense_are_explained_and_nothing_is_done(shell: Shell, words: tuple[str, ...]) -> None:
    code, out, err = shell.run(*words)
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    assert err


def test_an_order_is_explained(shell: Shell) -> None:
    with shell.hub() as hub, hub.database.write() as connection:
        world = World(connection, hub.clock.now())
        world.list_on("boutique", "MUG")
        order = an_order("1", {"MUG": 7, "WRAP": 1}, channel="boutique")
        wrap = order.lines[1].model_copy(update={"listing_external_id": None, "title": "Gift wrap"})
        world.take_in(order.model_copy(update={"lines": (order.lines[0], wrap)}))
    for name in ("1", "#1"):
        said = shell.says("orders", "explain", "boutique", name).splitlines()
        assert said[0].startswith("WH: ")
        assert [line.split() for line in said[-3:-1]] == [
            ["WH", "allocated", "MUG", "5"],
            ["shortfall:", "2", "of", "MUG"],
        ]
        assert said[-1] == "no goods: 1 of 'Gift wrap', 19.90 EUR"
    assert shell.fails("orders", "explain", "boutique", "2") == "channel 'boutique' has no order '2'"


@pytest.mark.parametrize("holds", [True, False])
def test_a_rehearsal_ends_with_its_figures_and_a_word_on_them(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, holds: bool
) -> None:
    figures = {
        "orders": 3,
        "lost": 0 if holds else 1,
        "sale_to_confirmed_seconds": {"webshop": {"count": 2, "p50": 0.5, "p95": 1.0, "p99": "infinite"}},
        "details": ["lost: webshop 7"] * 12,
    }
    monkeypatch.setattr(running, "run_replay", lambda *_, **__: Outcome(figures, holds))
    monkeypatch.setattr(running, "run_demo", lambda *_, **__: Outcome(figures, holds))
    for words in (("replay", "x.csv", "--json", "out/figures.json"), ("demo",)):
        code, out, err = shell.run(*words)
        assert (code, err) == (0 if holds else 1, "")
        lines = out.splitlines()
        assert lines[-1] == ("everything that must be 0 is 0" if holds else "something that must be 0 is not")
        assert lines.count("lost: webshop 7") == 10
        assert ["webshop", "2", "0.5", "1.0", "infinite"] in [line.split() for line in lines]
    assert '"lost": ' in (shell.folder / "out" / "figures.json").read_text("utf-8")


def test_a_rehearsal_that_cannot_be_carried_out_says_why(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shell.fails("replay", "gone.csv").startswith("gone.csv cannot be read: ")
    (shell.folder / "other.csv").write_text("a,b\n1,2\n", "utf-8")
    assert shell.fails("replay", "other.csv").startswith("other.csv has no column 'InvoiceNo'")

    def stopped(*_: object, **__: object) -> Outcome:
        raise RehearsalError("the demo was stopped before it began")

    monkeypatch.setattr(running, "run_demo", stopped)
    assert shell.fails("demo") == "the demo was stopped before it began"


def test_files_are_imported_dry_first_and_refused_rows_are_kept(shell: Shell) -> None:
    (shell.folder / "more.csv").write_text(
        "sku,title,gtin,colour\nMUG,Blue mug,4006381333931,b\nCUP,Cup,123,r\nPLATE,Plate,,w\n", "utf-8"
    )
    code, out, err = shell.run("import", "items", "more.csv", "--dry-run")
    assert (code, err) == (1, "nervure: 1 row would be refused and left out\n")
    assert out.splitlines() == [
        "more.csv, read as utf-8; columns that nobody reads: colour",
        "line 3: gtin: '123' is not a GTIN: The number has an invalid length.",
        "line 2 changes MUG: title 'Mug' -> 'Blue mug', gtin None -> '04006381333931'",
        "1 new, 1 changed, 0 unchanged, 1 refused; dry run, nothing was written",
    ]
    assert shell.fails("stock", "receive", "PLATE", "WH", "3", "--document", "D1") == "sku 'PLATE' is not known"
    code, out, err = shell.run("import", "items", "more.csv", "--refused", "refused.csv")
    assert (code, out.splitlines()[-1]) == (1, "1 new, 1 changed, 0 unchanged, 1 refused")
    assert err == "nervure: 1 row was refused and left out; 2 rows were written\n"
    assert (shell.folder / "refused.csv").read_text("utf-8").splitlines() == [
        "sku,title,gtin,colour,line,reason",
        "CUP,Cup,123,r,3,gtin: '123' is not a GTIN: The number has an invalid length.",
    ]
    assert shell.says("stock", "receive", "PLATE", "WH", "3", "--document", "D1") == "booked\n"
    assert shell.fails("import", "items", "gone.csv") == "gone.csv cannot be read: No such file or directory"
    sentence = "no/such.csv cannot be written: No such file or directory"
    assert shell.fails("import", "items", "more.csv", "--refused", "no/such.csv") == sentence


def test_locations_and_opening_stock_are_imported_and_the_settings_keep_what_is_theirs(shell: Shell) -> None:
    (shell.folder / "places.csv").write_text("code;name;kind\nST;Store;store\nWH;Other name;warehouse\n", "utf-8")
    code, out, err = shell.run("import", "locations", "places.csv")
    assert (code, err) == (1, "nervure: 1 row was refused and left out; 1 row was written\n")
    assert out.splitlines()[1:] == [
        "line 3: location 'WH' is written in the settings: change it there",
        "1 new, 0 changed, 0 unchanged, 1 refused",
    ]
    (shell.folder / "opening.csv").write_text("sku\tlocation\tunits\nMUG\tST\t4\nMUG\tWH\t5\n", "utf-8")
    assert shell.says("import", "stock", "opening.csv").splitlines()[-1] == "1 new, 0 changed, 1 unchanged, 0 refused"
    assert shell.says("import", "stock", "opening.csv").splitlines()[-1] == "0 new, 0 changed, 2 unchanged, 0 refused"
    with shell.hub() as hub, hub.database.read() as connection:
        assert World(connection).on_hand("MUG", "ST") == 4


@pytest.mark.requirement("R48")
def test_a_shop_goes_live_command_by_command(shell: Shell) -> None:
    text = SETTINGS.replace("needs_cutover = false\n", "").replace('opening_stock = "stock.csv"\n', "")
    (shell.folder / "nervure.toml").write_text(text, "utf-8")
    assert shell.fails("cutover", "stock") == (
        "no location has a live channel as its master: name one with --from CHANNEL=LOCATION"
    )
    code, out, err = shell.run("cutover", "go", "boutique")
    assert (code, err) == (1, "nervure: boutique cannot go live yet: 1 thing is unresolved\n")
    assert out == "nothing was heard of boutique yet: run `nervure cutover begin boutique`\n"
    lines = shell.says("cutover", "begin", "--since", "2026-01-01").splitlines()
    assert lines[1] == "boutique: 3 by sku"
    assert "not live" in shell.says("status")
    assert shell.says("cutover", "report", "--csv", "report.csv").splitlines() == [
        "boutique: 3 by sku",
        "every listing is decided",
    ]
    rows = (shell.folder / "report.csv").read_text("utf-8").splitlines()
    assert rows[0] == "channel,listing,listing_sku,listing_gtin,title,standing,text,sku,decision,reason"
    assert len(rows) == 4
    listing = next(row.split(",")[1] for row in rows if ",TRAY," in row)
    (shell.folder / "report.csv").write_text(
        f"channel,listing,decision,reason\nboutique,{listing},exclude,not for sale\n", "utf-8"
    )
    assert shell.says("cutover", "bind", "report.csv").splitlines()[-1] == "0 new, 1 changed, 0 unchanged, 0 refused"
    assert shell.says("cutover", "report", "boutique") == "boutique: 2 by sku, 1 excluded\nevery listing is decided\n"
    assert shell.fails("cutover", "stock", "--from", "boutique") == "--from boutique: write CHANNEL=LOCATION"
    assert shell.fails("cutover", "stock", "--also-less", "boutique").startswith("--also-less speaks of one number")
    said = shell.says("cutover", "stock", "--from", "boutique=WH")
    assert said == "WH from boutique: 0 items, 0 units booked; 0 had an opening stock\n"
    both = shell.fails("cutover", "go", "boutique", "--suppliers-have-them", "--send-to-suppliers")
    assert both == "say --suppliers-have-them or --send-to-suppliers, not both"
    with shell.hub() as hub:
        assert publish(hub, "boutique").total == 0
    assert shell.says("cutover", "go", "boutique") == "boutique is live\n"
    assert shell.says("cutover", "go", "boutique") == "boutique was live already\n"
    with shell.hub() as hub:
        assert publish(hub, "boutique").total == 2


def test_every_command_has_a_test_here() -> None:
    """A new command needs a line in one of these tests, or its name here, with the file that tests it."""
    elsewhere = {"up"}  # tests/nervure/service/test_up.py
    here = Path(__file__)
    files = [
        here,
        *(
            here.with_name(f"test_cli_{name}.py")
            for name in ("brakes", "claims", "desk", "routing", "shortfalls", "suppliers")
        ),
    ]
    text = "".join(file.read_text("utf-8") for file in files)

    def commands(group: typer.core.TyperGroup, *before: str) -> Iterator[tuple[str, ...]]:
        for name, command in group.commands.items():
            if isinstance(command, typer.core.TyperGroup):
                yield from commands(command, *before, name)
            else:
                yield (*before, name)

    top = get_command(cli.app)
    assert isinstance(top, typer.core.TyperGroup)
    untested = [
        words
        for words in commands(top)
        if words[-1] not in elsewhere and ", ".join(f'"{word}"' for word in words) not in text
    ]
    assert untested == []


def test_seeded_days_end_with_a_table_and_the_seeds_that_failed(shell: Shell) -> None:
    shell.monkeypatch.setattr(rehearsals, "SHORT", Size(goods=8, orders=5, hours=0.2, kit_share=0.3))
    said = shell.says("sim", "--seeds", "2", "--first", "7", "--faults", "doubled,late", "--json", "sim.json")
    assert "inside the hub, must be 0" in said
    assert "across channels, cannot be 0" in said
    assert said.endswith("2 of 2 seeds hold\n")
    assert json.loads((shell.folder / "sim.json").read_text("utf-8"))["seeds"] == 2
    told = shell.says("sim", "--seed", "7", "--faults", "none", "--trace").splitlines()
    assert told[0] == "00:00:00.000 world        seed 7: no faults"
    assert told[-1].startswith("seed 7 holds; its trace is ")
    assert shell.says("sim", "--seed", "7", "--faults", "none").splitlines() == told[-1:]
    assert "--trace needs the seed" in shell.fails("sim", "--trace")


def test_the_odds_of_selling_a_last_unit_twice_stand_beside_their_prediction(shell: Shell) -> None:
    shell.monkeypatch.setattr(odds, "GOODS", 14)
    shell.monkeypatch.setattr(odds, "HOURS", 0.5)
    head, *rows = [line.split() for line in shell.says("odds", "--runs", "1").splitlines()]
    assert head[-4:] == ["after,", "s", "predicted", "realized"]
    assert {row[0] for row in rows} <= set(odds.CHANNELS)
    assert {row[1] for row in rows} == {"0", "1"}
    shares = [float(share.removesuffix("%")) for row in rows for share in row[-2:]]
    assert all(0 <= share <= 100 for share in shares)
    assert any(shares)
