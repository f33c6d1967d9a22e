"""`nervure shortfalls` and `nervure import substitutes`: what cannot be served, from the file to the choice."""

from nervure.operations.proposing import make_proposals
from tests.nervure import test_cli
from tests.nervure.test_cli import Shell
from tests.nervure.world import World, an_order, must_hold

shell = test_cli.shell

ASKING = """needs_cutover = false
shortfalls = { variant = "ask", cancel = "ask", answer_hours = 24 }
"""
GROUPS = "group,sku,relation\ngifts,MUG,variant\ngifts,TRAY,variant\n"


def short(shell: Shell) -> None:
    """Seven mugs are bought where five are."""
    text = test_cli.SETTINGS.replace("needs_cutover = false\n", ASKING)
    (shell.folder / "nervure.toml").write_text(text, "utf-8")
    (shell.folder / "groups.csv").write_text(GROUPS, "utf-8")
    assert shell.says("shortfalls", "groups") == "no groups: write them with `nervure import substitutes`\n"
    assert "2 new, 0 changed, 0 unchanged, 0 refused; dry run" in shell.says(
        "import", "substitutes", "groups.csv", "--dry-run"
    )
    assert "2 new, 0 changed, 0 unchanged, 0 refused" in shell.says("import", "substitutes", "groups.csv")
    assert shell.says("shortfalls", "list") == "nothing is short\n"
    with shell.hub() as hub, hub.database.write() as connection:
        world = World(connection, hub.clock.now())
        world.list_on("boutique", "MUG", "TRAY")
        world.take_in(an_order("1", {"MUG": 7}, channel="boutique"))


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_what_is_short_is_listed_chosen_for_and_explained(shell: Shell) -> None:
    short(shell)
    assert words(shell.says("shortfalls", "groups"))[1:] == [
        ["gifts", "variant", "MUG", "0", "-", "as_paid", "as_paid", "never"],
        ["gifts", "variant", "TRAY", "0", "-", "as_paid", "as_paid", "never"],
    ]
    assert words(shell.says("shortfalls", "list"))[1] == ["boutique", "#1", "1-1", "MUG", "2", "-", "-", "-"]
    shown = shell.says("shortfalls", "options", "boutique", "1")
    assert shown.startswith("line 1-1: 2 of MUG are missing\n")
    assert [line[0] for line in words(shown)[2:]] == ["variant:TRAY", "cancel"]
    assert shell.fails("shortfalls", "choose", "boutique", "1", "cancel") == (
        "nothing was offered for order '1' of channel 'boutique'"
    )
    with shell.hub() as hub:
        assert make_proposals(hub) == 1
    assert "variant:TRAY, cancel" in shell.says("shortfalls", "list", "--channel", "boutique")
    assert "the customer's link: /proposals/" in shell.says("shortfalls", "options", "boutique", "#1")
    said = "order #1, 2 of MUG: TRAY by group gifts: 2 in WH; at the price paid\n"
    assert shell.says("shortfalls", "choose", "boutique", "#1", "variant:TRAY", "--by", "Ana") == said
    assert "this was answered at" in shell.fails("shortfalls", "choose", "boutique", "1", "cancel")
    explained = shell.says("orders", "explain", "boutique", "#1")
    assert "2 of MUG missing: Ana chose variant:TRAY: TRAY by group gifts: 2 in WH" in explained
    assert "substituted" in shell.says("tasks", "list")
    with shell.hub() as hub, hub.database.read() as connection:
        must_hold(World(connection, hub.clock.now()))


def test_a_file_of_groups_says_what_was_written_and_what_was_left_out(shell: Shell) -> None:
    (shell.folder / "groups.csv").write_text(GROUPS + "boxes,SET,variant\nboxes,NONE,variant\n", "utf-8")
    code, out, err = shell.run("import", "substitutes", "groups.csv", "--refused", "refused.csv")
    assert (code, err) == (1, "nervure: 2 rows were refused and left out; 2 rows were written\n")
    assert out.splitlines()[1:] == [
        "line 4: nothing of group 'boxes' is taken: look at line 5",
        "line 5: sku 'NONE' is not known",
        "2 new, 0 changed, 0 unchanged, 2 refused",
    ]
    assert (shell.folder / "refused.csv").read_text("utf-8").count("boxes") == 3, "both rows, and one reason"
    assert [line[0] for line in words(shell.says("shortfalls", "groups"))[1:]] == ["gifts", "gifts"]


def test_what_is_not_there_is_said(shell: Shell) -> None:
    short(shell)
    assert shell.fails("shortfalls", "options", "boutique", "2") == (
        "channel 'boutique' has no order '2' that lacks something"
    )
    assert shell.fails("shortfalls", "list", "--channel", "x").startswith("no channel 'x' in the settings")
    assert shell.says("shortfalls", "forget-group", "gifts") == "group gifts is forgotten\n"
    assert shell.fails("shortfalls", "forget-group", "gifts") == "there is no group 'gifts'"


def test_settings_that_cannot_be_kept_are_refused(shell: Shell) -> None:
    text = test_cli.SETTINGS.replace("needs_cutover = false", 'shortfalls = { at_deadline = "cancel" }')
    (shell.folder / "nervure.toml").write_text(text, "utf-8")
    assert 'at_deadline = "cancel" needs cancel to be "ask" or "auto"' in shell.fails("status")
