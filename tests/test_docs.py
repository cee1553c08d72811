"""The documentation's links lead somewhere, and its examples work."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from agsam_tune.cli import app
from agsam_tune.optimizers import RULES, rules
from agsam_tune.tasks.task import Task

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def _example(language: str, word: str) -> str:
    """The README's example in that language which has the word in it."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return next(block for block in blocks if word in block)


def test_links_lead_somewhere() -> None:
    missing = [
        f"{page.name}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert missing == []


def test_snippets_are_python_and_commands_are_there() -> None:
    known = {command.name for command in app.registered_commands}
    in_code = r"(?:`|^\$ |^    )agsam-tune ([a-z][a-z-]*)"
    for page in PAGES:
        text = page.read_text("utf-8")
        for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
            compile(block, str(page), "exec")
        assert set(re.findall(in_code, text, re.MULTILINE)) <= known, page


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"]({page.name})" in index, page.name


def test_the_readme_is_short_and_cites_what_the_citation_file_does() -> None:
    assert README.count("\n") <= 275
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    (entry,) = re.findall(r"```bibtex\n(.*?)```", README, re.DOTALL)
    found = dict(re.findall(r"^  (\w+) += \{(.*)\},$", entry, re.MULTILINE))
    assert found["version"] == citation["version"]
    assert found["title"] == citation["title"]
    assert found["license"] == citation["license"]
    assert found["author"] == f"{{{citation['authors'][0]['name']}}}"
    assert citation["abstract"].startswith(found["note"])


def test_the_example_of_a_task_is_one() -> None:
    names: dict[str, Any] = {}
    exec(_example("python", "def cancer"), names)  # noqa: S102  (the README's own code)
    task = names["cancer"](seed=0)
    assert isinstance(task, Task)
    assert len(task.train.y) == 300


def test_the_example_of_an_optimizer_fits_its_search_space(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "RULES", dict(RULES))
    exec(_example("python", "def root_gsam"), {"__name__": "my_rules"})  # noqa: S102
    added = rules.rule("root_gsam")
    space = tomllib.loads(_example("toml", "root_gsam"))
    assert space["optimizer"] == "my_rules:root_gsam"
    assert set(added.hyperparameters) == set(space) - {"optimizer"}
    one = torch.ones(1, 1)
    step_KP = added.ascent_step(torch.full((1, 4), 4.0), torch.ones(1, 4), {"rho": one})
    torch.testing.assert_close(step_KP, torch.ones(1, 4))


@pytest.mark.parametrize("page", ["README.md", "docs/sharpness.md"])
def test_the_examples_of_a_loop_run(page: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    loops = [block for block in blocks if "import torch\n" in block]
    assert loops
    for block in loops:
        exec(block, {})  # noqa: S102
