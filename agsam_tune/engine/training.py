"""Training a pack: the only training loop.

In: a pack of trials, a task and a recipe. Out: an outcome for each trial, in the pack's
order. K models are the rows of one (K, P) matrix and advance in lockstep; no row depends
on another. Must not import Ray or Optuna.

Shapes: K rows (models), P columns of one row, B examples of a batch, D inputs.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from agsam_tune.engine import sgd
from agsam_tune.engine.batches import Batches
from agsam_tune.engine.cpu import one_thread
from agsam_tune.engine.evaluation import Evaluation, evaluate, evaluate_accuracy
from agsam_tune.engine.mlp import MlpRows
from agsam_tune.engine.record import Record
from agsam_tune.engine.schedules import lr_factors, rho_factors
from agsam_tune.optimizers import Rule, rule
from agsam_tune.optimizers.rows import norm
from agsam_tune.streams import stream
from agsam_tune.study import Training
from agsam_tune.tasks.task import Mlp, Task
from agsam_tune.trials import Outcome, Pack


def train_pack(
    pack: Pack,
    task: Task,
    training: Training,
    *,
    study_seed: int,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> tuple[Outcome, ...]:
    """Train every trial of the pack to the end.

    Rows of one seed share initial weights and batches. On a CPU a row's bits do not depend
    on its pack. A row whose weights or loss become non-finite is frozen at its last finite
    weights and recorded as diverged.

    Args:
        pack: trials of one optimizer.
        task: data and model.
        training: the recipe; a trial's own lr, momentum and weight_decay come before it.
        study_seed: the study's seed, a coordinate of the random streams.
        device: where to train, as PyTorch names it.
        dtype: of weights and data.
    """
    with one_thread(), torch.inference_mode():
        started = time.perf_counter()
        run = _Run.prepare(pack, task, training, study_seed, torch.device(device), dtype)
        record = Record.empty(len(pack.trials), two_pass=run.rule.ascent is not None, like=run.w_KP)
        for epoch in range(run.epochs):
            run.train_epoch(epoch, record)
            record.close_epoch(evaluate_accuracy(run.model, run.w_KP, run.choosing, run.test))
        final = evaluate(run.model, run.w_KP, run.choosing, run.test, run.train)
        seconds = (time.perf_counter() - started) / len(pack.trials)
        chance = (task.choosing.chance, task.test.chance)
        return record.outcomes(pack.trials, final, chance=chance, seconds=seconds)


@dataclass(slots=True, kw_only=True)
class _Run:
    """The state of a pack in training, and what stays fixed during it."""

    rule: Rule
    model: MlpRows
    epochs: int
    nesterov: bool
    has_weight_decay: bool
    batches: Batches
    columns: dict[str, Tensor]  # hyperparameters and lr, momentum, weight_decay, each (K, 1)
    lr_factors: list[float]
    rho_factors: list[float]
    train: Evaluation
    choosing: Evaluation
    test: Evaluation
    w_KP: Tensor
    velocity_KP: Tensor
    g_KP: Tensor
    gp_KP: Tensor
    alive_K: Tensor
    step: int = 0

    @classmethod
    def prepare(
        cls,
        pack: Pack,
        task: Task,
        training: Training,
        study_seed: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> _Run:
        update_rule = rule(pack.optimizer)
        if not isinstance(task.model, Mlp):
            raise NotImplementedError("the engine trains multilayer perceptrons only")
        model = MlpRows(task.model)
        seeds = [trial.seed for trial in pack.trials]
        coordinates: dict[str, int | str] = {"study_seed": study_seed, "task": task.name}
        weights = {
            seed: model.initial(stream(**coordinates, seed=seed, stream="weights"))
            for seed in set(seeds)
        }
        w_KP = torch.as_tensor(np.stack([weights[s] for s in seeds]), dtype=dtype, device=device)
        train = Evaluation.of(task.train, device, dtype)
        test = Evaluation.of(task.test, device, dtype)
        batches = Batches(train, seeds, training.batch_size, coordinates)
        columns = _columns(pack, training, w_KP)
        epochs = training.epochs * update_rule.epoch_factor
        lr = lr_factors(
            training.lr_schedule, steps=epochs * batches.per_epoch, warmup=training.warmup
        )
        return cls(
            rule=update_rule,
            model=model,
            epochs=epochs,
            nesterov=training.nesterov,
            has_weight_decay=bool(columns["weight_decay"].any()),
            batches=batches,
            columns=columns,
            lr_factors=lr.tolist(),
            rho_factors=rho_factors(training.rho_schedule, lr).tolist(),
            train=train,
            choosing=test
            if task.validation is None
            else Evaluation.of(task.validation, device, dtype),
            test=test,
            w_KP=w_KP,
            velocity_KP=torch.zeros_like(w_KP),
            g_KP=torch.zeros_like(w_KP),
            gp_KP=torch.zeros_like(w_KP),
            alive_K=torch.ones(len(seeds), dtype=torch.bool, device=device),
        )

    def train_epoch(self, epoch: int, record: Record) -> None:
        for x_KBD, y_KB in self.batches.epoch(epoch):
            self._step(x_KBD, y_KB, record)
            self.step += 1

    def _step(self, x_KBD: Tensor, y_KB: Tensor, record: Record) -> None:
        """One step of every row that is alive; the others stay where they are."""
        columns = self._scheduled_columns()
        f_K, g_KP = self.model.loss_and_gradient(self.w_KP, x_KBD, y_KB, self.g_KP)
        fp_K, gp_KP, radius_K = f_K, g_KP, None
        if self.rule.ascent is not None:
            ascent_KP = self.rule.ascent_step(self.w_KP, g_KP, columns)
            radius_K = norm(ascent_KP)[:, 0]
            # The weights themselves are never written to, so they need no restoring.
            fp_K, gp_KP = self.model.loss_and_gradient(
                self.w_KP + ascent_KP, x_KBD, y_KB, self.gp_KP
            )
        w_KP, velocity_KP = sgd.update(
            self.w_KP,
            self.rule.update_direction(g_KP, gp_KP, columns),
            self.velocity_KP,
            lr_K1=columns["lr"],
            momentum_K1=columns["momentum"],
            weight_decay_K1=columns["weight_decay"] if self.has_weight_decay else None,
            nesterov=self.nesterov,
        )
        finite_K = _finite(w_KP) & torch.isfinite(f_K) & torch.isfinite(fp_K)
        self.alive_K = self.alive_K & finite_K
        record.add_step(f_K, fp_K, radius_K, self.alive_K)
        self._keep(w_KP, velocity_KP)

    def _keep(self, w_KP: Tensor, velocity_KP: Tensor) -> None:
        if self.w_KP.device.type == "cpu" and bool(self.alive_K.all()):
            self.w_KP, self.velocity_KP = w_KP, velocity_KP
            return
        alive_K1 = self.alive_K.unsqueeze(1)
        self.w_KP = torch.where(alive_K1, w_KP, self.w_KP)
        self.velocity_KP = torch.where(alive_K1, velocity_KP, self.velocity_KP)

    def _scheduled_columns(self) -> dict[str, Tensor]:
        """The columns at this step, with lr and rho on their schedules."""
        columns = {**self.columns, "lr": self.columns["lr"] * self.lr_factors[self.step]}
        if "rho" in columns:
            columns["rho"] = columns["rho"] * self.rho_factors[self.step]
        return columns


def _finite(w_KP: Tensor) -> Tensor:
    """Whether all of a row's weights are finite, (K,)."""
    finite_K = torch.isfinite(w_KP.sum(1))
    if w_KP.device.type == "cpu" and bool(finite_K.all()):
        return finite_K
    # A sum may overflow where no weight does; the largest magnitude does not.
    return torch.isfinite(w_KP.abs().amax(1))


def _columns(pack: Pack, training: Training, like: Tensor) -> dict[str, Tensor]:
    recipe = {
        "lr": training.lr,
        "momentum": training.momentum,
        "weight_decay": training.weight_decay,
    }
    rows = [{**recipe, **dict(trial.hyperparameters)} for trial in pack.trials]
    return {name: like.new_tensor([[row[name]] for row in rows]) for name in rows[0]}
