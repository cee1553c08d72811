"""What of a study may be set when its results are looked at again."""

from pathlib import Path

import pytest

from agsam_tune.study import (
    StudyError,
    analysis_changes,
    analysis_changes_text,
    load_study,
    with_analysis,
)

QUICK = Path(__file__).parents[2] / "studies" / "quick.toml"


def changed(*arguments: str) -> str:
    study = load_study(QUICK)
    return analysis_changes_text(analysis_changes(study, with_analysis(study, arguments)))


def test_what_may_be_set_is_set_and_nothing_else_changes() -> None:
    study = load_study(QUICK)
    here = with_analysis(study, ["analysis.margin=0.01", "analysis.epsilons=[0.02]"])
    assert here.analysis.margin == 0.01
    assert here.analysis.epsilons == (0.02,)
    assert here.model_copy(update={"analysis": study.analysis}) == study
    assert analysis_changes(study, here)[0] == {
        "key": "analysis.margin",
        "run": 0.02,
        "here": 0.01,
    }


def test_what_changes_is_said() -> None:
    assert changed() == ""
    assert changed("analysis.margin=0.02") == ""
    assert changed("analysis.confidence=0.9") == "analysis.confidence 0.95 → 0.9"
    assert changed("control=") == "control gsam_matched → none"


def test_a_control_is_that_of_its_pair() -> None:
    another = "candidate adaptive_gsam → gsam_matched, control gsam_matched → none"
    assert changed("candidate=gsam_matched") == another
    turned = changed("candidate=gsam_matched", "control=adaptive_gsam")
    assert turned == f"{another.removesuffix('none')}adaptive_gsam"
    assert "candidate adaptive_gsam → none" in changed("candidate=", "baseline=")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["training.epochs=3"],
            "--set training.epochs=3: found the key 'training.epochs', allowed",
        ),
        (["training.epochs=3"], "any other key needs another run"),
        (["phases.map.points=16"], "analysis.margin, analysis.epsilons, analysis.confidence, cand"),
        (["analysis.max_replicates=128"], "any other key needs another run"),
        (["analysis.margn=0.1"], "did you mean 'analysis.margin'"),
        (["analysis=3"], "found the key 'analysis', allowed"),
        (["analysis.margin.x=3"], "found the key 'analysis.margin.x', allowed"),
        (["analysis.margin=2"], "(--set analysis.margin=2): analysis.margin: found 2, allowed"),
        (["candidate=gsan"], "found 'gsan', allowed: one of the study's optimizers: gsam"),
        (["candidate=3"], "found 3, allowed"),
        (["candidate=gsam"], "which is the candidate too"),
        (["candidate="], "candidate: missing, needed"),
        (["analysis.margin"], "found no '='"),
    ],
    ids=str,
)
def test_what_cannot_be_set_is_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(StudyError) as caught:
        with_analysis(load_study(QUICK), arguments)
    assert message in str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(StudyError) as caught:
        with_analysis(load_study(QUICK), ["analysis.margin=2", "baseline=gsan"])
    assert len(caught.value.problems) == 2
