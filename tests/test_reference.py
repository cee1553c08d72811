"""docs/reference.md says what the program says."""

from tests.reference import COMMAND, PAGE, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(), f"write it anew: {COMMAND}"


def test_it_has_every_command_and_function() -> None:
    text = PAGE.read_text("utf-8")
    for title in ("### agsam-tune run", "### agsam-tune sys-info", "### agsam_tune.plan"):
        assert f"{title}\n" in text
    assert "| `--set KEY=VALUE` | Override a key" in text
    assert "| `STUDY` | The study file, or a name" in text
