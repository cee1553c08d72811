"""Search spaces: read from their files, checked, and changed by a study.

In: a search space's file, and the study's own table for it. Out: a `SearchSpace`, or problems.
That of an update rule of one's own lies beside the study as the others do, or in the package that
the rule is from, or all of it is in the study.
Must not import torch, Ray, Optuna or pandas.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from agsam_tune.columns import AFTER_HYPERPARAMETERS, BEFORE_HYPERPARAMETERS, SHARPNESS
from agsam_tune.plugins import data_file, is_reference
from agsam_tune.study.errors import Problem, Problems, StudyError, nearest, show
from agsam_tune.study.explain import add_validation_error
from agsam_tune.study.files import find_search_spaces, package_folder, read_table
from agsam_tune.study.hyperparameters import BASE_HYPERPARAMETERS, limit_problem
from agsam_tune.study.model import FORMAT, SearchSpace
from agsam_tune.study.references import OWN, announced_optimizers, builtin_names, name_problem
from agsam_tune.study.tables import SearchSpaceTable

__all__ = [
    "HYPERPARAMETER_PATTERN",
    "RESERVED",
    "available_search_spaces",
    "find_search_space",
    "override_search_space",
    "parse_search_space",
    "read_search_space",
    "readable_search_spaces",
]

#: What a hyperparameter's name is made of.
HYPERPARAMETER_PATTERN = r"[a-z][a-z0-9_]*"

#: Words that a hyperparameter would be mistaken for: columns of the tables of results, and the
#: kinds of points in `misset`.
RESERVED = (
    frozenset(BEFORE_HYPERPARAMETERS)
    | set(AFTER_HYPERPARAMETERS)
    | set(SHARPNESS)
    | {
        *("epoch", "f", "f_p"),
        *("all", "description", "index", "format", "ascent"),
    }
)


def available_search_spaces(study_dir: Path | None = None) -> dict[str, SearchSpace]:
    """The search spaces that a study in `study_dir` can name, by optimizer.

    Args:
        study_dir: a study's folder; without one, those that come with the package.

    Raises:
        StudyError: if one of the files is not a search space, with all that is wrong in all.
    """
    spaces, problems = readable_search_spaces(study_dir)
    if problems:
        raise StudyError(problems)
    return spaces


def readable_search_spaces(
    study_dir: Path | None = None,
) -> tuple[dict[str, SearchSpace], list[Problem]]:
    """The search spaces that are whole, by optimizer, and what is wrong with the others."""
    problems = Problems(study_file="")
    files = find_search_spaces(study_dir)
    names = dict.fromkeys((*files, *announced_optimizers()[0]))
    spaces = {name: find_search_space(name, None, files, problems) for name in names}
    whole = {name: space for name, space in spaces.items() if space is not None}
    return whole, problems.found


def read_search_space(path: Path) -> SearchSpace:
    """The search space in the file `path`.

    Raises:
        StudyError: if it is none, with all that is wrong.
    """
    problems = Problems(study_file="")
    space = parse_search_space(path, problems)
    if space is None:
        raise StudyError(problems.found)
    return space


def find_search_space(
    name: str, reference: str | None, files: Mapping[str, Path], problems: Problems
) -> SearchSpace | None:
    """The search space of the optimizer `name`, or None after adding what is wrong with it.

    Args:
        name: what the study calls the optimizer.
        reference: where its rule is, if the study says so.
        files: the search-space files that the study can name.
        problems: where to add.

    Returns:
        for a rule of one's own without a file, a search space without ranges. None, without a
        problem, where no optimizer has this name.
    """
    before = len(problems.found)
    if reference is None and name in files:
        return parse_search_space(files[name], problems)
    rule = reference or _announced_reference(name)
    if rule is None:
        return None
    file = _file_of(name, rule, files, problems) or data_file(rule, "search_spaces", f"{name}.toml")
    if file is None:
        return SearchSpace(optimizer=name, rule=rule) if len(problems.found) == before else None
    space = parse_search_space(file, problems)
    return space and space.model_copy(update={"optimizer": name, "rule": rule})


def _announced_reference(name: str) -> str | None:
    plugin = announced_optimizers()[0].get(name)
    return plugin.reference if plugin else None


def _file_of(name: str, rule: str, files: Mapping[str, Path], problems: Problems) -> Path | None:
    """The file for a rule that a study names by its reference: its own name's, or the only one."""
    builtin = builtin_names()
    said = {stem: _optimizer_in(path) for stem, path in files.items() if stem not in builtin}
    if said.get(name) in (name, rule):
        return files[name]
    found = [stem for stem, optimizer in said.items() if optimizer == rule]
    if len(found) > 1:
        message = f"found {rule!r}, which has several search-space files; allowed: a file's name"
        problems.add("optimizers", f"{message}, {' or '.join(map(repr, found))}")
    return files[found[0]] if len(found) == 1 else None


def _optimizer_in(path: Path) -> object:
    """What a file says its optimizer is; what is wrong with it is said when it is used."""
    try:
        return read_table(path).get("optimizer")
    except StudyError:
        return None


def parse_search_space(path: Path, problems: Problems) -> SearchSpace | None:
    """The search space in `path`, or None after adding what is wrong with it to `problems`."""
    before = len(problems.found)
    try:
        said = read_table(path)
        if isinstance(version := said.get("format"), int) and version > FORMAT:
            allowed = f"up to {FORMAT}; a newer agsam-tune is needed"
            problems.add("format", f"found {version}, allowed: {allowed}", file=str(path))
            return None
        table = SearchSpaceTable.model_validate(said)
    except StudyError as error:
        problems.found.extend(error.problems)
        return None
    except ValidationError as error:
        add_validation_error(problems, error, SearchSpaceTable, file=str(path))
        return None
    rule, message = _rule_in(table.optimizer, path.stem)
    if message:
        problems.add("optimizer", message, file=str(path))
    space = SearchSpace(
        optimizer=path.stem,
        rule=rule,
        description=table.description,
        ascent=table.ascent,
        ranges=dict(table.__pydantic_extra__),
    )
    for key, message in [*_name_problems(space, path), *_bound_problems(space)]:
        problems.add(key, message, file=str(path))
    return space if len(problems.found) == before else None


def _rule_in(optimizer: str, stem: str) -> tuple[str | None, str | None]:
    """The reference that a file's `optimizer` stands for, None for a built-in; and a problem."""
    if is_reference(optimizer):
        return optimizer, name_problem(stem, optimizer)
    if optimizer != stem:
        return None, f"found {optimizer!r}, allowed: the file's own name, {stem!r}, or {OWN}"
    return (None if stem in builtin_names() else _announced_reference(stem)), None


def override_search_space(
    space: SearchSpace, changes: object, problems: Problems, *, is_own: bool = False
) -> SearchSpace | None:
    """`space` with a study's `[search_spaces.NAME]` applied, or None after adding problems.

    A range that the file has is changed key by key; lr, momentum and weight_decay may be added,
    and to a rule of one's own that has no ranges yet, any; of such a rule it may say `ascent`.
    `is_own` says of a name without a rule that it is such a one, of another program.
    """
    before = len(problems.found)
    prefix = f"search_spaces.{space.optimizer}"
    if not isinstance(changes, Mapping):
        problems.add(prefix, f"found {show(changes)}, allowed: a table of ranges")
        return None
    is_own = is_own or space.rule is not None
    is_open = is_own and not space.ranges
    allowed = tuple(dict.fromkeys((*space.names, *BASE_HYPERPARAMETERS)))
    merged: dict[str, object] = {"ascent": space.ascent, **space.ranges}
    for name, change in changes.items():
        if name == "ascent" and is_own:
            merged[name] = change
        elif name in SearchSpaceTable.model_fields or (name not in allowed and not is_open):
            problems.add(f"{prefix}.{name}", _unknown(name, allowed))
        elif isinstance(change, Mapping) and name in space.ranges:
            merged[name] = {**space.ranges[name].model_dump(), **change}
        else:
            merged[name] = change
    try:
        table = SearchSpaceTable.model_validate({"optimizer": space.optimizer, **merged})
    except ValidationError as error:
        add_validation_error(problems, error, SearchSpaceTable, prefix=prefix)
        return None
    changed = SearchSpace(
        optimizer=space.optimizer,
        rule=space.rule,
        description=space.description,
        ascent=table.ascent,
        ranges=dict(table.__pydantic_extra__),
    )
    unusable = _unusable_names(changed) if is_open else []
    for key, message in [*unusable, *_bound_problems(changed)]:
        problems.add(f"{prefix}.{key}", message)
    return changed if len(problems.found) == before else None


def _name_problems(space: SearchSpace, path: Path) -> list[tuple[str, str]]:
    """(key, message) of every hyperparameter whose name cannot be, or is missing.

    An optimizer of the package has the hyperparameters of its own search space there; a file of
    one's own may give them other ranges.
    """
    found = _unusable_names(space)
    own = _names_in_package(space.optimizer, path)
    if own is not None:
        known = tuple(dict.fromkeys((*own, *BASE_HYPERPARAMETERS)))
        unknown = [name for name in space.names if name not in known]
        missing = [name for name in own if name not in space.names]
        found += [(name, _unknown(name, known)) for name in unknown]
        found += [(name, f"missing, needed: a range; {space.optimizer} has it") for name in missing]
    return found


def _unusable_names(space: SearchSpace) -> list[tuple[str, str]]:
    found = []
    for name in space.names:
        if not re.fullmatch(HYPERPARAMETER_PATTERN, name):
            allowed = "small letters, digits and '_', a letter first"
            found.append((name, f"a name that cannot be used, allowed: {allowed}"))
        elif name in RESERVED:
            found.append((name, "a name that means something else in the results; choose another"))
    return found


def _names_in_package(optimizer: str, path: Path) -> tuple[str, ...] | None:
    """The hyperparameters in the package's file for `optimizer`, if that is not `path` itself."""
    folder = package_folder("search_spaces")
    shipped = folder / f"{optimizer}.toml" if folder else None
    if shipped is None or not shipped.is_file() or shipped.samefile(path):
        return None
    return tuple(SearchSpaceTable.model_validate(read_table(shipped)).__pydantic_extra__)


def _bound_problems(space: SearchSpace) -> list[tuple[str, str]]:
    """(key, message) of every bound that makes no sense for its hyperparameter."""
    bounds = [
        (f"{name}.{bound}", value, limit_problem(name, value))
        for name, interval in space.ranges.items()
        for bound in ("low", "high", "min", "max")
        if (value := getattr(interval, bound)) is not None
    ]
    return [(key, f"found {value!r}, allowed: {limit}") for key, value, limit in bounds if limit]


def _unknown(name: str, allowed: Sequence[str]) -> str:
    return f"unknown hyperparameter, allowed: {', '.join(allowed)}{nearest(name, allowed)}"
