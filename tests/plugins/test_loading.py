"""Loading an update rule or a task of the user's own, and what is said where that fails."""

import bisect
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from agsam_tune.errors import UsageError
from agsam_tune.executors.checks import check_rules
from agsam_tune.optimizers import load_rule, rule
from agsam_tune.plugins import find_object
from agsam_tune.study import Study, available_studies, load_study
from agsam_tune.tasks.loading import load_task

Write = Callable[..., Path]

RULES = """
from agsam_tune.optimizers import Rule, decomposed, optimizer, perturbed, plain, unit

@optimizer(direction=perturbed)
def mine(w_KP, g_KP, *, rho_K1, slope_K1):
    return rho_K1 * slope_K1 * unit(g_KP)

@optimizer(direction=perturbed, name="one")
@optimizer(direction=decomposed, name="two")
def several(w_KP, g_KP, *, rho_K1):
    return rho_K1 * unit(g_KP)

thrice = Rule(name="whatever", ascent=None, direction=plain, hyperparameters=(), epoch_factor=3)
wrong_rule = Rule(name="w", ascent=None, direction=plain, hyperparameters=("rho",))
wrong_direction = Rule(name="w", ascent=None, direction=lambda g_KP: g_KP, hyperparameters=())
no_epochs = Rule(name="w", ascent=None, direction=plain, hyperparameters=(), epoch_factor=0)

def undecorated(w_KP, g_KP, *, rho_K1):
    return rho_K1 * unit(g_KP)

number = 3
"""


def refusal(name: str, reference: str, folder: Path) -> str:
    with pytest.raises(UsageError) as caught:
        load_rule(name, reference, [str(folder)])
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).startswith(f"optimizer {name} ({reference}): ")
    return str(caught.value)


def test_a_decorated_function_is_loaded_by_any_name(module: Write) -> None:
    folder = module(RULES)
    for name in ("mine", "another", "another"):
        loaded = load_rule(name, "my_own:mine", [str(folder)])
        assert (loaded.name, loaded.hyperparameters) == (name, ("rho", "slope"))
        assert rule(name) == loaded


def test_of_several_rules_of_a_function_the_name_decides(module: Write) -> None:
    folder = module(RULES)
    assert load_rule("one", "my_own:several", [str(folder)]).hyperparameters == ("rho",)
    assert load_rule("two", "my_own:several", [str(folder)]).hyperparameters == ("rho", "alpha")
    assert "allowed as names: two, one" in refusal("three", "my_own:several", folder)


def test_a_rule_may_be_written_out(module: Write) -> None:
    folder = module(RULES)
    loaded = load_rule("thrice", "my_own:thrice", [str(folder)])
    assert (loaded.name, loaded.ascent, loaded.epoch_factor) == ("thrice", None, 3)
    assert rule("thrice") is loaded


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("my_won:mine", "there is no module my_won; looked for in "),
        ("my_own.rules:mine", "there is no module my_own.rules; looked for in "),
        ("my_own:mien", "has nothing called 'mien'; did you mean 'mine'?"),
        ("my_own:undecorated", "found a function without the decorator; write `from agsam_tune."),
        ("my_own:number", "found int 3, allowed: a function or a Rule; write "),
        ("my_own:wrong_rule", "hyperparameters = ('rho',), but its functions take ()"),
        ("my_own:wrong_direction", "allowed: two matrices, then '*', then"),
        ("my_own:no_epochs", "epoch_factor = 0, allowed: 1 or more"),
    ],
)
def test_what_is_no_rule_is_refused_in_one_line(module: Write, reference: str, says: str) -> None:
    folder = module(RULES)
    message = refusal("odd", reference, folder)
    assert says in message
    if "looked for" in says:
        assert f"{folder}, the installed packages" in message
    with pytest.raises(KeyError):
        rule("odd")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import not_there_at_all", "importing my_own raised ModuleNotFoundError: No module named"),
        ("1 / 0", "importing my_own raised ZeroDivisionError: division by zero"),
        ("raise ValueError('a\\nb')", "importing my_own raised ValueError: a b"),
        ("raise SystemExit(3)", "importing my_own raised SystemExit: 3"),
        ("def mine(:", "importing my_own raised SyntaxError"),
        (RULES.replace("*, rho_K1, slope", "*, rho, slope"), "raised TypeError: my_own.mine takes"),
        (RULES.replace("*, rho_K1, slope", "*, rho, slope"), "NAME_K1 for each hyperparameter"),
        (RULES.replace("def mine(", "def gsam("), "the name 'gsam' is that of agsam_tune.optim"),
    ],
)
def test_what_importing_raises_is_said_in_one_line(module: Write, text: str, says: str) -> None:
    gsam = rule("gsam")
    assert says in refusal("odd", "my_own:mine", module(text))
    assert rule("gsam") is gsam


def test_two_functions_cannot_have_one_name(module: Write) -> None:
    folder = module(RULES)
    module(RULES.replace('name="one"', 'name="1"').replace('name="two"', 'name="2"'), "other")
    load_rule("mine", "my_own:mine", [str(folder)])
    says = refusal("mine", "other:mine", folder)
    assert "the name 'mine' is that of my_own.mine; allowed for other.mine: another name" in says


class TestAWholeStudy:
    def study(self, own: str, ranges: str = "{low=0.1,high=1,default=0.5}") -> Study:
        return load_study(
            available_studies()["quick"],
            overrides=[
                f'optimizers=["gsam", "adaptive_gsam", "gsam_matched", "my_own:{own}"]',
                *(f"search_spaces.{own}.{name}={ranges}" for name in ("rho", "slope")),
            ],
        )

    def test_its_rules_are_found_once_it_is_checked(self, module: Write) -> None:
        study, folder = self.study("mine"), module(RULES)
        check_rules(study, [str(folder)])
        for name in study.optimizers:
            assert rule(name).name == name
        step_KP = rule("mine").ascent_step(
            torch.ones(1, 4),
            torch.ones(1, 4),
            {"rho": torch.tensor([[2.0]]), "slope": torch.tensor([[3.0]])},
        )
        torch.testing.assert_close(step_KP, torch.full((1, 4), 3.0))

    def test_a_search_space_that_does_not_fit_is_refused(self, module: Write) -> None:
        folder = module(RULES.replace("slope", "gain"))
        says = "mine takes rho, gain, but its search space has rho, slope"
        with pytest.raises(UsageError, match=says):
            check_rules(self.study("mine"), [str(folder)])

    def test_a_missing_search_space_is_asked_for(self, module: Write) -> None:
        study = load_study(
            available_studies()["quick"],
            overrides=['optimizers=["gsam", "adaptive_gsam", "gsam_matched", "my_own:mine"]'],
        )
        with pytest.raises(UsageError, match=r"has none; .*mine") as caught:
            check_rules(study, [str(module(RULES))])
        assert "search_spaces" in str(caught.value)


@pytest.mark.parametrize(
    ("reference", "text", "says"),
    [
        ("my_won:blobs", "", "task 'my_won:blobs': there is no module my_won"),
        ("my_own:blobs", "blob = 1", "has nothing called 'blobs'; did you mean 'blob'?"),
        ("my_own:blobs", "1 / 0", "importing my_own raised ZeroDivisionError"),
        ("my_own:blobs", "blobs = 3", "TypeError: 'int' object is not callable"),
        ("my_own:blobs", "def blobs(*, seed): 1 / 0", "could not be built: ZeroDivisionError"),
        (
            "my_own:blobs",
            "def blobs(*, seed): raise SystemExit(0)",
            "could not be built: SystemExit",
        ),
        ("my_own:blobs", "def blobs(*, seed): return 3", "returned a int"),
        ("nobody_s", "", "no installed package announces a task of this name"),
    ],
)
def test_what_is_no_task_is_refused_in_one_line(
    module: Write, reference: str, text: str, says: str
) -> None:
    folder = module(text)
    with pytest.raises(UsageError) as caught:
        load_task(reference, {}, seed=0, import_path=[str(folder)])
    assert says in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_another_study_s_module_of_the_same_name_is_not_taken_for_it(module: Write) -> None:
    first = module(RULES)
    second = first / "second"
    second.mkdir()
    (second / "my_own.py").write_text(RULES, "utf-8")
    load_rule("mine", "my_own:mine", [str(first)])
    said = refusal("mine", "my_own:mine", second)
    assert f"has imported my_own from {first / 'my_own.py'}, for another study" in said
    load_rule("mine", "my_own:mine", [str(first)])


def test_a_built_in_task_imports_nothing_of_the_user_s(module: Write) -> None:
    folder = module("raise RuntimeError", name="lz4")  # joblib takes it where there is one
    load_task("moons", {}, seed=0, import_path=[str(folder)])
    assert str(folder) not in sys.path


def test_modules_lie_beside_the_study_first(module: Write) -> None:
    """Wherever it is loaded: a worker of Ray's has the working folder first on its path."""
    working = module("blobs = 1 / 0")
    beside = working / "study"
    beside.mkdir()
    (beside / "my_own.py").write_text(RULES, "utf-8")
    sys.path.insert(0, str(working))
    assert load_rule("mine", "my_own:mine", [str(beside), str(working)]).name == "mine"
    (beside / "bisect.py").write_text("1 / 0", "utf-8")
    assert find_object("bisect:insort", [str(beside)]) is bisect.insort


def test_hyperparameters_of_the_base_optimizer_are_not_a_rule_s(module: Write) -> None:
    folder = module(
        "from agsam_tune.optimizers import optimizer, perturbed\n"
        "@optimizer(direction=perturbed)\n"
        "def paced(w_KP, g_KP, *, rho_K1, lr_K1):\n    return rho_K1 * g_KP\n"
    )
    assert "lr belongs to the base optimizer" in refusal("paced", "my_own:paced", folder)
