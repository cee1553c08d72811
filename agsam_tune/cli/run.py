"""`agsam-tune run`: a study from its file to its report.

In: a study file and options. Out: a run's folder, and an exit code. Heavy packages are
imported inside the command, after what may be wrong in a file or a key, so that a mistake is
answered at once. Must not import torch or Ray.
"""

from __future__ import annotations

from typing import Annotated

import typer

from agsam_tune.cli.durations import seconds
from agsam_tune.cli.errors import Debug, readable_errors
from agsam_tune.cli.options import (
    Cpus,
    Data,
    Executor,
    ExecutorChoice,
    Gpus,
    Out,
    Overrides,
    Reuse,
    StudyFile,
    set_data_folder,
)
from agsam_tune.errors import UsageError

Storage = Annotated[
    str | None,
    typer.Option(
        help="Where results lie: a journal's path, sqlite:///…, postgresql+psycopg://….",
        show_default="a journal in the run's folder",
    ),
]
Address = Annotated[
    str | None, typer.Option(help="Attach to this Ray cluster: auto, or HOST:PORT.")
]
TimeBudget = Annotated[
    str | None, typer.Option(help="Start no more packs after this long: 90s, 20m, 1h30m.")
]
UntilDecided = Annotated[
    bool,
    typer.Option(
        "--until-decided",
        help="While the claim is undecided, go on with twice the replicates, up to "
        "analysis.max_replicates.",
    ),
]
Report = Annotated[
    bool, typer.Option("--report/--no-report", help="Write the report, or the trials alone.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show nothing but what went wrong.")]
RetryFailed = Annotated[
    bool,
    typer.Option(
        "--retry-failed",
        help="Run again the trials that raised an error or ended their worker, and what hangs on "
        "them; one that diverged has a result.",
    ),
]


def run(
    study: StudyFile,
    out: Out = None,
    storage: Storage = None,
    address: Address = None,
    cpus: Cpus = None,
    gpus: Gpus = None,
    data: Data = None,
    set_: Overrides = None,
    time_budget: TimeBudget = None,
    reuse: Reuse = None,
    until_decided: UntilDecided = False,
    executor: ExecutorChoice = Executor.RAY,
    report: Report = True,
    quiet: Quiet = False,
    retry_failed: RetryFailed = False,
    debug: Debug = False,
) -> None:
    """Run a study, or carry it on, and write its report.

    With a run's folder in place of a study, that run is carried on, or with --out repeated. More
    replicates carry a run on too: nothing is trained twice.
    """
    with readable_errors(debug, stopped="stopped; the same command carries on"):
        from agsam_tune.asked import asked_study
        from agsam_tune.signals import interrupt_on_sigterm

        interrupt_on_sigterm()
        if until_decided and not report:
            raise UsageError("--until-decided reads each look's report: leave out --no-report")
        if address is not None:
            _check_cluster_alone(cpus, gpus, executor)
        budget = None if time_budget is None else seconds(time_budget)
        asked = asked_study(study, out=out, overrides=set_ or ())
        if asked.origin != study and not quiet:
            typer.echo(f"Study: {asked.origin}")
        set_data_folder(data)
        # All that takes its time to import comes after what may be wrong in a file or a key.
        from rich.console import Console

        from agsam_tune.manifest import command_line
        from agsam_tune.quiet import quieten
        from agsam_tune.run_storage import named_storage
        from agsam_tune.running import RunOptions, run_study

        quieten()
        options = RunOptions(
            out=asked.out,
            storage=named_storage(storage),
            executor=executor.value,
            address=address,
            cpus=cpus,
            gpus=gpus,
            time_budget=budget,
            import_path=asked.import_path,
            command=command_line(),
            report=report,
            reuse=tuple(reuse or ()),
            retry_failed=retry_failed,
            until_decided=until_decided,
        )
        code = run_study(asked.study, options, Console(quiet=quiet))
    raise typer.Exit(code)


def _check_cluster_alone(cpus: int | None, gpus: int | None, executor: Executor) -> None:
    """Raise UsageError where options of this machine are given beside a cluster's address."""
    if (cpus or gpus) is not None:
        raise UsageError("--cpus and --gpus are this machine's; leave them out with --address")
    if executor is Executor.INLINE:
        raise UsageError("--address is a cluster's; leave it out with --executor inline")
