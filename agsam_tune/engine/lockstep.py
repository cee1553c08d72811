"""A pack in training: K models that advance in lockstep, and what stays fixed meanwhile.

In: a pack of trials, their tasks and a recipe. Out: weights and a record, step by step. K
models are the rows of one (K, P) matrix; no row depends on another. Must not import Ray or
Optuna.

Shapes: K rows (models), P columns of one row, B examples of a batch, D inputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from agsam_tune.engine.base import BaseOptimizer
from agsam_tune.engine.batches import Batch, Batches
from agsam_tune.engine.checkpoint import Checkpoint
from agsam_tune.engine.compiled.rows import CompiledRows, takes_sgd_step
from agsam_tune.engine.evaluation import Evaluation
from agsam_tune.engine.losses import Loss
from agsam_tune.engine.pack_model import PackModel
from agsam_tune.engine.record import Record
from agsam_tune.engine.schedules import lr_factors, rho_factors
from agsam_tune.optimizers import Rule, rule
from agsam_tune.optimizers.kinds import mark_weights
from agsam_tune.optimizers.rows import norm, of_length, unit
from agsam_tune.optimizers.rules import IS_WEIGHT
from agsam_tune.streams import stream, stream_seed
from agsam_tune.study import Training
from agsam_tune.tasks.task import Task
from agsam_tune.tasks.tasks import Tasks
from agsam_tune.trials import Pack, Trial


@dataclass(slots=True, kw_only=True)
class Lockstep:
    """The state of a pack in training, and what stays fixed during it."""

    rule: Rule
    model: PackModel
    loss: Loss
    base: BaseOptimizer
    epochs: int
    # Of the random streams of each row.
    coordinates: tuple[dict[str, int | str], ...]
    batches: Batches
    # Hyperparameters and lr, momentum, weight_decay, each (K, 1); and what the rule asks for.
    columns: dict[str, Tensor]
    lr_factors: list[float]
    rho_factors: list[float]
    exact: bool  # ascent steps of exactly the length rho
    train: Evaluation
    choosing: Evaluation
    test: Evaluation
    w_KP: Tensor
    state: tuple[Tensor, ...]  # the base optimizer's running means
    g_KP: Tensor
    gp_KP: Tensor
    ahead_KP: Tensor  # w + Δw
    next_KP: Tensor  # receives the weights after the step
    alive_K: Tensor
    compiled: CompiledRows | None  # the model, where it takes whole steps
    step: int = 0

    @classmethod
    def prepare(
        cls,
        pack: Pack,
        tasks: Tasks,
        training: Training,
        study_seed: int,
        model: PackModel,
        device: torch.device,
        dtype: torch.dtype,
    ) -> Lockstep:
        update_rule = rule(pack.optimizer)
        coordinates = tuple(trial_coordinates(trial, study_seed) for trial in pack.trials)
        weights = [model.initial(stream(**of_row, stream="weights")) for of_row in coordinates]
        w_KP = torch.as_tensor(np.stack(weights), dtype=dtype, device=device)
        sets, rows = _data_sets(pack, tasks)
        train, choosing, test = (
            Evaluation.of(splits, rows, model, device, dtype)
            for splits in zip(*((s.train, s.choosing, s.test) for s in sets), strict=True)
        )
        batches = Batches(train, training.batch_size, coordinates)
        values = _values(pack, training)
        epochs = training.epochs * update_rule.epoch_factor
        lr = lr_factors(
            training.lr_schedule, steps=epochs * batches.per_epoch, warmup=training.warmup
        )
        decays = any(row["weight_decay"] for row in values)
        base = BaseOptimizer(training=training, has_weight_decay=decays)
        return cls(
            rule=update_rule,
            model=model,
            loss=Loss(kind=tasks.first.loss),
            base=base,
            epochs=epochs,
            coordinates=coordinates,
            batches=batches,
            columns={name: w_KP.new_tensor([[row[name]] for row in values]) for name in values[0]}
            | ({IS_WEIGHT: _is_weight(model, w_KP)} if update_rule.asks_for_weights else {}),
            lr_factors=lr.tolist(),
            rho_factors=rho_factors(training.rho_schedule, lr).tolist(),
            exact=pack.has_exact_steps,
            train=train,
            choosing=test if tasks.first.validation is None else choosing,
            test=test,
            w_KP=w_KP,
            state=base.initial_state(w_KP),
            g_KP=torch.zeros_like(w_KP),
            gp_KP=torch.zeros_like(w_KP),
            ahead_KP=torch.empty_like(w_KP),
            next_KP=torch.empty_like(w_KP),
            alive_K=torch.ones(len(rows), dtype=torch.bool, device=device),
            compiled=model
            if isinstance(model, CompiledRows) and takes_sgd_step(update_rule, training)
            else None,
        )

    def tensors(self) -> dict[str, Tensor]:
        """All that a step changes but its number, by name."""
        means = {f"state.{number}": mean_KP for number, mean_KP in enumerate(self.state)}
        return {"w_KP": self.w_KP, "alive_K": self.alive_K, **means}

    def carry_on(self, record: Record, checkpoint: Checkpoint) -> float:
        """Take over what a checkpoint holds, if there is one; returns the seconds it took."""
        place = checkpoint.read(
            {**self.tensors(), **record.tensors()},
            epochs=self.epochs,
            per_epoch=self.batches.per_epoch,
        )
        if place is None:
            return 0.0
        self.step, record.closed = place.step, place.epochs
        return place.seconds

    def train_epoch(self, epoch: int, record: Record, checkpoint: Checkpoint | None = None) -> None:
        """Train the epoch, or what is left of it."""
        start = self.step - epoch * self.batches.per_epoch
        for batch in self.batches.epoch(epoch, start):
            self.take_step(batch, record)
            if checkpoint is not None and checkpoint.is_due():
                tensors = {**self.tensors(), **record.tensors()}
                checkpoint.write(tensors, step=self.step, epochs=record.closed)

    def take_step(self, batch: Batch, record: Record) -> None:
        """One step of every row that is alive; the others stay where they are."""
        columns = self._scheduled_columns()
        if self.compiled is None:
            f_K, fp_K, radius_K, w_KP, state = self._passes(batch, columns)
            finite_K = _finite(w_KP) & torch.isfinite(f_K) & torch.isfinite(fp_K)
            self.alive_K = self.alive_K & finite_K
        else:
            self.alive_K = self.alive_K.clone()
            w_KP, state = self.next_KP, self.state
            f_K, fp_K, radius_K = self.compiled.sgd_step(
                self.rule,
                (batch.split.x_MD, batch.y_M),
                (batch.place_KB, batch.label_KB),
                columns,
                nesterov=self.base.training.nesterov,
                exact=self.exact,
                alive_K=self.alive_K,
                matrices=(self.w_KP, self.g_KP, self.gp_KP, *state, w_KP),
            )
        gradients = _gradient_means(self.g_KP, self.gp_KP) if record.gradients else ()
        record.add_step(f_K, fp_K, radius_K, self.alive_K, gradients)
        self._keep(w_KP, state)
        self.step += 1

    def _passes(
        self, batch: Batch, columns: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor, tuple[Tensor, ...]]:
        """Losses, radii, new weights and running means of a step, with PyTorch's operations."""
        (x_KBD, y_KB), noise_K = batch.gathered(), self._noise()
        f_K, g_KP = self.model.loss_and_gradient(self.w_KP, x_KBD, y_KB, self.g_KP, noise_K)
        fp_K, gp_KP, radius_K = f_K, g_KP, None
        if self.rule.ascent is not None:
            ascent_KP = self.rule.ascent_step(self.w_KP, g_KP, columns)
            if self.exact:
                ascent_KP = of_length(ascent_KP, columns["rho"])
            radius_K = norm(ascent_KP)[:, 0]
            # The weights themselves are never written to, so they need no restoring.
            ahead_KP = torch.add(self.w_KP, ascent_KP, out=self.ahead_KP)
            fp_K, gp_KP = self.model.loss_and_gradient(ahead_KP, x_KBD, y_KB, self.gp_KP, noise_K)
        direction_KP = self.rule.update_direction(g_KP, gp_KP, columns)
        w_KP, state = self.base.update(
            self.w_KP, direction_KP, self.state, columns, self.step, out_KP=self.next_KP
        )
        return f_K, fp_K, radius_K, w_KP, state

    def _keep(self, w_KP: Tensor, state: tuple[Tensor, ...]) -> None:
        if self.w_KP.device.type != "cpu" or not bool(self.alive_K.all()):
            alive_K1 = self.alive_K.unsqueeze(1)
            torch.where(alive_K1, w_KP, self.w_KP, out=w_KP)
            pairs = zip(state, self.state, strict=True)
            state = tuple(torch.where(alive_K1, new, old) for new, old in pairs)
        # The matrix of the old weights receives the next ones.
        self.w_KP, self.next_KP, self.state = w_KP, self.w_KP, state

    def _noise(self) -> list[int] | None:
        """A seed for the random numbers of each row's forward passes of this step, both."""
        if not self.model.stochastic:
            return None
        return [
            stream_seed(**of_row, step=self.step, stream="noise") >> 65
            for of_row in self.coordinates
        ]

    def _scheduled_columns(self) -> dict[str, Tensor]:
        """The columns at this step, with lr and rho on their schedules."""
        columns = {**self.columns, "lr": self.columns["lr"] * self.lr_factors[self.step]}
        if "rho" in columns:
            columns["rho"] = columns["rho"] * self.rho_factors[self.step]
        return columns


def trial_coordinates(trial: Trial, study_seed: int) -> dict[str, int | str]:
    """What a trial's weights, batches and noise depend on: never its optimizer or its task."""
    return {
        "study_seed": study_seed,
        "phase": trial.phase,
        "replicate": trial.replicate,
        "index": trial.index,
        "seed": trial.seed,
    }


def _data_sets(pack: Pack, tasks: Tasks) -> tuple[list[Task], list[int]]:
    """The tasks of the pack's trials whose data differ, and which of them each row has."""
    numbers = [tasks.data_set(trial.replicate) for trial in pack.trials]
    different = list(dict.fromkeys(numbers))
    return [tasks[number] for number in different], [different.index(n) for n in numbers]


def _is_weight(model: PackModel, w_KP: Tensor) -> Tensor:
    """Which columns of a row are of weights, (1, P) bool; padding counts as none."""
    row_1P = torch.zeros(1, model.width, dtype=torch.bool, device=w_KP.device)
    mark_weights(model.unpacked(row_1P), model.kinds)
    return row_1P


def _gradient_means(g_KP: Tensor, gp_KP: Tensor) -> tuple[Tensor, Tensor]:
    """‖g‖ and cos(g, gp) of each row, (K,) float64; the cosine is 0 where a gradient is."""
    cosine_K = torch.linalg.vecdot(unit(g_KP).double(), unit(gp_KP).double(), dim=1)
    return norm(g_KP)[:, 0].double(), cosine_K


def _finite(w_KP: Tensor) -> Tensor:
    """Whether all of a row's weights are finite, (K,)."""
    finite_K = torch.isfinite(w_KP.sum(1))
    if w_KP.device.type == "cpu" and bool(finite_K.all()):
        return finite_K
    # A sum may overflow where no weight does; the largest magnitude does not.
    return torch.isfinite(w_KP.abs().amax(1))


def _values(pack: Pack, training: Training) -> list[dict[str, float]]:
    """Each trial's hyperparameters, lr, momentum and weight_decay; its own come first."""
    recipe = {
        "lr": training.lr,
        "momentum": training.momentum,
        "weight_decay": training.weight_decay,
    }
    return [{**recipe, **dict(trial.hyperparameters)} for trial in pack.trials]
