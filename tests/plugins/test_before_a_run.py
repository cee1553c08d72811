"""A rule of one's own that would spoil a study's numbers is refused before anything is written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agsam_tune.errors import UsageError
from agsam_tune.executors.checks import check_rules, own_rules
from agsam_tune.executors.data import load_tasks
from agsam_tune.executors.work import ImportPath, Job, train
from agsam_tune.study import load_study
from agsam_tune.trials import Pack, State, Trial
from tests.run.commands import invoke

RULES = """
import torch
from agsam_tune.optimizers import Rule, optimizer, perturbed, unit

@optimizer(direction=perturbed)
def good(w_KP, g_KP, *, rho_K1, power_K1):
    return rho_K1 * unit(g_KP) * w_KP.abs().pow(power_K1)  # other bits in other packs: allowed

@optimizer(direction=perturbed)
def raising(w_KP, g_KP, *, rho_K1):
    return unti(g_KP)

@optimizer(direction=perturbed)
def narrow(w_KP, g_KP, *, rho_K1):
    return g_KP[:, 1:]

@optimizer(direction=perturbed)
def nothing(w_KP, g_KP, *, rho_K1):
    pass

@optimizer(direction=perturbed)
def writing(w_KP, g_KP, *, rho_K1):
    return g_KP.mul_(rho_K1)

@optimizer(direction=perturbed)
def random(w_KP, g_KP, *, rho_K1):
    return rho_K1 * torch.randn_like(g_KP)

@optimizer(direction=perturbed)
def leaking(w_KP, g_KP, *, rho_K1):
    return rho_K1 * g_KP / g_KP.norm()

@optimizer(direction=perturbed)
def hot(w_KP, g_KP, *, rho_K1):
    return rho_K1 * torch.log(-g_KP.abs())

@optimizer(direction=perturbed)
def signs(w_KP, g_KP, *, gamma_K1):
    return torch.sign(g_KP) * (w_KP.abs() + gamma_K1)

def smaller(g_KP, gp_KP, *, lam_K1):
    return lam_K1 * g_KP

level = Rule(name="level", ascent=None, direction=smaller, hyperparameters=("lam",))
"""


STUDY = """
task = "moons"
optimizers = ["{name}"]
seed = 0
replicates = 2
[task_options]
n = 600
train_size = 300
val_size = 100
[training]
epochs = 1
batch_size = 50
lr = 0.05
momentum = 0.9
[[phases]]
name = "map"
points = 4
"""


@pytest.fixture(autouse=True)
def gone_after_it(module: Callable[..., Path]) -> None:
    """What a test imports from its folder."""


def _study(folder: Path, name: str, more: str = "", *, first: str = "") -> Path:
    """A study of one rule of `my_rules`; `first` and `more` begin and end its search space."""
    (folder / "my_rules.py").write_text(RULES)
    (folder / "search_spaces").mkdir()
    own = {"signs": "gamma", "level": "lam"}.get(name, "rho")
    (folder / "search_spaces" / f"{name}.toml").write_text(
        f'optimizer = "my_rules:{name}"\n{first}\n'
        f"[{own}]\nlow = 0.01\nhigh = 1.0\ndefault = 0.1\n{more}"
    )
    (folder / "mine.toml").write_text(STUDY.format(name=name))
    return folder / "mine.toml"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("raising", "NameError: name 'unti' is not defined"),
        ("narrow", "(7, 36); it must be like its arguments"),
        ("nothing", "'NoneType'"),
        ("writing", "it changes g_KP"),
        ("random", "differs between two calls"),
        ("leaking", "NaN in one row changes"),
        ("hot", "NaN or infinity of ordinary rows"),
    ],
)
def test_it_is_refused_in_one_line(name: str, says: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = invoke("run", _study(tmp_path, name), "--executor", "inline", "--out", out)
    assert done.returncode == 2, done.stdout
    assert f"optimizer {name} (my_rules:{name}): " in done.stderr
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not out.exists()


def test_rounding_that_depends_on_the_pack_is_allowed(tmp_path: Path) -> None:
    power = "[power]\nlow = 0.0\nhigh = 1.0\ndefault = 0.0\n"
    check_rules(load_study(_study(tmp_path, "good", power)), [str(tmp_path)])


@pytest.mark.parametrize(
    ("name", "line", "says"),
    [
        ("good", "ascent = false", "good has an ascent step, but .* none; write ascent = true in"),
        ("level", "", "level has no ascent step, but .* one; write ascent = false in its file"),
    ],
)
def test_a_search_space_that_is_wrong_about_the_ascent_step_is_refused(
    name: str, line: str, says: str, tmp_path: Path
) -> None:
    power = "[power]\nlow = 0.0\nhigh = 1.0\ndefault = 0.0\n" if name == "good" else ""
    study = load_study(_study(tmp_path, name, power, first=line))
    with pytest.raises(UsageError, match=says):
        check_rules(study, [str(tmp_path)])


def test_a_rule_without_rho_makes_steps_of_the_length_that_a_trial_asks_for(
    tmp_path: Path,
) -> None:
    """In the phase `radius` the length stands in rho, which the rule does not take."""
    study = load_study(_study(tmp_path, "signs"))
    folders = [str(tmp_path)]
    check_rules(study, folders)
    job = Job(
        import_path=ImportPath(tuple(folders)),
        study=study,
        tasks=load_tasks(study, folders),
        rules=own_rules(study),
        device="cpu",
        way="auto",
    )
    trials = tuple(
        Trial(
            optimizer="signs",
            phase="radius",
            replicate=r,
            index=0,
            point=r,
            seed=0,
            hyperparameters=(("gamma", 0.3), ("rho", 0.1 * (r + 1))),
        )
        for r in range(2)
    )
    outcomes = train(job, Pack(trials=trials)).outcomes
    assert [outcome.state for outcome in outcomes] == [State.COMPLETE] * 2
    assert [outcome.radius for outcome in outcomes] == pytest.approx([0.1, 0.2], rel=1e-6)
    # Each was trained on its replicate's data, as alone.
    alone = [train(job, Pack(trials=(trial,))).outcomes[0] for trial in trials]
    assert [o.test_loss for o in alone] == [o.test_loss for o in outcomes]
