"""Base optimizers, clipping, smoothing, precision, ways and sharpness: what a study may say."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agsam_tune.study import Sharpness, Study, StudyError, changed_keys, load_study

Write = Callable[[str], Path]

PAIR = "a list of 2 numbers >= 0 and < 1"
ADAM = ["training.base_optimizer=adam", "training.momentum=0"]


def problems_of(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(StudyError) as caught:
        load_study(path, overrides=overrides)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("training.betas=0.9", f"training.betas: found 0.9, allowed: {PAIR}"),
        ("training.betas=[0.9]", f"training.betas: found [0.9], allowed: {PAIR}"),
        ("training.betas=[]", f"training.betas: found [], allowed: {PAIR}"),
        ("training.betas=[0, 0.5, 0]", f"training.betas: found [0, 0.5, 0], allowed: {PAIR}"),
        ("training.betas=x", f"training.betas: found 'x', allowed: {PAIR}"),
        ("training.betas=[0.9, 1.0]", "training.betas[1]: found 1.0, allowed: a number >= 0"),
        ("training.betas=[-0.1, 0]", "training.betas[0]: found -0.1, allowed: a number >= 0"),
        ("training.betas=[nan, 0]", "training.betas[0]: found nan, allowed: a number >= 0"),
        ("training.betas=[0.9, 'x']", "training.betas[1]: found 'x', allowed: a number >= 0"),
        ("training.beta=[0.9, 0.9]", "training.beta: unknown key"),
        ("training.beta=[0.9, 0.9]", "did you mean 'betas'?"),
        ("training.eps=0", "training.eps: found 0, allowed: a number > 0"),
        ("training.eps=inf", "training.eps: found inf, allowed: a number > 0"),
        ("training.max_grad_norm=0", "training.max_grad_norm: found 0, allowed: a number > 0"),
        ("training.max_grad_norm=off", "training.max_grad_norm: found 'off', allowed: a number"),
        ("training.max_grad=1", "did you mean 'max_grad_norm'?"),
        ("training.label_smoothing=1", "label_smoothing: found 1, allowed: a number >= 0 and < 1"),
        ("training.label_smoothing=-0.1", "found -0.1, allowed: a number >= 0 and < 1"),
        ("training.precision=bfloat", "training.precision: found 'bfloat', allowed: float32, tf32"),
        ("training.precision=bfloat", "did you mean 'bfloat16'?"),
        ("training.precision=64", "training.precision: found 64, allowed: float32, tf32"),
        ("training.lr_schedule=lineer", "constant, cosine, linear; did you mean 'linear'?"),
        ("training.base_optimizer=adamm", "sgd, adam, adamw; did you mean 'adam'?"),
        ("packs.way=vmapp", "packs.way: found 'vmapp', allowed: auto, compiled, stacked, rows"),
        ("packs.way=vmapp", "did you mean 'vmap'?"),
        (
            "packs.wy=rows",
            "packs.wy: unknown key, allowed: rows, way, checkpoint, time_limit; did you mean "
            "'way'?",
        ),
        ("sharpness=true", "sharpness: found true, allowed: a table"),
        ("sharpness.rho=0", "sharpness.rho: found 0, allowed: a number > 0"),
        ("sharpness.gamma=-1", "sharpness.gamma: found -1, allowed: a number >= 0"),
        ("sharpness.examples=0", "sharpness.examples: found 0, allowed: an integer >= 1"),
        ("sharpness.examples=1.5", "sharpness.examples: found 1.5, allowed: an integer >= 1"),
        ("sharpness.max_iterations=0", "max_iterations: found 0, allowed: an integer >= 1"),
        ("sharpness.roh=1", "allowed: examples, rho, gamma, max_iterations; did you mean 'rho'?"),
        ("sharpnes.rho=1", "sharpnes: unknown key"),
        ("sharpnes.rho=1", "did you mean 'sharpness'?"),
        ("betas=[0, 0]", "did you mean 'training.betas'?"),
        ("way=vmap", "did you mean 'packs.way'?"),
        # keys of another base optimizer
        (
            "training.betas=[0.8, 0.9]",
            "found [0.8, 0.9] with base_optimizer = 'sgd', which does not take it; "
            "allowed: with 'adam' or 'adamw'",
        ),
        ("training.eps=1e-6", "training.eps: found 1e-06 with base_optimizer = 'sgd'"),
        (
            "training.base_optimizer=adamw",
            "training.momentum: found 0.9 with base_optimizer = 'adamw', which does not take it; "
            "allowed: with 'sgd'",
        ),
    ],
)
def test_a_mistake_is_named(study_file: Path, override: str, says: str) -> None:
    lines = problems_of(study_file, override)
    assert any(says in line for line in lines), lines
    assert all(f"(--set {override})" in line for line in lines)


def test_adam_has_no_nesterov(study_file: Path) -> None:
    (line,) = problems_of(study_file, *ADAM, "training.nesterov=true")
    assert "training.nesterov: found true with base_optimizer = 'adam'" in line


def test_adam_has_no_momentum_to_search(study_file: Path) -> None:
    box = "search_spaces.adaptive_gsam.momentum={low=0.1, high=0.9, default=0.5}"
    (line,) = problems_of(study_file, *ADAM, box)
    assert "search_spaces.adaptive_gsam.momentum: found a range with base_optimizer" in line


def test_all_of_it_can_be_said(study_file: Path) -> None:
    said = [
        *ADAM,
        "training.betas=[0, 0.99]",
        "training.eps=1e-6",
        "training.max_grad_norm=2",
        "training.label_smoothing=0.1",
        "training.precision=bfloat16",
        "training.lr_schedule=linear",
        "packs.way=rows",
        "sharpness.rho=0.1",
    ]
    study = load_study(study_file, overrides=said)
    training = study.training
    assert (training.base_optimizer, training.betas, training.eps) == ("adam", (0.0, 0.99), 1e-6)
    assert (training.max_grad_norm, training.label_smoothing) == (2.0, 0.1)
    assert (training.precision, training.lr_schedule) == ("bfloat16", "linear")
    assert study.packs.way == "rows"
    assert study.sharpness == Sharpness(rho=0.1)
    resolved = json.loads(json.dumps(study.resolved(), allow_nan=False))
    again = Study.from_resolved(resolved)
    assert again == study
    assert again.hash == study.hash
    assert again.resolved() == resolved


def test_sharpness_is_measured_where_its_table_is(write: Write, valid: str) -> None:
    assert load_study(write(valid)).sharpness is None
    assert load_study(write(f"{valid}[sharpness]\n")).sharpness == Sharpness()
    assert load_study(write(f"{valid}[sharpness]\nrho = 0.2\n")).sharpness == Sharpness(rho=0.2)


def test_a_default_that_is_written_out_changes_no_hash(write: Write, valid: str) -> None:
    written_out = (
        "[training]\nbetas = [0.9, 0.999]\neps = 1e-8\nlabel_smoothing = 0.0\n"
        'precision = "float32"\nbase_optimizer = "sgd"\n'
    )
    text = valid.replace("[training]\n", written_out).replace("rows = 16", 'way = "vmap"')
    assert load_study(write(text)).hash == load_study(write(valid)).hash


def test_a_manifest_from_before_is_the_same_study(study_file: Path) -> None:
    study = load_study(study_file)
    old = study.resolved()
    for key in ("betas", "eps", "max_grad_norm", "label_smoothing", "precision"):
        del old["training"][key]
    del old["sharpness"], old["packs"]["way"]
    for space in old["search_spaces"].values():
        del space["rule"]
    assert Study.from_resolved(old) == study
    assert changed_keys(old, study.resolved()) == []


@pytest.mark.parametrize(
    ("overrides", "lines"),
    [
        (["training.max_grad_norm=1.0"], ["training.max_grad_norm: (absent) → 1.0"]),
        (["training.label_smoothing=0.1"], ["training.label_smoothing: 0.0 → 0.1"]),
        (["training.precision=tf32"], ["training.precision: 'float32' → 'tf32'"]),
        (
            [*ADAM, "training.betas=[0.8, 0.9]", "training.eps=1e-7"],
            [
                "training.base_optimizer: 'sgd' → 'adam'",
                "training.momentum: 0.9 → 0.0",
                "training.betas: [0.9, 0.999] → [0.8, 0.9]",
                "training.eps: 1e-08 → 1e-07",
            ],
        ),
        (
            ["sharpness.rho=0.1"],
            [
                "sharpness.examples: (absent) → 1000",
                "sharpness.rho: (absent) → 0.1",
                "sharpness.gamma: (absent) → 0.1",
                "sharpness.max_iterations: (absent) → 1000",
            ],
        ),
    ],
)
def test_what_it_changes_is_in_the_hash(
    study_file: Path, overrides: list[str], lines: list[str]
) -> None:
    study, other = load_study(study_file), load_study(study_file, overrides=overrides)
    assert other.hash != study.hash
    assert sorted(changed_keys(study.resolved(), other.resolved())) == sorted(lines)
    assert len(changed_keys(other.resolved(), study.resolved())) == len(lines)
