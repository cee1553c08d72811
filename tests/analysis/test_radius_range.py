"""The lengths that the phase `radius` draws from, found from the phase `key`."""

import numpy as np
import pytest

from agsam_tune.analysis import radius_range
from tests.analysis.studies import TRIVIAL, study_of, trials_of


@pytest.fixture(scope="module")
def study():
    return study_of(replicates=16)


def test_the_decade_is_where_the_first_of_the_two_begins_to_fail(study):
    """A cliff at 1, or at 1.4, of width 0.12 decades keeps nine tenths 0.26 decades before."""
    trials = trials_of(study, unit={"ours": 0.3}, edge={"ours": 1.4})
    low, high = radius_range(trials, study, trivial=TRIVIAL)
    assert high / low == pytest.approx(10)
    assert np.log10(np.sqrt(low * high)) == pytest.approx(-0.12 * np.log(9), abs=0.12)
    # Nothing but the phase key is read, and the unit of the key is not in it.
    only_key = trials[trials["phase"] == "key"].sample(frac=1, random_state=0)
    assert radius_range(only_key, study, trivial=TRIVIAL) == pytest.approx((low, high))


def test_a_range_that_the_study_gives_stays(study):
    given = [
        p.model_copy(update={"low": 0.1, "high": 2.0}) if p.name == "radius" else p
        for p in study.phases
    ]
    study = study.model_copy(update={"phases": tuple(given)})
    assert radius_range(trials_of(study)[:0], study, trivial=TRIVIAL) == (0.1, 2.0)


@pytest.mark.parametrize("edge", [{"ours": 1e6}, {"theirs": 1e6}])
def test_where_one_never_fails_the_study_is_asked(study, edge):
    found = radius_range(trials_of(study, edge=edge), study, trivial=TRIVIAL)
    assert f"at which {next(iter(edge))} begins to fail" in found
    assert found.endswith("give low and high of the phase radius")
