"""Training a pack: the only training loop.

In: a pack of trials, a task and a recipe. Out: an outcome for each trial, in the pack's
order. K models are the rows of one (K, P) matrix and advance in lockstep; no row depends
on another. Must not import Ray or Optuna.

Shapes: K rows (models), P columns of one row, B examples of a batch, D inputs.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from agsam_tune import __version__
from agsam_tune.engine.base import BaseOptimizer
from agsam_tune.engine.batches import Batch, Batches
from agsam_tune.engine.checkpoint import Checkpoint, Checkpoints
from agsam_tune.engine.compiled.rows import CompiledRows, takes_sgd_step
from agsam_tune.engine.cpu import one_thread
from agsam_tune.engine.evaluation import Evaluation, evaluate_accuracy, mean_loss
from agsam_tune.engine.losses import Loss
from agsam_tune.engine.pack_model import PackModel
from agsam_tune.engine.record import Record
from agsam_tune.engine.schedules import lr_factors, rho_factors
from agsam_tune.engine.sharpness import measured_sharpness, rows_of
from agsam_tune.engine.ways import pack_model, precision
from agsam_tune.optimizers import Rule, rule
from agsam_tune.optimizers.rows import norm, unit
from agsam_tune.streams import stream, stream_seed
from agsam_tune.study import Sharpness, Training
from agsam_tune.tasks.task import Task
from agsam_tune.trials import Outcome, Pack


def train_pack(
    pack: Pack,
    task: Task,
    training: Training,
    *,
    study_seed: int,
    device: str = "cpu",
    way: str = "auto",
    sharpness: Sharpness | None = None,
    dtype: torch.dtype = torch.float32,
    checkpoints: Checkpoints | None = None,
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
        way: how the models are computed; see `ways`.
        sharpness: what to measure of the final weights, and of the gradients on the way.
        dtype: of weights and data.
        checkpoints: where the pack's checkpoint is written, and carried on from if one was left
            behind; on a CPU the bits are those of a training without a break.
    """
    started = time.perf_counter()
    place = torch.device(device)
    model = pack_model(task, training, way=way, device=place, dtype=dtype)
    with _settings(model, training):
        run = _Run.prepare(pack, task, training, study_seed, model, place, dtype)
        record = Record.empty(
            len(pack.trials),
            run.epochs,
            two_pass=run.rule.ascent is not None,
            like=run.w_KP,
            gradients=sharpness is not None,
        )
        checkpoint = None
        if checkpoints is not None and checkpoints.every:
            facts = _facts(pack, training, run, way=way, sharpness=sharpness)
            checkpoint = Checkpoint(checkpoints, task, facts, started=started)
            started -= run.carry_on(record, checkpoint)
        for epoch in range(record.closed, run.epochs):
            run.train_epoch(epoch, record, checkpoint)
            record.close_epoch(evaluate_accuracy(model, run.w_KP, run.choosing, run.test))
        losses = [mean_loss(model, run.loss, run.w_KP, s) for s in (run.test, run.train)]
        record.close(*losses)
        measured: list[dict[str, float]] = []
        if sharpness is not None:
            generator = stream(**run.coordinates, stream="sharpness")
            weights = zip(rows_of(model, run.w_KP), record.alive_K.tolist(), strict=True)
            measured = measured_sharpness(task, weights, sharpness, generator, place)
        if checkpoint is not None:
            checkpoint.remove()
        seconds = (time.perf_counter() - started) / len(pack.trials)
        chance = (task.choosing.chance, task.test.chance)
        return record.outcomes(
            pack.trials, *losses, chance=chance, seconds=seconds, sharpness=measured
        )


def training_epochs(
    pack: Pack, task: Task, training: Training
) -> Iterator[tuple[int, list[float]]]:
    """The steps of a training alone, epoch by epoch, without evaluations: to be measured.

    Yields:
        the steps of an epoch and each row's mean loss over them. PyTorch's settings are those
        of a training between two epochs too.
    """
    device = torch.device("cpu")
    model = pack_model(task, training, way="auto", device=device, dtype=torch.float32)
    with _settings(model, training):
        run = _Run.prepare(pack, task, training, 0, model, device, torch.float32)
        two_pass = run.rule.ascent is not None
        for epoch in range(run.epochs):
            record = Record.empty(
                len(pack.trials), 1, two_pass=two_pass, like=run.w_KP, gradients=False
            )
            run.train_epoch(epoch, record)
            steps = run.batches.per_epoch
            yield steps, (record.epoch_MK[0] / steps).tolist()


@contextmanager
def _settings(model: PackModel, training: Training) -> Iterator[None]:
    """PyTorch as a training needs it, and as it was afterwards."""
    # Autograd cannot save tensors of inference mode, which is the faster where it is not asked.
    mode = torch.no_grad if model.records_graph else torch.inference_mode
    with one_thread(), precision(training.precision), mode():
        yield


@dataclass(slots=True, kw_only=True)
class _Run:
    """The state of a pack in training, and what stays fixed during it."""

    rule: Rule
    model: PackModel
    loss: Loss
    base: BaseOptimizer
    epochs: int
    coordinates: dict[str, int | str]
    seeds: list[int]
    batches: Batches
    columns: dict[str, Tensor]  # hyperparameters and lr, momentum, weight_decay, each (K, 1)
    lr_factors: list[float]
    rho_factors: list[float]
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
        task: Task,
        training: Training,
        study_seed: int,
        model: PackModel,
        device: torch.device,
        dtype: torch.dtype,
    ) -> _Run:
        update_rule = rule(pack.optimizer)
        seeds = [trial.seed for trial in pack.trials]
        coordinates: dict[str, int | str] = {"study_seed": study_seed, "task": task.name}
        weights = {
            seed: model.initial(stream(**coordinates, seed=seed, stream="weights"))
            for seed in set(seeds)
        }
        w_KP = torch.as_tensor(np.stack([weights[s] for s in seeds]), dtype=dtype, device=device)
        train = Evaluation.of(task.train, model, device, dtype)
        test = Evaluation.of(task.test, model, device, dtype)
        batches = Batches(train, seeds, training.batch_size, coordinates)
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
            loss=Loss(kind=task.loss),
            base=base,
            epochs=epochs,
            coordinates=coordinates,
            seeds=seeds,
            batches=batches,
            columns={name: w_KP.new_tensor([[row[name]] for row in values]) for name in values[0]},
            lr_factors=lr.tolist(),
            rho_factors=rho_factors(training.rho_schedule, lr).tolist(),
            train=train,
            choosing=test
            if task.validation is None
            else Evaluation.of(task.validation, model, device, dtype),
            test=test,
            w_KP=w_KP,
            state=base.initial_state(w_KP),
            g_KP=torch.zeros_like(w_KP),
            gp_KP=torch.zeros_like(w_KP),
            ahead_KP=torch.empty_like(w_KP),
            next_KP=torch.empty_like(w_KP),
            alive_K=torch.ones(len(seeds), dtype=torch.bool, device=device),
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
            self._step(batch, record)
            self.step += 1
            if checkpoint is not None and checkpoint.is_due():
                tensors = {**self.tensors(), **record.tensors()}
                checkpoint.write(tensors, step=self.step, epochs=record.closed)

    def _step(self, batch: Batch, record: Record) -> None:
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
                (batch.split.x_ND, batch.split.y_N),
                batch.index_KB,
                columns,
                nesterov=self.base.training.nesterov,
                alive_K=self.alive_K,
                matrices=(self.w_KP, self.g_KP, self.gp_KP, *state, w_KP),
            )
        gradients = _gradient_means(self.g_KP, self.gp_KP) if record.gradients else ()
        record.add_step(f_K, fp_K, radius_K, self.alive_K, gradients)
        self._keep(w_KP, state)

    def _passes(
        self, batch: Batch, columns: dict[str, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor, tuple[Tensor, ...]]:
        """Losses, radii, new weights and running means of a step, with PyTorch's operations."""
        (x_KBD, y_KB), noise_K = batch.gathered(), self._noise()
        f_K, g_KP = self.model.loss_and_gradient(self.w_KP, x_KBD, y_KB, self.g_KP, noise_K)
        fp_K, gp_KP, radius_K = f_K, g_KP, None
        if self.rule.ascent is not None:
            ascent_KP = self.rule.ascent_step(self.w_KP, g_KP, columns)
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
        noise = {
            seed: stream_seed(**self.coordinates, seed=seed, step=self.step, stream="noise") >> 65
            for seed in set(self.seeds)
        }
        return [noise[seed] for seed in self.seeds]

    def _scheduled_columns(self) -> dict[str, Tensor]:
        """The columns at this step, with lr and rho on their schedules."""
        columns = {**self.columns, "lr": self.columns["lr"] * self.lr_factors[self.step]}
        if "rho" in columns:
            columns["rho"] = columns["rho"] * self.rho_factors[self.step]
        return columns


def _facts(
    pack: Pack, training: Training, run: _Run, *, way: str, sharpness: Sharpness | None
) -> dict[str, Any]:
    """What decides a pack's numbers, besides the data."""
    # A model may be any function; what its weights begin with tells most of them apart.
    weights = run.w_KP[0].cpu().numpy().tobytes()
    return {
        "agsam_tune": __version__,
        "coordinates": run.coordinates,
        "trials": pack.to_list(),
        "training": training.model_dump(mode="json"),
        "sharpness": sharpness and sharpness.model_dump(mode="json"),
        "way": way,
        "weights": hashlib.sha256(weights).hexdigest(),
        "device": run.w_KP.device.type,
        "dtype": str(run.w_KP.dtype),
    }


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
