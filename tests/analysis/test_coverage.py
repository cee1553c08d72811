"""How often the intervals of all numbers of a study cover, where the truth is known."""

from collections import Counter, defaultdict

import pytest
from scipy.stats import binom

from agsam_tune.analysis import Summary, analyse
from tests.analysis.studies import facts_of, study_of, trials_of

WORLDS = {
    "a cliff": {"unit": {"ours": 0.3}, "edge": {"ours": 1.4}},
    "collapses": {"collapses": {"ours": 0.05, "theirs": 0.05}, "gain": {"ours": 0.01}},
}


def numbers(summary: Summary) -> dict[tuple[str, ...], tuple[float, float | None, float | None]]:
    """Every number with its interval: those of `ours`, the pair's differences, the gap's."""
    found: dict[tuple[str, ...], tuple[float, float | None, float | None]] = {}
    for row in summary.optimizers["ours"].metrics:
        if row.value is not None and row.metric != "placement":
            found["metric", row.lens, row.metric] = (row.value, row.low, row.high)
    for row in summary.comparisons:
        if row.estimate is not None:
            found["difference", row.lens, row.metric] = (row.estimate, row.low, row.high)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("replicates", [16])
def test_intervals_of_every_number_cover(name, replicates, studies=500):
    """The truth is the same functional of 1,000 replicates."""
    large = study_of(replicates=1000)
    trials = trials_of(large, seed=10**6, **WORLDS[name])
    truth = numbers(analyse(trials, large, facts_of(large)))
    study = study_of(replicates=replicates)
    facts = facts_of(study)
    covered: Counter[tuple[str, ...]] = Counter()
    asked: dict[tuple[str, ...], int] = defaultdict(int)
    for seed in range(studies):
        own = analyse(trials_of(study, seed=seed, **WORLDS[name]), study, facts)
        for key, (_, low, high) in numbers(own).items():
            if low is not None and high is not None and key in truth:
                asked[key] += 1
                covered[key] += low - 1e-12 <= truth[key][0] <= high + 1e-12
    shares = {key: covered[key] / n for key, n in asked.items()}
    print(name, *(f"{v:.3f} {' '.join(k)}" for k, v in sorted(shares.items())), sep="\n")  # noqa: T201
    short = {
        key: share
        for key, share in shares.items()
        if share < binom.ppf(0.0005, asked[key], 0.95) / asked[key]
    }
    assert short == {}
