"""The contract of an optimizer: what the engine takes for granted of an update rule.

In: a rule, a decorated function or a reference. Out: nothing, or a `ContractError`. Everything
is computed on the CPU and on one thread, as the engine does it there. Must not import the
engine, Ray, Optuna or pytest.

Shapes: K rows (models), P parameters of one model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from agsam_tune.contract.broken import ContractError, broken, run_checks
from agsam_tune.errors import UsageError
from agsam_tune.optimizers import Rule
from agsam_tune.optimizers.loading import rule_of
from agsam_tune.optimizers.rules import IS_WEIGHT
from agsam_tune.plugins import find_object, in_one_line
from agsam_tune.study import BASE_HYPERPARAMETERS, Range, SearchSpace, read_search_space

_DTYPES = (torch.float32, torch.float64)
_BITS = {torch.float32: torch.int32, torch.float64: torch.int64}
# Odd sizes leave the rows of a pack differently aligned in memory.
_SIZES = (1, 37, 2241)
_ROWS = 7
# Where neither the caller nor a search space says more.
_PLAUSIBLE = MappingProxyType({"rho": 0.2, "alpha": 0.4, "gamma": 0.1, "lam": 0.7})
_OTHERWISE = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleUnderTest:
    """A rule with what it is checked at.

    Attributes:
        rule: the rule.
        values: a plausible value of each hyperparameter; rows get 0.5 to 1.5 times it.
        search_space: its search space, or None.
    """

    rule: Rule
    values: Mapping[str, float]
    search_space: SearchSpace | None = None

    def columns(self, rows: int, dtype: torch.dtype) -> dict[str, Tensor]:
        """Each hyperparameter as a (K, 1) column, different in every row."""
        factors = np.random.default_rng(3).uniform(0.5, 1.5, (len(self.values), rows, 1))
        pairs = zip(self.values.items(), factors, strict=True)
        return {name: torch.from_numpy(value * f_K1).to(dtype) for (name, value), f_K1 in pairs}

    def apply(
        self, w_KP: Tensor, g_KP: Tensor, gp_KP: Tensor, columns: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """All that the rule computes: the ascent step, if it has one, and the direction."""
        if self.rule.asks_for_weights:
            # Every third entry is of a bias.
            is_weight_P = torch.arange(w_KP.shape[1]) % 3 > 0
            columns = {**columns, IS_WEIGHT: is_weight_P.unsqueeze(0)}
        found = {"the update direction": self.rule.update_direction(g_KP, gp_KP, columns)}
        if self.rule.ascent is not None:
            found["the ascent step"] = self.rule.ascent_step(w_KP, g_KP, columns)
        return found


def rule_under_test(
    rule: Rule | Callable[..., Tensor] | str,
    *,
    values: Mapping[str, float] | None = None,
    search_space: str | Path | None = None,
) -> RuleUnderTest:
    """A rule with what it is checked at; the arguments are those of `check_rule`."""
    try:
        chosen = rule_of(find_object(rule) if isinstance(rule, str) else rule)
    except (UsageError, TypeError, ValueError) as error:
        broken(f"{rule!r}: {error}")
    space = read_search_space(Path(search_space)) if search_space else None
    ranges = space.ranges if space else {}
    known = {**_PLAUSIBLE, **_sound_values(ranges), **(values or {})}
    named = {name: known.get(name, _OTHERWISE) for name in chosen.hyperparameters}
    return RuleUnderTest(rule=chosen, values=named, search_space=space)


def _sound_values(ranges: Mapping[str, Range]) -> dict[str, float]:
    """Each default; of one that is 0 the middle of its range, since 0 may switch a part off."""
    return {name: box.default or (box.low + box.high) / 2 for name, box in ranges.items()}


def check_rule(
    rule: Rule | Callable[..., Tensor] | str,
    *,
    values: Mapping[str, float] | None = None,
    search_space: str | Path | None = None,
) -> None:
    """Check that an update rule keeps the contract that the built-in optimizers keep.

    Args:
        rule: a `Rule`, a function decorated with `@optimizer(…)`, or "package.module:function".
        values: plausible values of the hyperparameters; by default the search space's, and
            those of the built-ins.
        search_space: the rule's search-space file, to be checked with it.

    Raises:
        ContractError: with every promise that is broken.
        StudyError: the search-space file is none.
    """
    subject = rule_under_test(rule, values=values, search_space=search_space)
    run_checks(f"optimizer {subject.rule.name!r}", subject, RULE_CHECKS)


def _shapes(subject: RuleUnderTest) -> None:
    for dtype in _DTYPES:
        columns = subject.columns(_ROWS, dtype)
        for name, found_KP in subject.apply(*_rows(_ROWS, 37, dtype), columns).items():
            if found_KP.shape != (_ROWS, 37) or found_KP.dtype != dtype:
                broken(
                    f"{name} of {dtype} rows {(_ROWS, 37)} is {found_KP.dtype} "
                    f"{tuple(found_KP.shape)}; it must be like its arguments"
                )
            _require_finite(name, found_KP, "of ordinary rows")


def _arguments_left_alone(subject: RuleUnderTest) -> None:
    rows, columns = _rows(_ROWS, 37, torch.float32), subject.columns(_ROWS, torch.float32)
    given = {**dict(zip(("w_KP", "g_KP", "gp_KP"), rows, strict=True)), **columns}
    before = {name: x.clone() for name, x in given.items()}
    subject.apply(*rows, columns)
    changed = [name for name, x in given.items() if not torch.equal(x, before[name])]
    if changed:
        broken(f"it changes {', '.join(changed)}; no function may write to its arguments")


def _deterministic(subject: RuleUnderTest) -> None:
    rows, columns = _rows(_ROWS, 37, torch.float32), subject.columns(_ROWS, torch.float32)
    first, second = (subject.apply(*rows, columns) for _ in range(2))
    for name, found_KP in first.items():
        if not _same_bits(found_KP, second[name]):
            broken(f"{name} differs between two calls with the same arguments")


def _rows_are_independent(subject: RuleUnderTest) -> None:
    """The same bits alone, in a pack of 7 and in a pack of 64."""
    selections: tuple[Sequence[int], ...] = (range(20, 27), (0,), (5,), (63,))
    for dtype in _DTYPES:
        columns = subject.columns(64, dtype)
        for size in _SIZES:
            matrices = _rows(64, size, dtype)
            whole = subject.apply(*matrices, columns)
            for chosen in selections:
                rows = list(chosen)
                w_KP, g_KP, gp_KP = (x_KP[rows] for x_KP in matrices)
                part = {name: column_K1[rows] for name, column_K1 in columns.items()}
                for name, found_KP in subject.apply(w_KP, g_KP, gp_KP, part).items():
                    if not _same_bits(found_KP, whole[name][rows]):
                        broken(
                            f"{name} of rows {rows[0]} to {rows[-1]} has other bits in a pack of "
                            f"{len(rows)} than in one of 64 ({dtype}, P = {size}); take norms and "
                            "sums over dim 1 alone, and of functions only what is exact to the "
                            "last bit (+ − × ÷ abs sqrt; not pow, exp, matmul)"
                        )


def _broken_rows_stay_alone(subject: RuleUnderTest) -> None:
    """A diverged row, of NaN, does not spoil the others."""
    matrices, columns = _rows(_ROWS, 37, torch.float32), subject.columns(_ROWS, torch.float32)
    clean = subject.apply(*matrices, columns)
    for x_KP in matrices:
        x_KP[4] = torch.nan
    others = [row for row in range(_ROWS) if row != 4]
    for name, found_KP in subject.apply(*matrices, columns).items():
        if not _same_bits(found_KP[others], clean[name][others]):
            broken(f"NaN in one row changes {name} of others; rows may not depend on one another")


def _zero_gradients(subject: RuleUnderTest) -> None:
    for dtype in _DTYPES:
        w_KP, g_KP, gp_KP = _rows(_ROWS, 37, dtype)
        zero_KP, columns = torch.zeros_like(g_KP), subject.columns(_ROWS, dtype)
        for g, gp in ((zero_KP, zero_KP), (zero_KP, gp_KP), (g_KP, zero_KP)):
            for name, found_KP in subject.apply(w_KP, g, gp, columns).items():
                _require_finite(name, found_KP, "where a gradient is zero")
                if name == "the ascent step" and g is zero_KP and bool(found_KP.any()):
                    broken(f"{name} is not zero where the gradient is")


def _gradients_of_all_sizes(subject: RuleUnderTest) -> None:
    for dtype in _DTYPES:
        limits, columns = torch.finfo(dtype), subject.columns(_ROWS, dtype)
        w_KP, g_KP, gp_KP = _rows(_ROWS, 37, dtype)
        for size in (limits.smallest_normal, limits.tiny**0.5, limits.max**0.5, limits.max / 100):
            results = subject.apply(20 * w_KP, size * g_KP, size * gp_KP, columns)
            for name, found_KP in results.items():
                _require_finite(name, found_KP, f"where gradients are about {size:.0e} ({dtype})")


def _rho_is_a_radius(subject: RuleUnderTest) -> None:
    if "rho" not in subject.values or subject.rule.ascent is None:
        return
    columns = subject.columns(_ROWS, torch.float32)
    columns["rho"] = torch.zeros_like(columns["rho"])
    matrices = _rows(_ROWS, 37, torch.float32)
    if bool(subject.apply(*matrices, columns)["the ascent step"].any()):
        broken("the ascent step is not zero where rho is")


def _columns_act_on_their_row(subject: RuleUnderTest) -> None:
    matrices, columns = _rows(_ROWS, 37, torch.float64), subject.columns(_ROWS, torch.float64)
    before = subject.apply(*matrices, columns)
    others = [row for row in range(_ROWS) if row != 2]
    for hyperparameter in columns:
        changed = {name: column_K1.clone() for name, column_K1 in columns.items()}
        changed[hyperparameter][2] *= 0.5
        after = subject.apply(*matrices, changed)
        if any(not torch.equal(after[name][others], before[name][others]) for name in after):
            broken(f"{hyperparameter} of one row acts on others")
        if all(torch.equal(after[name][2], before[name][2]) for name in after):
            value = columns[hyperparameter][2].item()
            broken(f"{hyperparameter} has no effect: {value:.3g} and half of it give the same")


def _fits_its_search_space(subject: RuleUnderTest) -> None:
    space = subject.search_space
    if space is None:
        return
    given = set(space.names) - set(BASE_HYPERPARAMETERS)
    if given != set(subject.rule.hyperparameters):
        wanted = ", ".join(subject.rule.hyperparameters) or "none"
        broken(f"it takes {wanted}, but the search space has {', '.join(sorted(given)) or 'none'}")


def _on_one_thread(check: Callable[[RuleUnderTest], None]) -> Callable[[RuleUnderTest], None]:
    def run(subject: RuleUnderTest) -> None:
        with _one_thread():
            check(subject)

    return run


#: promise → what checks it.
RULE_CHECKS: Mapping[str, Callable[[RuleUnderTest], None]] = MappingProxyType(
    {
        promise: _on_one_thread(check)
        for promise, check in {
            "shapes and precision are kept": _shapes,
            "arguments are left alone": _arguments_left_alone,
            "the same call gives the same": _deterministic,
            "rows do not depend on their pack": _rows_are_independent,
            "a broken row stays alone": _broken_rows_stay_alone,
            "a zero gradient gives no step and no NaN": _zero_gradients,
            "tiny and huge gradients give finite numbers": _gradients_of_all_sizes,
            "rho = 0 gives no step": _rho_is_a_radius,
            "each hyperparameter acts, on its own row": _columns_act_on_their_row,
            "the search space is that of its hyperparameters": _fits_its_search_space,
        }.items()
    }
)


def _rows(rows: int, size: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Weights and two gradients, normal random numbers, (K, P)."""
    draws = np.random.default_rng(0).normal(size=(3, rows, size))
    w_KP, g_KP, gp_KP = (torch.from_numpy(draw).to(dtype) for draw in draws)
    return w_KP, g_KP, gp_KP


def _same_bits(a: Tensor, b: Tensor) -> bool:
    """Equal bit for bit: NaN equals itself, 0 does not equal −0."""
    kind = _BITS[a.dtype]
    return torch.equal(a.contiguous().view(kind), b.contiguous().view(kind))


def _require_finite(name: str, found_KP: Tensor, where: str) -> None:
    if not bool(found_KP.isfinite().all()):
        broken(
            f"{name} has NaN or infinity {where}; unit(), norm() and orthogonal() of "
            "agsam_tune.optimizers are safe there"
        )


@contextmanager
def _one_thread() -> Iterator[None]:
    """No sum may be split among threads: where it is depends on the number of rows."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


# Without these a study's numbers would be wrong, not only hard to make again.
_BEFORE_A_RUN = (
    "shapes and precision are kept",
    "arguments are left alone",
    "the same call gives the same",
    "a broken row stays alone",
)


def check_before_a_run(rule: Rule, space: SearchSpace) -> None:
    """The least that a study asks of a rule before it trains with it.

    Args:
        rule: one of the user's own.
        space: its search space.

    Raises:
        ContractError: with the first promise that is broken, in one line.
    """
    sound = _sound_values(space.ranges)
    subject = RuleUnderTest(rule=rule, values={name: sound[name] for name in rule.hyperparameters})
    for promise in _BEFORE_A_RUN:
        try:
            RULE_CHECKS[promise](subject)
        except ContractError:
            raise
        except Exception as error:
            raise ContractError(f"it raised {in_one_line(error)}") from error
