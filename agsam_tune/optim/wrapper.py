"""An optimizer around a base optimizer that holds everything: groups, defaults, state.

In: parameters, the class of a base optimizer and its arguments, further hyperparameters. Out: an
optimizer that shows the base optimizer's very own objects as its own, so that schedulers,
add_param_group, load_state_dict and a user's edits act on both, and the two cannot drift
apart. Must not import anything of this package but its checks and keys.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from agsam_tune.optim.checks import (
    check_arguments,
    check_base_class,
    check_clash,
    check_group,
)
from agsam_tune.optim.keys import check_keys

_SWITCHES = ("train", "eval")


class Wrapper(Optimizer):
    """All but the step.

    Attributes:
        base_optimizer: the optimizer inside.
    """

    base_optimizer: Optimizer

    def __init__(
        self,
        params: ParamsT,
        base_optimizer: type[Optimizer],
        own: dict[str, Any],
        base_arguments: dict[str, Any],
    ) -> None:
        """Make the base optimizer and add `own`, hyperparameters with their defaults."""
        name = type(self).__name__
        check_base_class(name, base_optimizer)
        if issubclass(base_optimizer, Wrapper):
            msg = f"{base_optimizer.__name__} takes two passes itself: it cannot be {name}'s base"
            raise TypeError(msg)
        check_arguments(name, own, base_optimizer, base_arguments)
        # Copied, for the keys that are the user's and not added defaults.
        entries: Any = params if isinstance(params, Tensor) else list(params)
        given = [dict(entry) for entry in entries if isinstance(entry, dict)]
        self.base_optimizer = base_optimizer(entries, **base_arguments)
        check_clash(name, own, self.base_optimizer)
        self._own = tuple(own)
        # Into the base optimizer's, so that groups added to either have them.
        self.defaults.update(own)
        for group in given:
            check_keys(name, self._own, self.base_optimizer, group)
        for group in self.param_groups:
            self._admit(group)
        # Sets up hooks and profiling and nothing else, as after unpickling: Optimizer.__init__
        # would make groups and state of its own.
        super().__setstate__({})

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The base optimizer's groups, with this class's hyperparameters in each."""
        return self.base_optimizer.param_groups

    @param_groups.setter
    def param_groups(self, groups: list[dict[str, Any]]) -> None:
        self.base_optimizer.param_groups = groups

    @property
    def state(self) -> Any:
        """The base optimizer's state; there is no other."""
        return self.base_optimizer.state

    @state.setter
    def state(self, state: Any) -> None:
        self.base_optimizer.state = state

    @property
    def defaults(self) -> dict[str, Any]:
        """The base optimizer's defaults and this class's hyperparameters."""
        return self.base_optimizer.defaults

    @defaults.setter
    def defaults(self, defaults: dict[str, Any]) -> None:
        self.base_optimizer.defaults = defaults

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group; hyperparameters that it does not set take their defaults."""
        if isinstance(param_group, dict):  # else the base optimizer refuses it
            check_keys(type(self).__name__, self._own, self.base_optimizer, param_group)
        self.base_optimizer.add_param_group(param_group)
        try:
            self._admit(self.param_groups[-1])
        except (TypeError, ValueError):
            del self.param_groups[-1]
            raise

    def state_dict(self) -> dict[str, Any]:
        """The base optimizer's, whose groups hold this class's hyperparameters too."""
        for pre_hook in self._optimizer_state_dict_pre_hooks.values():
            pre_hook(self)
        result = self.base_optimizer.state_dict()
        for post_hook in self._optimizer_state_dict_post_hooks.values():
            changed = post_hook(self, result)
            result = result if changed is None else changed
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state_dict of this class, or of the base optimizer alone.

        Raises:
            ValueError: a group in it has a key that nothing reads, as that of another optimizer.
        """
        state_dict = state_dict.copy()
        for pre_hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = pre_hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        for number, group in enumerate(state_dict["param_groups"]):
            check_keys(
                type(self).__name__,
                self._own,
                self.base_optimizer,
                group,
                kept=self.param_groups[number] if number < len(self.param_groups) else (),
                place="a group in the state_dict",
            )
        self.base_optimizer.load_state_dict(state_dict)
        for group in self.param_groups:
            self._complete(group)
        for post_hook in self._optimizer_load_state_dict_post_hooks.values():
            post_hook(self)

    if not TYPE_CHECKING:  # else any name would pass as an attribute

        def __getattr__(self, name: str) -> Any:
            """train() and eval() of a base optimizer that has them, as schedule-free ones do."""
            base = self.__dict__.get("base_optimizer")
            if name in _SWITCHES and hasattr(base, name):
                return partial(self._switch, name)
            msg = f"{type(self).__name__!r} object has no attribute {name!r}"
            if name in _SWITCHES and base is not None:
                msg = f"{msg}: its base optimizer, {type(base).__name__}, has none"
            raise AttributeError(msg)

    def _switch(self, name: str) -> None:
        """Let the base optimizer exchange the weights for those of training or evaluation."""
        getattr(self.base_optimizer, name)()

    def _admit(self, group: dict[str, Any]) -> None:
        """Complete a new group, or raise TypeError or ValueError."""
        self._complete(group)

    def _complete(self, group: dict[str, Any]) -> None:
        for name in self._own:
            group.setdefault(name, self.defaults[name])
        check_group(type(self).__name__, self._own, group)

    def __getstate__(self) -> dict[str, Any]:
        return {"base_optimizer": self.base_optimizer, "_own": self._own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # The base optimizer first: what follows looks at its defaults.
        self.base_optimizer = state["base_optimizer"]
        super().__setstate__(state)

    def __repr__(self) -> str:
        name, base = type(self).__name__, type(self.base_optimizer).__name__
        return super().__repr__().replace(f"{name} (", f"{name} (around {base}", 1)
