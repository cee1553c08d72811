"""A rule of one's own that would spoil a study's numbers is refused before anything is written."""

from pathlib import Path

import pytest

from tests.run.commands import QUICK, invoke

RULES = """
import torch
from agsam_tune.optimizers import optimizer, perturbed, unit

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
"""


def _study(folder: Path, name: str, more: str = "") -> Path:
    (folder / "my_rules.py").write_text(RULES)
    (folder / "search_spaces").mkdir()
    (folder / "search_spaces" / f"{name}.toml").write_text(
        f'optimizer = "my_rules:{name}"\n[rho]\nlow = 0.01\nhigh = 1.0\ndefault = 0.1\n{more}'
    )
    text = Path(QUICK).read_text()
    start = text.index("optimizers = ")
    text = text.replace(text[start : text.index("seed = 0")], f'optimizers = ["{name}"]\n')
    (folder / "mine.toml").write_text(text)
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
    tiny = ("--set", "training.epochs=1", "--set", "phases.map.points=4", "--set")
    study = _study(tmp_path, "good", power)
    arguments = (
        "run",
        study,
        *tiny,
        "phases.tune.points=2",
        "--out",
        tmp_path / "out",
        "--no-report",
    )
    done = invoke(*arguments, "--executor", "inline")
    assert done.returncode == 0, done.stdout + done.stderr
