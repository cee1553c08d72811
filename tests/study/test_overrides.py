"""`--set KEY=VALUE`: what it can change, and what it says when it cannot."""

from pathlib import Path

import pytest

from agsam_tune.study import StudyError, load_study


def message_of(path: Path, *overrides: str) -> str:
    with pytest.raises(StudyError) as caught:
        load_study(path, overrides=overrides)
    return str(caught.value)


def test_keys_of_every_kind(study_file: Path) -> None:
    study = load_study(
        study_file,
        overrides=[
            "training.epochs=5",
            " training.lr_schedule = cosine ",
            "phases.map.points=32",
            "search_spaces.gsam.rho.high=3.5",
            "search_spaces.adaptive_gsam.gamma.low=0.01",
            "analysis.epsilons=[0.02, 0.04]",
            "phases.fixed.points.gsam.rho=0.25",
            'optimizers=["gsam", "adaptive_gsam", "gsam_matched", "sgd"]',
            "reference.source=a = b",
        ],
    )
    assert study.training.epochs == 5
    assert study.training.lr_schedule == "cosine"
    assert study.phase("map").points == 32
    assert study.search_spaces["gsam"].ranges["rho"].high == 3.5
    assert study.search_spaces["gsam"].ranges["rho"].low == 0.005
    assert study.search_spaces["adaptive_gsam"].ranges["gamma"].low == 0.01
    assert study.analysis.epsilons == (0.02, 0.04)
    assert study.phase("fixed").fixed[1].hyperparameters["rho"] == 0.25
    assert study.optimizers[-1] == "sgd"
    assert study.reference.source == "a = b"


def test_the_last_one_counts(study_file: Path) -> None:
    study = load_study(study_file, overrides=["training.epochs=5", "training.epochs=7"])
    assert study.training.epochs == 7


def test_it_can_mend_the_file(study_file: Path) -> None:
    study_file.write_text(study_file.read_text().replace("epochs = 2", "epochs = 0"))
    assert load_study(study_file, overrides=["training.epochs=1"]).training.epochs == 1


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("training.epochs", "found no '='"),
        ("=3", "dotted names"),
        ("training..epochs=3", "dotted names"),
        ("training.epochs=-1", "training.epochs: found -1, allowed: an integer >= 1"),
        ("training.epochs=1\nlr = 3", "training.epochs: found '1\\nlr = 3'"),
        ("training.epoch=3", "did you mean 'epochs'?"),
        ("training.epochs.x=3", "training.epochs is 2, which has no keys"),
        ("trainig.epochs=3", "did you mean 'training'?"),
        ("training=3", "training: found 3, allowed: a table"),
        (
            "phases.mpa.points=3",
            "no entry called 'mpa', allowed: map, key, off, radius, tune, misset, ",
        ),
        ("phases.mpa.points=3", "did you mean 'map'?"),
        ("phases.map=3", "phases.map.KEY=VALUE"),
        ("phases.map.points=20", "found 20"),
        ("phases.map.replicates=3", "it stands above the first table now"),
        ("search_spaces.gsam.rho.high=0.001", "low < high"),
        ("search_spaces.asam.rho.high=4", "of this study"),
        ("optimizers=gsam", "optimizers: found 'gsam', allowed: a list"),
        ('optimizers=["gsam"]', "candidate: found 'adaptive_gsam'"),
        ("task=paper_moons", "task_options.train_size: unknown key, this table takes no keys"),
        ("seed=" + "9" * 5_000, "seed: found '9999"),
        ("seed=" + "9" * 25, "seed: found '9999"),
    ],
)
def test_what_it_breaks_is_named_with_it(study_file: Path, override: str, says: str) -> None:
    message = message_of(study_file, override)
    assert says in message
    for line in message.splitlines():
        assert f"--set {override[:20].split(chr(10))[0]}" in line


def test_an_entry_named_twice_cannot_be_meant(study_file: Path) -> None:
    text = study_file.read_text().replace(
        'optimizer = "sgd"', 'optimizer = "gsam"\nrho = 1\nalpha = 0'
    )
    study_file.write_text(text)
    message = message_of(study_file, "phases.fixed.points.gsam.rho=0.25")
    assert "2 entries called 'gsam'" in message


def test_all_of_them_are_reported(study_file: Path) -> None:
    message = message_of(study_file, "nonsense", "training.epochs=0", "phases.x.points=1")
    assert len(message.splitlines()) == 3


def test_the_file_is_left_as_it_is(study_file: Path) -> None:
    before = study_file.read_bytes()
    load_study(study_file, overrides=["training.epochs=5"])
    assert study_file.read_bytes() == before
