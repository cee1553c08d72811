"""The documentation's links lead somewhere, and its examples work."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch

from agsam_tune.optimizers import RULES, rules
from agsam_tune.tasks.task import Task

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def _example(language: str, word: str) -> str:
    """The README's example in that language which has the word in it."""
    blocks = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    return next(block for block in blocks if word in block)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


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
