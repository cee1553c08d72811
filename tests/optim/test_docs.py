"""docs/optim.md: its examples run, in order, and do what the text around them says."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from agsam_tune import optim

PAGE = (Path(__file__).parents[2] / "docs" / "optim.md").read_text("utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(autouse=True)
def own_random_numbers() -> Iterator[None]:
    state = torch.get_rng_state()
    torch.manual_seed(0)
    yield
    torch.set_rng_state(state)


# What Lightning says of torch's newest version, of a bar's width, and of a short epoch.
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning", "ignore::UserWarning:pytorch_.*")
def test_the_examples_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    tracked = []
    for example in EXAMPLES:
        before = names["model"][0].weight.detach().clone() if names else None
        exec(example, names)  # noqa: S102  (the page's own code)
        model = names["model"]
        tracked.append(int(model[1].num_batches_tracked))
        assert all(bool(p.isfinite().all()) for p in model.parameters())
        if before is not None and "step(" in example:
            assert not torch.equal(model[0].weight.detach(), before)
    assert len(EXAMPLES) == 9
    assert names["optimizer"].param_groups[0]["rho"] == 0.5
    # Eight batches in most loops, one step in others; the second passes are not counted. The
    # scaled loop by hand has no managers, so its one step counts twice.
    assert tracked == [8, 9, 17, 25, 33, 35, 43, 43, 43]
    assert (tmp_path / "last.pt").exists()


@pytest.mark.parametrize("name", ["SAM", "ASAM", "GSAM", "AdaptiveGSAM"])
def test_the_table_has_the_defaults(name: str) -> None:
    (row,) = re.findall(rf"^\| `{name}` \|.*\| (.*) \|$", PAGE, re.MULTILINE)
    printed = {key: float(value) for key, value in re.findall(r"(\w+)=([\d.]+)", row)}
    parameters = inspect.signature(getattr(optim, name)).parameters
    hyperparameters = ("rho", "alpha", "gamma")
    defaults = {n: parameters[n].default for n in hyperparameters if n in parameters}
    assert printed == defaults
