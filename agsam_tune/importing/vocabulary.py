"""Words of other programs: states, prefixes, and columns that are no hyperparameters.

In: a column's name or a cell. Out: what it stands for. As W&B, MLflow, Ray Tune, Optuna and Syne
Tune write them. Imports the standard library only.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "ACCURACIES",
    "COUNTERS",
    "FLAGS",
    "IDS",
    "OPTIMIZERS",
    "SEEDS",
    "STATES",
    "SYNE",
    "TEST_ACCURACIES",
    "UNFINISHED",
    "VAL_ACCURACIES",
    "fold",
    "is_bookkeeping",
    "is_loss",
    "is_measured",
    "is_named_accuracy",
    "is_tunable",
    "split_prefix",
    "state_word",
]

_FINISHED: Final = frozenset(
    {"finished", "complete", "completed", "terminated", "success", "succeeded", "done", "ok"}
)
#: States of trainings that did not come to their end.
UNFINISHED: Final = frozenset(
    {
        *("running", "pending", "waiting", "scheduled", "queued", "paused", "created"),
        *("killed", "crashed", "failed", "fail", "error", "errored", "pruned", "stopped"),
        *("preempted", "preempting", "interrupted", "cancelled", "canceled", "aborted", "timeout"),
        *("inprogress", "in_progress", "stopping", "out_of_memory", "out_of_me", "node_fail"),
        *("deadline", "boot_fail", "suspended", "requeued"),
    }
)
STATES: Final = _FINISHED | UNFINISHED
#: What columns are called of which true says that the training came to its end.
FLAGS: Final = frozenset({"finished", "is_finished", "completed", "is_completed", "done"})

#: What columns are called that have a run's id, and those that count within a run.
IDS: Final = ("trial_id", "run_id")
COUNTERS: Final = ("training_iteration", "st_worker_iter", "_step", "epoch", "step")

#: Columns that every table of Syne Tune has.
SYNE: Final = frozenset({"st_worker_iter", "st_tuner_time", "st_status", "st_decision"})

#: What other programs call the columns that are needed; compared by `fold`.
TEST_ACCURACIES: Final = frozenset(
    {"test_accuracy", "test_acc", "accuracy_test", "acc_test", "test_top1", "test_acc1"}
)
VAL_ACCURACIES: Final = frozenset(
    f"{part}_{name}"
    for part in ("val", "valid", "validation")
    for name in ("accuracy", "acc", "acc1", "top1")
)
ACCURACIES: Final = frozenset({"accuracy", "acc", "mean_accuracy"})
SEEDS: Final = frozenset({"seed", "random_seed", "rng_seed", "random_state", "manual_seed"})
OPTIMIZERS: Final = frozenset(
    {"optimizer", "optimiser", "optimizer_name", "optim", "optim_name", "opt"}
)

_SETTING = re.compile(r"(params|config|hparams|hyperparameters)[./](.+)")
_SETTING_BY_LINE = re.compile(r"(params|config)_(.+)")  # of Optuna and Syne Tune
_MEASURED = re.compile(r"(?:(?:metrics|summary)[./]|user_attrs_)(.+)")

_BOOKKEEPING = frozenset(
    {
        # counters, clocks and places, whoever writes them
        *("epoch", "step", "global_step", "iteration", "iter", "index", "id", "uuid", "name"),
        *("time", "timestamp", "date", "runtime", "duration", "seconds"),
        *("created", "created_at", "updated", "updated_at", "started_at", "ended_at"),
        *("pid", "host", "hostname", "device", "node", "node_ip", "version", "commit"),
        *("gpu", "gpu_type", "gpu_count", "gpu_id", "cpu_count", "python_version", "os"),
        *("experiment", "experiment_name", "run", "run_name", "trial", "trial_name", "number"),
        *("notes", "note", "comment", "user", "tags", "group", "sweep", "job_type", "project"),
        *("entity", "url", "description", "output_dir", "log_dir", "logdir", "save_dir"),
        # of one program
        *("artifact_uri", "lifecycle_stage", "checkpoint_dir_name", "done", "experiment_tag"),
        *("training_iteration", "time_this_iter_s", "time_total_s", "time_since_restore"),
        *("iterations_since_restore", "timesteps_total", "episodes_total", "should_checkpoint"),
        *("datetime_start", "datetime_complete", "st_decision", "st_status", "relative_path"),
        *("grad_norm", "wall_time", "walltime", "wall_clock"),
        *("git_commit", "git_sha", "github", "program", "sweep_name", "display_name"),
    }
)
_BOOKKEEPING_ENDS = (
    "_id",
    "_time",
    "_time_s",
    "_timestamp",
    "_date",
    "_uri",
    "_url",
    "_seconds",
    "_per_second",
)
_BOOKKEEPING_STARTS = ("_", "tags.", "system_attrs_", "system/", "tags/", "unnamed:", "st_")

_LOSSES = frozenset(
    {
        *("loss", "nll", "perplexity", "ppl", "error", "err", "mse", "rmse", "mae", "wer", "cer"),
        *("cross_entropy", "bpb", "bpc"),
    }
)
_MEASURES = _LOSSES | frozenset(
    {
        *("acc", "accuracy", "acc1", "acc5", "top1", "top5", "auc", "auroc", "f1", "precision"),
        *("recall", "score", "reward", "return", "bleu", "iou", "map", "runtime", "throughput"),
        *("memory", "mem"),
    }
)
_PARTS = frozenset({"train", "training", "val", "valid", "validation", "test", "eval", "best"})
_ACCURATE = frozenset({"acc", "accuracy", "acc1", "top1"})

#: What is surely set and not measured: a column of this name that differs everywhere is no clock.
_TUNABLE = frozenset(
    {
        *("lr", "learning_rate", "rho", "alpha", "gamma", "lam", "momentum", "weight_decay", "wd"),
        *("beta", "beta1", "beta2", "eps", "epsilon", "dropout", "batch_size", "label_smoothing"),
        *("clip", "grad_clip", "max_grad_norm", "eta", "tau", "sigma", "temperature", "l2", "l1"),
    }
)


def fold(name: str) -> str:
    """A name without what people spell differently: `Test/Accuracy` → `test_accuracy`."""
    return re.sub(r"[\s./-]+", "_", name.strip().casefold())


def state_word(cell: object) -> str:
    """A state as it is compared: `TrialState.FAIL` → `fail`, `CANCELLED by 1000` → `cancelled`."""
    word = re.sub(r"\s+by\s+\d+$|\+$", "", str(cell).strip().casefold())
    return re.sub(r"[\s-]+", "_", re.sub(r"^\w+\.(?=\w+$)", "", word))


def split_prefix(name: str, *, by_line: bool) -> tuple[str, str]:
    """(`set`, `rho`) for `params.rho`, (`measured`, `acc`) for `metrics.acc`, else ("", name).

    Args:
        name: the column.
        by_line: whether `params_` and `config_` are prefixes too, which may be part of a name.
    """
    if match := _SETTING.fullmatch(name) or (by_line and _SETTING_BY_LINE.fullmatch(name)):
        return "set", match[2]
    if match := _MEASURED.fullmatch(name):
        return "measured", match[1]
    return "", name


def is_bookkeeping(name: str) -> bool:
    """Whether a column is a clock, a counter, an id or a note by its name."""
    folded, lower = fold(name), name.casefold()
    return (
        folded in _BOOKKEEPING
        or folded.endswith(_BOOKKEEPING_ENDS)
        or lower.startswith(_BOOKKEEPING_STARTS)
    )


def is_measured(name: str) -> bool:
    """Whether a column is something that was measured by its name: `train_loss`, `val/acc`."""
    words = fold(name).split("_")
    return (
        words[-1] in _MEASURES
        or words == ["value"]
        or (words[0] in _PARTS and words[-1] in {"gap", "norm"})
    )


def is_loss(name: str) -> bool:
    """Whether lower is better by its name."""
    folded = fold(name)
    return folded.endswith("cross_entropy") or folded.split("_")[-1] in _LOSSES


def is_named_accuracy(name: str) -> bool:
    """Whether it is an accuracy by its name, and so may be a percentage."""
    return bool(_ACCURATE & set(fold(name).split("_")))


def is_tunable(name: str) -> bool:
    """Whether it is a hyperparameter by its name."""
    return fold(name) in _TUNABLE or fold(name).endswith(("_lr", "_decay", "_rate"))
