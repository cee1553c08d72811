"""docs/extend.md as the files and commands that it shows."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extend.md").read_text("utf-8")


def shown_files() -> dict[str, str]:
    """File name → contents of every code block that has a file's name above it."""
    block = r"^\*\*`([^`]+)`\*\*\n\n```\w+\n(.*?)^```"
    return dict(re.findall(block, PAGE, re.DOTALL | re.MULTILINE))


def commands() -> list[list[str]]:
    """The commands that a reader types."""
    blocks = re.findall(r"^```console\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return [line[2:].split() for block in blocks for line in block.splitlines() if line[:2] == "$ "]


def moves() -> dict[str, str]:
    """The file of the folder → the file of the package that it becomes."""
    return dict(re.findall(r"^\| `([^`]+)` \| `(my_plugin/[^`]+)` \|$", PAGE, re.MULTILINE))


def write_folder(folder: Path) -> None:
    """The page's folder; its `pyproject.toml` belongs to the package."""
    for name, text in shown_files().items():
        if name != "pyproject.toml":
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")


def write_package(folder: Path) -> None:
    """The page's package."""
    files = shown_files()
    (folder / "my_plugin" / "search_spaces").mkdir(parents=True)
    (folder / "my_plugin" / "__init__.py").touch()
    (folder / "pyproject.toml").write_text(files["pyproject.toml"], "utf-8")
    for old, new in moves().items():
        text = files[old].replace('"my_rules:root_gsam"', '"my_plugin.rules:root_gsam"')
        (folder / new).write_text(text, "utf-8")
