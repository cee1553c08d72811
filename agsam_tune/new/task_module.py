"""The module of a task of one's own: where it goes, and what it begins as.

In: `package.module:function`, and the study's folder. Out: a path, and the text of a module that
keeps a task's contract (docs/extend.md) with made-up data. Nothing is imported to look for it.
Must not import torch, Ray, Optuna, NumPy or pandas.
"""

from __future__ import annotations

import importlib
import importlib.util
import keyword
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from string import Template

#: The options of the module as it is written: name, value, what it is.
TASK_OPTIONS = (
    ("n", 1500, "examples in all, a third in each split"),
    ("classes", 3, "clouds, one a class"),
    ("spread", 0.7, "standard deviation of each cloud"),
    ("label_noise", 0.0, "share of the training labels that are drawn anew"),
)

# Names that the module's own code has.
_USED = ("np", "Mlp", "Split", "Task")

_TEXT = Template('''\
"""What $study.toml trains, chooses and reports on.

A task is a function. It gets the study's seed and, by name, what stands in [task_options] of the
study file, and returns three splits of data and a model. The data here are made up: put your own in
their place. This says whether all that a task promises still holds:

    python -c "from agsam_tune.contract import check_task; check_task('$task')"
"""

import numpy as np
from agsam_tune.tasks.task import Mlp, Split, Task


def $function(
    *,
    seed: int,
$arguments
) -> Task:
    """Gaussian clouds on a circle.

    Args:
        seed: the study's seed.
$documented
    """
    # Draw from nothing else than this generator: the same seed must give the same data.
    rng = np.random.default_rng(seed)

    # x: (examples, features), or (examples, channels, height, width). Scale it here, by what the
    # training split alone says of its mean and spread. y: whole numbers from 0, one a class.
    y = rng.permutation(np.arange(n) % classes)
    angle = 2 * np.pi * y / classes
    x = 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1) + spread * rng.normal(size=(n, 2))

    # Which examples are trained on, chosen on and reported on. An example belongs to one split.
    train, validation, test = np.array_split(np.arange(n), 3)

    # Only labels that are trained on may be wrong.
    y_train = y[train]
    wrong = rng.random(len(train)) < label_noise
    y_train = np.where(wrong, rng.integers(classes, size=len(train)), y_train)

    return Task(
        name="$function",
        train=Split(x=x[train].astype(np.float32), y=y_train.astype(np.int64)),
        # With validation=None settings are chosen on the test split.
        validation=Split(x=x[validation].astype(np.float32), y=y[validation].astype(np.int64)),
        test=Split(x=x[test].astype(np.float32), y=y[test].astype(np.int64)),
        # Inputs, hidden units, outputs: one output a class, or a single one for two classes. Any
        # torch.nn.Module does too: Network(build=..., outputs=...) in place of Mlp.
        model=Mlp(widths=(2, 32, 32, classes)),
    )
''')


def module_text(task: str, study: str) -> str:
    """The module of `task`, `package.module:function`, for a study called `study`."""
    return _TEXT.substitute(
        task=task,
        study=study,
        function=task.partition(":")[2],
        arguments="\n".join(
            f"    {name}: {type(value).__name__} = {value!r}," for name, value, _ in TASK_OPTIONS
        ),
        documented="\n".join(f"        {name}: {what}." for name, _, what in TASK_OPTIONS),
    )


def module_problem(task: str, folder: Path) -> str | None:
    """Why `task` cannot be written as a function of a module in `folder`, or None."""
    module, _, function = task.partition(":")
    taken = [part for part in (*module.split("."), function) if keyword.iskeyword(part)]
    if function in _USED:
        taken.append(function)
    if taken:
        return (
            f"found {task!r}, allowed: another name than {taken[0]!r}, which means something else"
        )
    spec = _top(module, folder)
    if spec is None or module_file(task, folder) is not None or _is_in(spec, folder):
        return None
    top = module.partition(".")[0]
    return (
        f"found {task!r}, but there is a {top} without such a module in {_places(spec)[0]}; "
        "allowed: a module that is there, or a name of its own"
    )


def new_module_file(task: str, folder: Path) -> Path:
    """Where the module goes that is not there yet."""
    return folder.joinpath(*task.partition(":")[0].split(".")).with_suffix(".py")


def module_file(task: str, folder: Path) -> Path | None:
    """Where the module is that a run from here of a study in `folder` would import, or None."""
    module = task.partition(":")[0]
    spec, (_, *inner) = _top(module, folder), module.split(".")
    if spec is None:
        return None
    if not inner:
        return Path(spec.origin) if spec.origin else None
    bases = [Path(place).joinpath(*inner) for place in spec.submodule_search_locations or ()]
    files = [file for base in bases for file in (base.with_suffix(".py"), base / "__init__.py")]
    return next((file for file in files if file.is_file()), None)


def _top(module: str, folder: Path) -> ModuleSpec | None:
    """The module's package, as a run looks for it: installed, beside the study, and here."""
    top = module.partition(".")[0]
    importlib.invalidate_caches()
    try:
        installed = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        installed = None
    return installed or PathFinder.find_spec(top, [str(folder.resolve()), str(Path.cwd())])


def _places(spec: ModuleSpec) -> Sequence[str]:
    return list(spec.submodule_search_locations or ()) or [spec.origin or "Python itself"]


def _is_in(spec: ModuleSpec, folder: Path) -> bool:
    """Whether a package lies in `folder`, so that a module can be added to it there."""
    here = folder.resolve()
    return any(
        Path(place).resolve().parent == here for place in spec.submodule_search_locations or ()
    )
