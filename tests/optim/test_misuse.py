"""Mistakes of newcomers: what would have trained something else is refused, or does no harm."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_optimizer
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import SGD, AdamW

from agsam_tune.optim import ASAM, GSAM, SAM, AdaptiveGSAM, TwoPass
from agsam_tune.optimizers import RULES, Rule, optimizer, perturbed, plain, unit

from .problems import CLASSES, batches, closure_for, mlp, train, vector

EVERY_CLASS = pytest.mark.parametrize("kind", CLASSES)
LOOK = """
from agsam_tune.optimizers import optimizer, perturbed, unit

@optimizer(direction=perturbed)
def look(w_KP, g_KP, *, rho_K1):
    return rho_K1 * unit(g_KP)

number = 3
"""


# ── the model ────────────────────────────────────────────────────────────────────────────


def test_the_model_of_other_parameters_is_refused() -> None:
    net, other = mlp(), mlp()
    with pytest.raises(ValueError, match="model of SAM is another than") as caught:
        SAM(net.parameters(), lr=0.1, model=other)
    assert "6 of the 6 parameters of a group, the first of shape (16, 2)" in str(caught.value)
    with pytest.raises(ValueError, match="1 of the 2 parameters"):
        SAM([net[0].weight, other[0].weight], model=net)


def test_an_added_group_of_another_model_is_not_added() -> None:
    net, other = mlp(), mlp()
    optimizer = AdaptiveGSAM(net[0].parameters(), model=net)
    with pytest.raises(ValueError, match="model of AdaptiveGSAM is another"):
        optimizer.add_param_group({"params": other.parameters()})
    optimizer.add_param_group({"params": net[2].parameters()})
    assert [len(group["params"]) for group in optimizer.param_groups] == [2, 2]


@pytest.mark.parametrize("model", [nn.Linear, "net", {"net": 1}, lambda x: x])
def test_a_model_that_is_no_module_is_refused(model: Any) -> None:
    with pytest.raises(TypeError, match=r"model of SAM is of type \w+; allowed is the torch.nn"):
        SAM(mlp().parameters(), model=model)


def test_models_that_have_the_parameters_are_taken() -> None:
    """Compiled, wrapped, with a part that is not trained by this optimizer or not at all."""
    net, loss = mlp(), nn.Linear(1, 1)
    frozen = nn.Parameter(torch.ones(1), requires_grad=False)
    for model in (net, torch.compile(net, backend="eager"), nn.DataParallel(net)):
        assert SAM([*net[0].parameters(), frozen], model=model).model is model
    both = nn.ModuleList([net, loss])
    assert SAM([*net.parameters(), *loss.parameters()], model=both).model is both


# ── closures ─────────────────────────────────────────────────────────────────────────────


def _without_zero_grad(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Callable[[], Tensor]:
    def closure() -> Tensor:
        loss = cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        return loss

    return closure


@EVERY_CLASS
def test_a_closure_that_does_not_zero_the_gradients_does_no_harm(kind: type[TwoPass]) -> None:
    """Neither the first gradient nor the last step's direction is added to the next."""
    ours, theirs = mlp(), mlp()
    optimizer = kind(ours.parameters(), lr=0.1)
    for batch in batches(3):
        optimizer.step(_without_zero_grad(ours, batch))
    expected = train(theirs, kind(theirs.parameters(), lr=0.1), batches(3))
    assert torch.equal(vector(ours), expected)


@EVERY_CLASS
def test_a_closure_may_accumulate_gradients(kind: type[TwoPass]) -> None:
    """Two halves of a batch, half the loss each: the gradients of the whole."""
    ours, theirs = mlp(dtype=torch.float64), mlp(dtype=torch.float64)
    optimizer = kind(ours.parameters(), lr=0.1)
    ((x, y),) = data = batches(1, dtype=torch.float64)

    def closure() -> None:
        optimizer.zero_grad()
        for half in (slice(8), slice(8, 16)):
            (cross_entropy(ours(x[half]), y[half]) / 2).backward()

    optimizer.step(closure)
    expected = train(theirs, kind(theirs.parameters(), lr=0.1), data)
    torch.testing.assert_close(vector(ours), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("without", [1, 2])
def test_a_closure_without_backward_is_refused(without: int) -> None:
    """In either pass, and although the last step has left gradients."""
    model = mlp()
    optimizer = AdaptiveGSAM(model.parameters(), lr=0.1)
    good = closure_for(model, optimizer, batches(1)[0])
    optimizer.step(good)
    start = vector(model)
    calls = []

    def closure() -> Tensor:
        calls.append(vector(model))
        if len(calls) == without:
            return cross_entropy(model(batches(1)[0][0]), batches(1)[0][1])
        return good()

    with pytest.raises(RuntimeError, match="no parameter of AdaptiveGSAM has a gradient after the"):
        optimizer.step(closure)
    assert len(calls) == without
    assert torch.equal(vector(model), start)
    optimizer.step(good)
    assert not torch.equal(vector(model), start)


def test_a_part_without_gradients_is_still_allowed() -> None:
    model = mlp()
    unused = nn.Parameter(torch.ones(2))
    optimizer = AdaptiveGSAM([*model.parameters(), unused], lr=0.1, weight_decay=0.1)
    optimizer.step(closure_for(model, optimizer, batches(1)[0]))
    assert torch.equal(unused.detach(), torch.ones(2))


def test_a_loss_in_place_of_a_closure() -> None:
    model = mlp()
    optimizer = SAM(model.parameters())
    closure = closure_for(model, optimizer, batches(1)[0])
    with pytest.raises(TypeError, match=r"SAM.step\(closure\) takes a function and got a Tensor"):
        optimizer.step(closure())
    with pytest.raises(TypeError, match="got a float: put zero_grad"):
        optimizer.step(closure().item())


# ── keys and values of groups ────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        *(("roh", "rho"), ("Rho", "rho"), ("rh0", "rho"), ("ro", "rho"), ("gama", "gamma")),
        *(("alfa", "alpha"), ("momentun", "momentum"), ("weight-decay", "weight_decay")),
    ],
)
def test_a_slip_in_a_key_of_a_group_is_refused(key: str, meant: str) -> None:
    net = mlp()
    says = f"a parameter group of AdaptiveGSAM sets '{key}', which nothing reads; did you mean"
    with pytest.raises(ValueError, match=f"{says} '{meant}'"):
        AdaptiveGSAM([{"params": net.parameters(), key: 0.1}])
    optimizer = AdaptiveGSAM(net[0].parameters())
    with pytest.raises(ValueError, match=f"{says} '{meant}'"):
        optimizer.add_param_group({"params": net[2].parameters(), key: 0.1})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("base", [SGD, AdamW, torch.optim.Adagrad])
@pytest.mark.parametrize(
    "key",
    [
        *("initial_lr", "max_lr", "min_lr", "swa_lr", "base_momentum", "max_momentum"),
        *("param_names", "name", "lr_scale", "initial_rho", "initial_weight_decay"),
        *("foreach", "maximize", "capturable", "differentiable"),
    ],
)
def test_keys_of_torch_of_schedulers_and_of_loggers_pass(key: str, base: type[Any]) -> None:
    net = mlp()
    optimizer = AdaptiveGSAM([{"params": net[0].parameters(), key: 0.0}], base)
    optimizer.add_param_group({"params": net[2].parameters(), key: 0.0})
    optimizer.load_state_dict(optimizer.state_dict())
    assert [group[key] for group in optimizer.param_groups] == [0.0, 0.0]


@pytest.mark.parametrize("key", ["tag", "lr_mult", "rho_max", "wd", "layer_decay", 3])
def test_a_key_that_nobody_knows_is_refused_with_the_way_to_keep_it(key: Any) -> None:
    net, other = mlp(), mlp()
    with pytest.raises(ValueError, match=rf"GSAM sets {key!r}, which nothing reads \(it has rho"):
        GSAM([{"params": net.parameters(), key: 1}])
    optimizer, loaded = GSAM(net.parameters()), GSAM(other.parameters())
    optimizer.param_groups[0][key] = 1
    train(net, optimizer, batches(1))
    start = repr(loaded)
    with pytest.raises(ValueError, match=f"a group in the state_dict of GSAM sets {key!r}"):
        loaded.load_state_dict(optimizer.state_dict())
    assert repr(loaded) == start
    loaded.param_groups[0][key] = 0
    loaded.load_state_dict(optimizer.state_dict())
    assert loaded.param_groups[0][key] == 1


def test_a_text_is_a_label_unless_its_key_is_a_slip() -> None:
    net, other = mlp(), mlp()
    optimizer = GSAM([{"params": net.parameters(), "tag": "head"}])
    GSAM(other.parameters()).load_state_dict(optimizer.state_dict())
    for key in ("roh", "adaptive", "gamma"):
        with pytest.raises(ValueError, match=f"sets '{key}'"):
            GSAM([{"params": net.parameters(), key: "0.1"}])


@pytest.mark.parametrize("base", [SGD, pytorch_optimizer.Lion])
@pytest.mark.parametrize(
    ("kind", "means"),
    [(SAM, "is the class ASAM, with gamma=0"), (GSAM, 'is the rule "adaptive_gsam_t2" in TwoPass')],
)
def test_adaptive_of_other_programs_is_named_as_what_it_is_here(
    kind: type[TwoPass], means: str, base: type[Any]
) -> None:
    """As an argument, even of a base class that swallows any, in a group, and in a checkpoint."""
    net = mlp()
    with pytest.raises(TypeError, match=f"{kind.__name__} has no argument 'adaptive'.*{means}"):
        kind(net.parameters(), base, adaptive=True)
    with pytest.raises(ValueError, match=f"group of {kind.__name__} sets 'adaptive'.*{means}"):
        kind([{"params": net.parameters(), "adaptive": True}], base)
    theirs = pytorch_optimizer.SAM(net.parameters(), SGD, rho=0.1, adaptive=True, lr=0.1)
    optimizer = kind(net.parameters(), base, rho=0.3)
    with pytest.raises(ValueError, match=f"state_dict of {kind.__name__} sets 'adaptive'.*{means}"):
        optimizer.load_state_dict(theirs.state_dict())
    assert optimizer.param_groups[0]["rho"] == 0.3


def test_adaptive_false_says_what_sam_does_and_not_what_asam_does() -> None:
    net = mlp()
    theirs = pytorch_optimizer.SAM(net.parameters(), SGD, rho=0.1, adaptive=False, lr=0.1)
    saved = theirs.state_dict()
    for key in saved["param_groups"][0].keys() - {"params", "lr", "rho", "adaptive"}:
        saved["param_groups"][0].pop(key)
    optimizer = SAM(net.parameters())
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["rho"] == 0.1
    with pytest.raises(ValueError, match="'adaptive'"):
        ASAM(net.parameters()).load_state_dict(saved)


def test_arguments_that_a_base_class_would_swallow() -> None:
    """pytorch_optimizer's classes take any keyword; those meant for the optimizer are refused."""
    net = mlp()
    for wrong in ({"roh": 0.1}, {"gamma": 0.1}):
        with pytest.raises(TypeError, match=f"SAM has no argument '{next(iter(wrong))}'"):
            SAM(net.parameters(), pytorch_optimizer.Lion, **wrong)


@pytest.mark.parametrize("base", [pytorch_optimizer.Lion, pytorch_optimizer.Adan])
def test_what_a_base_class_puts_into_its_groups_can_be_loaded(base: type[Any]) -> None:
    """Such as `step`, which is there after a step only."""
    net, other = mlp(), mlp()
    optimizer = SAM(net.parameters(), base, lr=0.01)
    train(net, optimizer, batches(1))
    fresh = SAM(other.parameters(), base, lr=0.01)
    assert optimizer.param_groups[0].keys() - fresh.param_groups[0].keys() == {"step"}
    fresh.load_state_dict(optimizer.state_dict())
    assert fresh.param_groups[0]["step"] == 1


@pytest.mark.parametrize("manual", [False, True])
@pytest.mark.parametrize("value", [-1, float("nan"), "0.1", None])
def test_a_value_that_was_set_later_is_checked_before_anything_moves(
    value: Any, manual: bool
) -> None:
    model = mlp()
    optimizer = GSAM([{"params": [p]} for p in model.parameters()], lr=0.1)
    start = vector(model)
    closure = closure_for(model, optimizer, batches(1)[0])
    optimizer.param_groups[3]["rho"] = value
    with pytest.raises(ValueError, match=f"rho of GSAM is {value!r}; allowed is a finite number"):
        if manual:
            closure()
            optimizer.first_step()
        else:
            optimizer.step(closure)
    assert torch.equal(vector(model), start)
    optimizer.param_groups[3]["rho"] = 0.1
    optimizer.step(closure)


@pytest.mark.parametrize("value", [1, np.float32(0.5), np.float64(0.5), torch.tensor([0.5])])
def test_numbers_of_any_kind_can_be_set(value: Any) -> None:
    ours, theirs = mlp(), mlp()
    optimizer = SAM(ours.parameters(), lr=0.1)
    optimizer.param_groups[0]["rho"] = value
    end = train(ours, optimizer, batches(1))
    assert torch.equal(
        end, train(theirs, SAM(theirs.parameters(), lr=0.1, rho=float(value)), batches(1))
    )


# ── rules ────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def own_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module `own_rules` to import; it and what is registered are gone after the test."""
    known, path = dict(RULES), list(sys.path)
    (tmp_path / "own_rules.py").write_text(LOOK, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    RULES.clear()
    RULES.update(known)
    sys.path[:] = path
    sys.modules.pop("own_rules", None)


def _end(rule: Any) -> Tensor:
    model = mlp()
    optimizer = TwoPass(model.parameters(), rule=rule, hyperparameters={"rho": 0.2}, lr=0.1)
    return train(model, optimizer, batches(2))


@pytest.mark.usefixtures("own_rules")
def test_a_rule_may_be_a_function_a_reference_a_name_or_a_rule() -> None:
    @optimizer(direction=perturbed)
    def mine(w_KP: Tensor, g_KP: Tensor, *, rho_K1: Tensor) -> Tensor:
        return rho_K1 * unit(g_KP)

    expected = _end("sam")
    for rule in (mine, "mine", RULES["mine"], RULES["sam"], "own_rules:look", "look"):
        assert torch.equal(_end(rule), expected), rule


def _undecorated(w_KP: Tensor, g_KP: Tensor) -> Tensor:
    return g_KP


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("own_rules:lock", "has nothing called 'lock'; did you mean 'look'?"),
        ("own_rules:number", "found int 3, allowed: a function or a Rule"),
        ("not_there_at_all:look", "there is no module not_there_at_all"),
        (":look", "rule of TwoPass: "),
        ("gsma", "there is none called 'gsma'; did you mean 'gsam'? (there are adaptive_gsam, "),
        ("own_rules.look", "one of your own is named 'module:function'"),
        (_undecorated, "found a function without the decorator; write"),
        (torch.zeros(2, 2), "found Tensor tensor([[0., 0.], [0., 0.]])"),
        (None, "found NoneType None, allowed: a function or a Rule"),
        (SAM, "found a function without the decorator"),
        (RULES["sam"].ascent, "is several optimizers, allowed as names"),
        (
            Rule(name="odd", ascent=None, direction=plain, hyperparameters=("rho",)),
            "the Rule says hyperparameters = ('rho',)",
        ),
        ("sgd", "the rule sgd has no ascent step and takes one pass; TwoPass needs one that"),
    ],
)
@pytest.mark.usefixtures("own_rules")
def test_what_is_no_rule_is_refused_in_one_line(rule: Any, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        _end(rule)
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["rho"], "hyperparameters lacks alpha: the rule gsam has rho, alpha"),
        ([], "hyperparameters lacks rho, alpha: the rule gsam has rho, alpha"),
        (["rho", "alpha", "gamma"], "hyperparameters has 'gamma', and the rule gsam has rho"),
        (["rho", "alfa"], "has 'alfa', and the rule gsam has rho, alpha; did you mean 'alpha'?"),
    ],
)
def test_hyperparameters_of_another_rule_are_refused(given: list[str], says: str) -> None:
    with pytest.raises(ValueError) as caught:
        TwoPass(mlp().parameters(), rule="gsam", hyperparameters=dict.fromkeys(given, 0.1))
    assert says in str(caught.value)
