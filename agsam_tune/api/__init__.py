"""The program for notebooks and scripts: each command as a function.

In: study files, studies, runs' folders. Out: plans, folders, tables, estimates, figures. Must not
import torch or Ray; what is heavy is imported where it is used.

    >>> import agsam_tune
    >>> study = agsam_tune.load_study("quick", overrides=["training.epochs=2"])
    >>> folder = agsam_tune.run(study, out="runs/first", executor="inline", quiet=True)
    >>> agsam_tune.analyse(folder).verdict
    'undecided'
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from agsam_tune.api.analysis import Analysis
from agsam_tune.api.elsewhere import next_trials
from agsam_tune.asked import AskedStudy, asked_study
from agsam_tune.errors import ExitCode, RunError, UsageError
from agsam_tune.study import Study, find_study
from agsam_tune.study import load_study as _load_study

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

    from agsam_tune.planning import StudyPlan

__all__ = [
    "Analysis",
    "analyse",
    "curves",
    "figures",
    "load_study",
    "next_trials",
    "plan",
    "results",
    "run",
]

StudyLike = Study | Path | str
RunLike = Path | str


def load_study(path: Path | str, *, overrides: Sequence[str] = ()) -> Study:
    """A study from its file, checked whole.

    Args:
        path: the study file, beside which search spaces are looked for first; or a name:
            NAME.toml in this folder, else the built-in study.
        overrides: texts "KEY=VALUE" as `--set` takes them.

    Raises:
        StudyError: with everything that is wrong, one line a problem.

    >>> study = load_study("quick", overrides=["training.epochs=2"])
    >>> study.optimizers
    ('gsam', 'adaptive_gsam', 'gsam_matched')
    >>> load_study("quick", overrides=["training.epoch=2"])
    Traceback (most recent call last):
        ...
    agsam_tune.study.errors.StudyError: ...did you mean 'epochs'?
    """
    return _load_study(find_study(Path(path)), overrides=overrides)


def plan(
    study: StudyLike,
    *,
    out: Path | str | None = None,
    cpus: int | None = None,
    gpus: int | None = None,
    executor: str = "ray",
    pilot: int | None = None,
    reuse: Sequence[Path | str] = (),
    import_path: Sequence[Path | str] = (),
) -> StudyPlan:
    """What a study, or what is left of it, will take and what it can find; nothing is stored.

    Args:
        study: a study, its file or name, or the folder of a run: its study, as it was begun.
        out: the run's folder; if None `runs/NAME`, or the folder that is named.
        cpus: cores to use of this machine; None for all.
        gpus: GPUs to use of this machine; None for all.
        executor: "ray", or "inline" for this process alone.
        pilot: replicates of candidate and baseline that are trained to see what the study can
            find; 0 for none, None for up to 4, as many as are trained within two minutes.
        reuse: see `run`.
        import_path: folders in which one's own task is looked for, besides the current one and
            that of the study's file, or those that a run was begun with.

    Raises:
        StudyError: the study's file is wrong.
        UsageError: the task, its model or the folder cannot be used.

    >>> found = plan("quick", out="runs/new", pilot=0)
    >>> found.trials
    296
    >>> least, expected, most = found.wall
    >>> least < expected < most
    True
    """
    from agsam_tune.planning import PlanOptions, plan_run
    from agsam_tune.quiet import quietened

    asked = _asked(study, out, import_path)
    options = PlanOptions(
        out=asked.out,
        cpus=cpus,
        gpus=gpus,
        executor=executor,
        import_path=asked.import_path,
        pilot=pilot,
        reuse=tuple(map(Path, reuse)),
    )
    with quietened():
        return plan_run(asked.study, options)


def run(
    study: StudyLike,
    *,
    out: Path | str | None = None,
    storage: str | None = None,
    cpus: int | None = None,
    gpus: int | None = None,
    executor: str = "ray",
    time_budget: float | None = None,
    report: bool = True,
    quiet: bool = False,
    reuse: Sequence[Path | str] = (),
    retry_failed: bool = False,
    until_decided: bool = False,
    import_path: Sequence[Path | str] = (),
) -> Path:
    """Run a study, or carry it on, and write its report; what is stored is not run again.

    An interrupted run, or one whose time is over, returns as well: the same call carries on.

    Args:
        study: a study, its file or name, or the folder of a run, which is carried on from what
            is in it alone, or with `out` repeated.
        out: the run's folder; if None `runs/NAME`, or the folder that is named.
        storage: where results lie; None for a journal in the run's folder.
        cpus: cores to use of this machine; None for all.
        gpus: GPUs to use of this machine; None for all.
        executor: "ray", or "inline" for this process alone.
        time_budget: seconds after which no pack is started.
        report: whether the report is written too.
        quiet: whether nothing is shown but what went wrong.
        reuse: folders of runs; those of their trials that the study would train again, to the
            same numbers, are taken over.
        retry_failed: whether trials that failed before are run again, and what hangs on them.
        until_decided: whether twice the replicates follow while the claim is undecided, up to
            `analysis.max_replicates`.
        import_path: see `plan`.

    Returns:
        the run's folder, which the other functions take.

    Raises:
        StudyError: the study's file is wrong.
        UsageError: the task, its model, the folder or the storage cannot be used.
        RunError: another process runs this study, or a trial raised.

    >>> run("quick", out="runs/one", executor="inline", report=False, quiet=True)
    PosixPath('runs/one')
    >>> len(results("runs/one"))
    296
    """
    from rich.console import Console

    from agsam_tune.quiet import quietened
    from agsam_tune.run_storage import named_storage
    from agsam_tune.running import RunOptions, run_study

    asked = _asked(study, out, import_path)
    options = RunOptions(
        out=asked.out,
        storage=named_storage(storage),
        executor=executor,
        cpus=cpus,
        gpus=gpus,
        time_budget=time_budget,
        import_path=asked.import_path,
        command=("agsam_tune.run",),
        report=report,
        reuse=tuple(map(Path, reuse)),
        retry_failed=retry_failed,
        until_decided=until_decided,
    )
    with quietened():
        code = run_study(asked.study, options, Console(quiet=quiet))
    if code is ExitCode.FAILURE:
        raise RunError(f"{options.out}: not every trial could be trained; the lines above say why")
    return options.out


def results(run: RunLike) -> pd.DataFrame:
    """The trials of a run, one row each, with the columns of `trials.parquet` (docs/design.md).

    Raises:
        UsageError: the folder holds no run.

    >>> table = results(folder)
    >>> table.groupby("optimizer")["test_accuracy"].count().to_dict()
    {'adaptive_gsam': 136, 'gsam': 136, 'gsam_matched': 24}
    """
    from agsam_tune.reporting import read_run

    return read_run(Path(run), curves=False).trials


def curves(run: RunLike) -> pd.DataFrame:
    """The learning curves of a run, one row a trial and epoch; none of trials made elsewhere.

    Raises:
        UsageError: the folder holds no run.

    >>> curves(folder)["epoch"].max()
    np.int64(4)
    """
    from agsam_tune.reporting import read_run

    return read_run(Path(run)).curves


def analyse(run: RunLike, *, overrides: Sequence[str] = ()) -> Analysis:
    """Every estimate of a run, computed anew from what is stored.

    Args:
        run: the run's folder.
        overrides: texts "KEY=VALUE" of another `analysis` key, `candidate`, `baseline` or
            `control` than the run's study has, such as "analysis.margin=0.01".

    Raises:
        UsageError: the folder holds no run.
        StudyError: an override cannot be.

    >>> found = analyse(folder)
    >>> found.comparisons.query("metric == 'regret' and verdict.notna()")["lens"].to_list()
    ['same_setting', 'own_scale', 'equal_radius']
    >>> found.summary.optimizers["gsam"].trainings
    136
    """
    from agsam_tune.quiet import quietened
    from agsam_tune.reporting import analysed, read_run

    with quietened():
        stored = read_run(Path(run), curves=False, overrides=overrides)
        return Analysis(summary=analysed(stored))


def figures(run: RunLike, *, optimizer: str | None = None) -> dict[str, Figure]:
    """The analysis's main figures for notebooks, by name; they show themselves.

    Args:
        run: the run's folder.
        optimizer: the one whose own curves are drawn in bold, and whose surfaces, tuning and
            XX for the study's candidate, else its first.

    Raises:
        UsageError: the folder holds no run, the optimizer is none of its study's, or Plotly is not
            installed.

    >>> list(figures(folder))[:4]
    ['claim', 'key', 'off', 'radius']
    """
    from agsam_tune.reporting import analysed, read_run

    try:
        from plotly.io import from_json
    except ImportError as error:
        msg = "figures need Plotly, which is not installed: pip install 'agsam-tune[notebook]'"
        raise UsageError(msg) from error
    from agsam_tune.dashboard.plots import plots
    from agsam_tune.quiet import quietened

    stored = read_run(Path(run))
    study = stored.study
    name = optimizer or study.candidate or study.optimizers[0]
    if name not in study.optimizers:
        allowed = ", ".join(study.optimizers)
        raise UsageError(f"optimizer: found {name!r}, allowed: {allowed}")
    with quietened():
        drawn = plots(study, analysed(stored), stored.curves, name)
    return {one.key.partition("-")[2]: from_json(one.json) for one in drawn}


def _asked(study: StudyLike, out: Path | str | None, folders: Sequence[Path | str]) -> AskedStudy:
    """The study, the folder it runs in, and where modules of one's own are looked for."""
    folder = None if out is None else Path(out)
    if isinstance(study, Study):
        asked = AskedStudy(
            study=study,
            origin=Path(study.name),
            out=folder or Path("runs") / study.name,
            import_path=(str(Path.cwd()),),
        )
    else:
        asked = asked_study(Path(study), out=folder)
    if asked.out.is_file():
        raise UsageError(f"{asked.out}: found a file, allowed: a folder")
    return replace(asked, import_path=(*map(str, folders), *asked.import_path))
