"""A rule with two gradients a step, as a `torch.optim.Optimizer` around a base optimizer.

In: gradients of two passes over the same batch. Out: weights that a step has changed.
Must not import anything of this package but `agsam_tune.optimizers` and the modules beside it.

Shapes: P entries of all parameters that have a gradient.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import SGD, Optimizer
from torch.optim.optimizer import ParamsT

from agsam_tune.optim.ascent import Ascent
from agsam_tune.optim.checks import (
    check_belonging,
    check_max_grad_norm,
    check_model,
    check_values,
)
from agsam_tune.optim.flat import Flat, carry_over, flatten
from agsam_tune.optim.foreign_errors import naming_unscaled, wants_a_graph
from agsam_tune.optim.kinds import known_kinds, weight_mask
from agsam_tune.optim.leftover import Discarded, Leftover
from agsam_tune.optim.passes import RandomState, has_batch_norm, replayed, unchanged_buffers
from agsam_tune.optim.rule import RuleLike, check_hyperparameters, find_rule
from agsam_tune.optim.texts import (
    BATCH_NORM,
    LOST,
    NO_CLOSURE,
    NO_FIRST_STEP,
    NO_GRADIENT,
    NO_NAMES,
    NOT_A_CLOSURE,
    PERTURBED,
    SECOND_DERIVATIVES,
    TWO_FIRST_STEPS,
    UNRECORDED,
)
from agsam_tune.optim.wrapper import Wrapper
from agsam_tune.optimizers import norm
from agsam_tune.optimizers.rules import IS_WEIGHT

Closure = Callable[[], Any]


class TwoPass(Wrapper):
    """Any rule with an ascent step, around any base optimizer.

    A step is w ← base(w, d) with d = direction(g, gp), g = ∇f(w), gp = ∇f(w + Δw) and
    Δw = ascent(w, g): the formulas of `agsam_tune.optimizers.rules`. Norms and products are
    global over the parameters of all groups. A hyperparameter that differs between groups
    applies to each group's own entries: with their own rho, Δw = ρ_group ∘ (the global
    direction); with their own gamma, T = |w| + γ_group inside the global norm; with their own
    alpha, d = gp − α_group ∘ (the global g⊥).

    `SAM`, `ASAM`, `GSAM` and `AdaptiveGSAM` are this class with their rule filled in.

    Attributes:
        base_optimizer: applies the update direction.
        max_grad_norm: the direction is scaled to this norm where it is longer, or None.
        model: whose buffers the second pass leaves as they are, or None.
    """

    _ascent: Ascent | None
    _random: RandomState | None
    _leftover: Leftover
    _mask: tuple[list[Tensor], Tensor] | None

    def __init__(
        self,
        params: ParamsT,
        base_optimizer: type[Optimizer] = SGD,
        *,
        rule: RuleLike,
        hyperparameters: Mapping[str, float],
        max_grad_norm: float | None = None,
        model: nn.Module | None = None,
        **base_arguments: Any,
    ) -> None:
        """Make the base optimizer and share its groups.

        Args:
            params: parameters, named parameters, or dicts with "params" and a group's own
                hyperparameters, as in torch.optim.
            base_optimizer: a class; its arguments follow as `base_arguments` (lr=…, …).
            rule: a rule's name (`agsam_tune.optimizers.RULES`), a function decorated with
                `@optimizer(…)`, a reference `module:function` to one, or a `Rule`.
            hyperparameters: the default of each of the rule's hyperparameters, all ≥ 0.
            max_grad_norm: > 0; see the class.
            model: see the class.

        Raises:
            TypeError: base_optimizer is no class that can serve; an argument that neither this
                class nor the base optimizer's has; parameters that are not real; a model that
                is no module.
            ValueError: no rule with two passes, or not its hyperparameters; a hyperparameter
                out of its range; a key of a group that nothing reads; a model of other
                parameters; a rule that tells weights from biases, without their names.
        """
        owner = type(self).__name__
        self._rule = find_rule(owner, rule)
        check_hyperparameters(self._rule, hyperparameters)
        check_max_grad_norm(owner, max_grad_norm)
        check_model(owner, model)
        self.model = model  # which the groups are compared with
        super().__init__(params, base_optimizer, dict(hyperparameters), base_arguments)
        self.max_grad_norm = max_grad_norm
        self._watches = model is None
        self._has_warned = False
        self._start()

    def __getstate__(self) -> dict[str, Any]:
        self._refuse_if_perturbed("be copied or pickled")
        names = ("max_grad_norm", "model", "_rule", "_watches", "_has_warned")
        return super().__getstate__() | {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._start()

    def __repr__(self) -> str:
        if self.max_grad_norm is None:
            return super().__repr__()
        return super().__repr__().removesuffix(")") + f"max_grad_norm: {self.max_grad_norm}\n)"

    @torch.no_grad()
    def step(self, closure: Closure | None = None, *, scaler: GradScaler | None = None) -> Any:
        """Both passes and the update. Returns what the closure returned the first time.

        The second pass draws the same random numbers (dropout) as the first, on the CPU and
        on the parameters' CUDA devices, and leaves the buffers of `model` as they are. Should
        the closure raise, or the base optimizer, the weights are put back. Gradients that are
        there before either pass are discarded, so a closure that does not zero them does no
        harm; where they were somebody's, such as those of a backward pass outside, a UserWarning
        says so once.

        Args:
            closure: zeroes the gradients, computes the loss, calls backward (several times,
                to accumulate) and returns the loss; it is called exactly twice, with gradients
                enabled.
            scaler: the scaler that the closure has scaled the loss with; `scaler.update()`
                remains to be called.

        Raises:
            RuntimeError: no closure; a closure after which no parameter has a gradient.
            TypeError: a closure that cannot be called, such as the loss itself.
            ValueError: a hyperparameter that was set to a value out of its range.
        """
        name = type(self).__name__
        if closure is None:
            raise RuntimeError(NO_CLOSURE.format(name=name))
        if not callable(closure):
            raise TypeError(NOT_A_CLOSURE.format(name=name, kind=type(closure).__name__))
        self._refuse_if_perturbed("take another step")
        self._check_values()
        try:
            others = [] if self._has_warned else self._leftover.of_others(self._parameters())
            with self.first_pass(), naming_unscaled(name):
                loss, are_lost = self._gradients(closure, others)
            if are_lost:
                self._has_warned = True
                warnings.warn(LOST.format(name=name), stacklevel=4)
            if self._watches:
                self._watches = False
                if has_batch_norm(loss):
                    warnings.warn(BATCH_NORM.format(name=name), stacklevel=4)
            self._ascend(scaler)
            with self.second_pass():
                self._gradients(closure)
            self._update(scaler)
        except BaseException:
            self.restore()
            raise
        finally:
            self._leftover.note(self._parameters())
        return loss

    @contextmanager
    def first_pass(self) -> Iterator[None]:
        """Around the first forward and backward pass of a manual loop."""
        devices = {p.device for group in self.param_groups for p in group["params"]}
        self._random = RandomState.now(devices)
        yield

    @contextmanager
    def second_pass(self) -> Iterator[None]:
        """Around the second forward and backward pass of a manual loop.

        The pass draws the random numbers of the first once more, and leaves the buffers of
        `model` and what is drawn afterwards as if it had not been. Should it raise, the
        weights are put back.
        """
        if self._random is None:
            raise RuntimeError(UNRECORDED)
        try:
            with (
                replayed(self._random),
                unchanged_buffers(self.model),
                naming_unscaled(type(self).__name__),
            ):
                yield
        except BaseException:
            self.restore()
            raise

    @torch.no_grad()
    def first_step(self, *, scaler: GradScaler | None = None, zero_grad: bool = False) -> None:
        """Move the weights by Δw, from the gradients as they are.

        Args:
            scaler: unscales the gradients first; where they are not finite the weights stay
                and second_step(scaler=…) skips the update.
            zero_grad: zero the gradients at the end.
        """
        if self._ascent is not None:
            raise RuntimeError(TWO_FIRST_STEPS)
        self._check_values()
        try:
            self._ascend(scaler)
        except BaseException:
            self.restore()
            raise
        finally:
            self._leftover.note(self._parameters())
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def second_step(self, *, scaler: GradScaler | None = None, zero_grad: bool = False) -> None:
        """Put the weights back, to the bit, and let the base optimizer apply the direction.

        Step hooks run around it, as they do around step(closure).

        Args:
            scaler: unscales the gradients first; where those of either pass are not finite
                nothing is applied.
            zero_grad: zero the gradients at the end.
        """
        if self._ascent is None:
            raise RuntimeError(NO_FIRST_STEP)
        # What torch's schedulers look for, to warn of a schedule that is ahead of the steps.
        self._opt_called = True
        for pre_hook in self._optimizer_step_pre_hooks.values():
            pre_hook(self, (), {})
        try:
            self._update(scaler)
        finally:
            self._leftover.note(self._parameters())
        for post_hook in self._optimizer_step_post_hooks.values():
            post_hook(self, (), {})
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def restore(self) -> None:
        """Undo first_step(): put the weights back, and forget the step that was begun."""
        ascent = self._ascent
        self._forget()
        if ascent is not None:
            ascent.put_back()

    def _start(self) -> None:
        """What is not part of a checkpoint or a copy."""
        self._leftover = Leftover()
        self._mask = None
        self._forget()

    def _forget(self) -> None:
        self._ascent = None
        self._random = None

    def _refuse_if_perturbed(self, what: str) -> None:
        if self._ascent is not None:
            raise RuntimeError(PERTURBED.format(name=type(self).__name__, what=what))

    def _admit(self, group: dict[str, Any]) -> None:
        super()._admit(group)
        name = type(self).__name__
        check_belonging(name, self.model, group["params"])
        if self._rule.asks_for_weights:
            kinds = known_kinds([group], self.model)
            if not all(id(parameter) in kinds for parameter in group["params"]):
                raise ValueError(NO_NAMES.format(name=name, rule=self._rule.name))

    def _switch(self, name: str) -> None:
        self._refuse_if_perturbed(f"go to {name}()")
        super()._switch(name)

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def _check_values(self) -> None:
        for group in self.param_groups:
            check_values(type(self).__name__, self._own, group)

    def _gradients(self, closure: Closure, others: Sequence[Tensor] = ()) -> tuple[Any, bool]:
        """One pass: the gradients of the closure alone.

        Returns:
            what the closure returned; and whether gradients are lost, of parameters that have
            some of `others`.
        """
        discarded = Discarded(others)
        self.zero_grad()
        with torch.enable_grad(), discarded.watched():
            loss = closure()
        are_lost = discarded.are_lost()
        if all(p.grad is None for p in self._parameters()):
            raise RuntimeError(NO_GRADIENT.format(name=type(self).__name__))
        return loss, are_lost

    def _ascend(self, scaler: GradScaler | None) -> None:
        if scaler is not None:
            with naming_unscaled(type(self).__name__):
                scaler.unscale_(self)
        flat = flatten(self.param_groups, owner=type(self).__name__)
        if flat is None:
            nothing = torch.empty(1, 0)
            self._ascent = Ascent(flat=None, w_1P=nothing, g_1P=nothing, skipped=False)
            return
        w_1P, g_1P = flat.row(flat.parameters), flat.row(flat.gradients)
        if _overflown(scaler, g_1P):
            self._ascent = Ascent(flat=flat, w_1P=w_1P, g_1P=g_1P, skipped=True)
            return
        step_1P = self._rule.ascent_step(w_1P, g_1P, self._columns(flat))
        # From here on there is something to put back. The row holds the gradients: no second copy.
        kept = replace(flat, gradients=[])
        self._ascent = Ascent(flat=kept, w_1P=w_1P, g_1P=g_1P, skipped=False)
        torch._foreach_add_(flat.parameters, flat.pieces(step_1P))

    def _update(self, scaler: GradScaler | None) -> None:
        ascent = self._ascent
        assert ascent is not None  # noqa: S101  (for the types: the callers have seen to it)
        self.restore()
        if ascent.skipped:
            return
        if scaler is not None:
            # A scaler unscales an optimizer once a step; the base optimizer has the same
            # parameters under an identity of its own, and scaler.update() looks at both.
            with naming_unscaled(type(self).__name__):
                scaler.unscale_(self.base_optimizer)
        flat = flatten(self.param_groups, owner=type(self).__name__)
        if flat is not None:
            gp_1P = flat.row(flat.gradients)
            if _overflown(scaler, ascent.g_1P, gp_1P):
                return
            d_1P = self._direction(ascent, flat, gp_1P)
            if d_1P is not gp_1P:
                torch._foreach_copy_(flat.gradients, flat.pieces(d_1P))
        try:
            self.base_optimizer.step()
        except BaseException as error:
            ascent.put_back()
            if isinstance(error, RuntimeError) and wants_a_graph(error):
                base, name = type(self.base_optimizer).__name__, type(self).__name__
                raise RuntimeError(SECOND_DERIVATIVES.format(base=base, name=name)) from error
            raise

    def _columns(self, flat: Flat) -> dict[str, Tensor]:
        """What the rule is given besides matrices; each broadcasts against a row."""
        columns = flat.columns(self._rule.hyperparameters)
        if self._rule.asks_for_weights:
            if self._mask is None or not flat.is_of(self._mask[0]):
                kinds = known_kinds(self.param_groups, self.model)
                self._mask = flat.parameters, weight_mask(flat, kinds)
            columns[IS_WEIGHT] = self._mask[1]
        return columns

    def _direction(self, ascent: Ascent, flat: Flat, gp_1P: Tensor) -> Tensor:
        """What the base optimizer applies, of the parameters that have a second gradient.

        One without a second gradient is left alone, as the base optimizer has it; one without
        a first had a gradient of zero.
        """
        if ascent.flat is None:
            g_1P = torch.zeros_like(gp_1P)
        else:
            g_1P = carry_over(ascent.g_1P, ascent.flat, flat)
        d_1P = self._rule.update_direction(g_1P, gp_1P, self._columns(flat))
        if self.max_grad_norm is None:
            return d_1P
        return d_1P * torch.clamp(self.max_grad_norm / norm(d_1P), max=1.0)


def _overflown(scaler: GradScaler | None, *gradients: Tensor) -> bool:
    """Whether a scaler is in use and a gradient is not finite, so that the step is skipped."""
    if scaler is None or not scaler.is_enabled():
        return False
    return not all(bool(g_1P.isfinite().all()) for g_1P in gradients)
