"""What is checked of a study before it runs, and how its packs will be computed.

In: a study and its tasks, in the process that trains or drives. Out: nothing, or an error that
says what is wrong; the plan. Must not import Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agsam_tune.errors import UsageError
from agsam_tune.study import BASE_HYPERPARAMETERS, Resources, SearchSpace, Study
from agsam_tune.tasks.tasks import Tasks

if TYPE_CHECKING:
    from agsam_tune.optimizers import Rule


def check_rules(study: Study, import_path: Sequence[str] = ()) -> None:
    """Load the study's update rules; `optimizers.rule(name)` finds each of them from then on.

    A search space may also hold lr, momentum and weight_decay, which the base optimizer takes.

    Args:
        study: the study.
        import_path: folders in which a user's module is looked for as well.

    Raises:
        UsageError: an optimizer has no update rule, or one that does not take its search space.
    """
    problems = []
    for name in study.optimizers:
        try:
            _check_rule(study.search_spaces[name], import_path)
        except UsageError as error:
            problems.append(str(error))
    if problems:
        raise UsageError("; ".join(problems))


def own_rules(study: Study) -> tuple[Rule, ...]:
    """The update rules of the study that are not built in, after `check_rules`."""
    from agsam_tune.optimizers import rule  # imports torch

    spaces = study.search_spaces.values()
    return tuple(rule(space.optimizer) for space in spaces if space.rule)


def _check_rule(space: SearchSpace, import_path: Sequence[str]) -> None:
    from agsam_tune.optimizers import RULES, load_rule  # imports torch: only to train

    name = space.optimizer
    if space.rule is None and name not in RULES:
        how = "for one of your own write optimizer = 'package.module:function' in it"
        raise UsageError(f"{name} has a search space, but no update rule of this name; {how}")
    chosen = load_rule(name, space.rule, import_path) if space.rule else RULES[name]
    given = set(space.names) - set(BASE_HYPERPARAMETERS)
    if given == set(chosen.hyperparameters):
        _check_ascent(chosen, space)
        if space.rule:
            _try_rule(chosen, space)
        return
    wanted = ", ".join(chosen.hyperparameters) or "no hyperparameters"
    found = ", ".join(sorted(given)) or "none"
    where = (
        f"; its ranges go into [search_spaces.{name}.NAME] of the study or {name}.toml beside it"
    )
    raise UsageError(f"{name} takes {wanted}, but its search space has {found}{where}")


def _check_ascent(chosen: Rule, space: SearchSpace) -> None:
    """Raise UsageError where the search space is wrong about whether the rule ascends.

    A study is checked without importing its rules, so it has to say it.
    """
    has = chosen.ascent is not None
    if has != space.ascent:
        what = "an ascent step" if has else "no ascent step"
        said = "none" if has else "one"
        raise UsageError(
            f"{space.optimizer} has {what}, but its search space says that it has {said}; write "
            f"ascent = {'true' if has else 'false'} in its file"
        )


def _try_rule(own: Rule, space: SearchSpace) -> None:
    """Raise UsageError where a rule of the user's own would spoil a study's numbers."""
    from agsam_tune.contract import ContractError, check_before_a_run  # imports torch

    try:
        check_before_a_run(own, space)
    except ContractError as error:
        raise UsageError(f"optimizer {space.optimizer} ({space.rule}): {error}") from error


def device_of(study: Study) -> str:
    """Where the study's trials are trained, as PyTorch names it."""
    return "cuda" if study.resources.gpus else "cpu"


def check_device(study: Study, *, gpus: int | None, address: str | None) -> None:
    """Raise UsageError where packs ask for a GPU that this machine does not have, or should.

    On a cluster the workers' machines decide.
    """
    from agsam_tune.engine import gpu_is_available  # imports torch

    wanted = study.resources.gpus
    if not wanted and study.training.precision == "tf32":
        msg = (
            "training.precision: tf32 is for GPUs, and a pack takes none (resources.gpus = 0); "
            "allowed here: float32, bfloat16"
        )
        raise UsageError(msg)
    if gpus and not gpu_is_available():
        raise UsageError(f"--gpus {gpus}: there is no GPU to use here")
    if wanted and address is None and (gpus == 0 or not gpu_is_available()):
        msg = (
            f"resources.gpus: a pack takes {wanted:g}, but there is no GPU to use here; "
            "set resources.gpus=0 to train on the CPU"
        )
        raise UsageError(msg)


def machine(*, cpus: int | None, gpus: int | None) -> dict[str, float]:
    """What is used of this machine: how many `cpu` and `gpu`.

    Args:
        cpus: cores to use; None for all that this process may use.
        gpus: GPUs to use; None for all.
    """
    from joblib import cpu_count

    from agsam_tune.engine import gpu_count  # imports torch

    return {
        "cpu": float(cpu_count() if cpus is None else cpus),
        "gpu": float(gpu_count() if gpus is None else gpus),
    }


def packs_at_once(resources: Resources, there: Mapping[str, float]) -> int:
    """How many packs can be trained at once on so many `cpu` and `gpu`."""
    wanted = {"cpu": resources.cpus, "gpu": resources.gpus}
    return min(int(there.get(kind, 0.0) / each + 1e-9) for kind, each in wanted.items() if each)


def check_fits(resources: Resources, there: Mapping[str, float]) -> None:
    """Raise UsageError where a pack needs more than there is: Ray would wait for ever."""
    for kind, wanted in (("cpu", resources.cpus), ("gpu", resources.gpus)):
        have = there.get(kind, 0.0)
        if wanted > have:
            msg = f"resources.{kind}s: a pack takes {wanted:g}, but {have:g} may be used here"
            raise UsageError(msg)


def plan(study: Study, tasks: Tasks) -> dict[str, Any]:
    """How the study's packs are computed on this machine's device, found by measuring.

    Raises:
        UsageError: the task's model cannot be trained, or not as the study says.
    """
    from agsam_tune.engine import ModelError, make_plan  # imports torch

    try:
        return make_plan(
            tasks,
            study.training,
            device=device_of(study),
            way=study.packs.way,
            rows=study.packs.rows,
            share=study.resources.gpus,
            sharpness=study.sharpness,
        ).to_dict()
    except ModelError as error:
        raise UsageError(f"task {tasks.first.name}: {error}") from error
