"""From a study file to a `Study`: reads it and its search spaces, and reports every error at once.

In: a path and overrides. Out: a validated `Study`. Each table is validated by itself, so that a
mistake in one does not hide those in the others; then `checks.py` looks at how they fit together.
Must not import torch, Ray, Optuna or pandas.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from agsam_tune.plugins import is_name
from agsam_tune.study.checks import check_all
from agsam_tune.study.draft import Draft
from agsam_tune.study.errors import Problems, nearest, show, unknown_name
from agsam_tune.study.explain import add_validation_error
from agsam_tune.study.files import find_search_spaces, read_table
from agsam_tune.study.model import FORMAT, PHASE_NAMES, UNKNOWN_TRAINING, Phase, SearchSpace
from agsam_tune.study.overrides import apply_overrides
from agsam_tune.study.references import announced_optimizers, shorten
from agsam_tune.study.spaces import find_search_space, override_search_space
from agsam_tune.study.study import Study
from agsam_tune.study.table_of import table_of
from agsam_tune.study.tables import (
    OPTIONAL_SECTIONS,
    PHASE_TABLES,
    SECTIONS,
    STUDY_KEYS,
    Header,
)

__all__ = ["changed_study", "load_study"]

M = TypeVar("M", bound=BaseModel)

#: Of what studies were like before replicates.
FIRST_FORM = "of the first form of studies, whose seeds were crossed with points"

#: Keys of phases that there were then, and what holds now.
_OLD_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "replicates": "it stands above the first table now, and points are per replicate",
        "seeds": "every point has a seed of its own now, and more replicates take the place of "
        "more seeds; leave it out",
    }
)


def load_study(
    path: Path, *, overrides: Sequence[str] = (), trained_elsewhere: bool = False
) -> Study:
    """The study in the TOML file `path`, checked whole.

    Args:
        path: the study file. Its name without the ending becomes the study's; its folder is where
            search spaces are looked for first.
        overrides: texts "KEY=VALUE" as `--set` takes them, such as "training.epochs=5",
            "phases.map.points=16" or "search_spaces.gsam.rho.high=4.0".
        trained_elsewhere: whether the trials are made by another program, so that the task is no
            more than a name, [training] may be left out, and an optimizer that is not known is
            one whose ranges are in the study's [search_spaces.NAME].

    Raises:
        StudyError: with everything that is wrong, one line a problem.
    """
    problems = Problems(study_file=str(path))
    table: Mapping[str, Any] = apply_overrides(read_table(path), overrides, problems)
    # Names are printed and stored: a file's may hold what can be neither.
    name = "".join(letter if letter.isprintable() else "_" for letter in path.stem)
    if not name.strip("."):
        problems.add("", f"found the name {name!r}, allowed: one that is not of dots alone")
    files = find_search_spaces(path.parent)
    return _study(table, name, files, {}, problems, trained_elsewhere=trained_elsewhere)


def changed_study(study: Study, overrides: Sequence[str], *, origin: str) -> Study:
    """A study with `overrides` applied as to its file, checked whole.

    Args:
        study: the study; what is not overridden stays as it is, its search spaces too.
        overrides: as for `load_study`.
        origin: what messages call the study.

    Raises:
        StudyError: with everything that is wrong, one line a problem.
    """
    if not overrides:
        return study
    problems = Problems(study_file=origin)
    table = apply_overrides(table_of(study), overrides, problems)
    return _study(table, study.name, find_search_spaces(None), study.search_spaces, problems)


def _study(
    table: Mapping[str, Any],
    name: str,
    files: Mapping[str, Path],
    known: Mapping[str, SearchSpace],
    problems: Problems,
    *,
    trained_elsewhere: bool = False,
) -> Study:
    """The study of a table; its search spaces are those that are known, else in files."""
    _check_format(table, problems)
    table, references = shorten(table, problems)
    own = _own_optimizers(table, files) if trained_elsewhere else ()
    draft = _draft(table, references, files, known, own, problems, trained_elsewhere)
    check_all(draft, problems)
    problems.raise_if_any()
    spaces = {name: draft.spaces[name] for name in draft.header["optimizers"]}
    return Study.model_validate(
        {
            **draft.header,
            **draft.sections,
            "name": name,
            "task_options": draft.task_options,
            "search_spaces": spaces,
            "phases": tuple(draft.phases),
        }
    )


def _draft(
    table: Mapping[str, Any],
    references: Mapping[str, str],
    files: Mapping[str, Path],
    known: Mapping[str, SearchSpace],
    own: Sequence[str],
    problems: Problems,
    trained_elsewhere: bool,
) -> Draft:
    for key in table:
        if key not in STUDY_KEYS:
            hint = _home_of(key) or nearest(key, STUDY_KEYS)
            problems.add(key, f"unknown key, allowed: {', '.join(STUDY_KEYS)}{hint}")
    header = _header(table, problems)
    optional = (*OPTIONAL_SECTIONS, "training") if trained_elsewhere else OPTIONAL_SECTIONS
    sections = {
        name: _section(table, name, model, problems)
        for name, model in SECTIONS.items()
        if name in table or name not in optional
    }
    if trained_elsewhere:
        sections.setdefault("training", UNKNOWN_TRAINING)
    phases = _phases(table, problems)
    return Draft(
        header=header,
        sections={name: section for name, section in sections.items() if section is not None},
        task_options=_subtable(table, "task_options", problems),
        known_optimizers=_known_optimizers(header, (*known, *files, *own), references),
        spaces=_search_spaces(table, header, files, known, references, problems, own),
        phases=phases,
        all_phases_read=[phase.name for phase in phases] == _names_in(table.get("phases")),
        trained_elsewhere=trained_elsewhere,
    )


def _check_format(table: Mapping[str, Any], problems: Problems) -> None:
    """Raises at once for a file of another form: nothing else that is wrong with it matters."""
    found = table.get("format", FORMAT)
    if isinstance(found, int) and found != FORMAT:
        why = "a newer agsam-tune is needed" if found > FORMAT else FIRST_FORM
        problems.add("format", f"found {found}, allowed: {FORMAT}; {why}")
        problems.raise_if_any()


def _header(table: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """The header's values that are right; those that are not are left out."""
    given = {key: table[key] for key in Header.model_fields if key in table}
    try:
        return Header.model_validate(given).model_dump()
    except ValidationError as error:
        add_validation_error(problems, error, Header)
        wrong = {finding["loc"][0] for finding in error.errors()}
    fields = Header.model_fields.items()
    defaults = {key: field.default for key, field in fields if not field.is_required()}
    return {key: value for key, value in {**defaults, **given}.items() if key not in wrong}


def _section(table: Mapping[str, Any], name: str, model: type[M], problems: Problems) -> M | None:
    return _validated(model, table.get(name, {}), name, problems)


def _validated(model: type[M], value: object, key: str, problems: Problems) -> M | None:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        add_validation_error(problems, error, model, prefix=key)
        return None


def _subtable(table: Mapping[str, Any], name: str, problems: Problems) -> dict[str, Any]:
    value = table.get(name, {})
    if isinstance(value, dict):
        return value
    problems.add(name, f"found {show(value)}, allowed: a table")
    return {}


def _own_optimizers(table: Mapping[str, Any], files: Mapping[str, Path]) -> tuple[str, ...]:
    """The names without a search-space file that have their ranges in the study."""
    changes = table.get("search_spaces")
    names = changes if isinstance(changes, Mapping) else ()
    return tuple(name for name in names if name not in files and is_name(name))


def _known_optimizers(
    header: Mapping[str, Any], found: Iterable[str], references: Mapping[str, str]
) -> tuple[str, ...]:
    """What the study may call its optimizers; packages are asked only for what is not known."""
    known = {**dict.fromkeys(found), **dict.fromkeys(references)}
    if not known.keys() >= set(header.get("optimizers", ())):
        known |= dict.fromkeys(announced_optimizers()[0])
    return tuple(known)


def _search_spaces(
    table: Mapping[str, Any],
    header: Mapping[str, Any],
    files: Mapping[str, Path],
    known: Mapping[str, SearchSpace],
    references: Mapping[str, str],
    problems: Problems,
    own: Sequence[str],
) -> dict[str, SearchSpace]:
    """The search spaces of the study's known optimizers, its overrides applied; right ones only."""
    changes = _subtable(table, "search_spaces", problems)
    optimizers = header.get("optimizers")
    for name in changes:
        if optimizers is not None and name not in optimizers:
            what = "an optimizer of this study"
            message = unknown_name(name, optimizers, what=what)
            problems.add(f"search_spaces.{name}", message, related=["optimizers"])
    spaces = {}
    for name in dict.fromkeys(optimizers or ()):
        space = known.get(name)
        if space is None or references.get(name, space.rule) != space.rule:
            space = find_search_space(name, references.get(name), files, problems)
        is_own = space is None and name in own
        if is_own:
            space = SearchSpace(optimizer=name)
        if space is not None and name in changes:
            space = override_search_space(space, changes[name], problems, is_own=is_own)
        if space is not None:
            spaces[name] = space
    return spaces


def _phases(table: Mapping[str, Any], problems: Problems) -> list[Phase]:
    """The phases that are right."""
    entries = table.get("phases")
    if not isinstance(entries, list) or not entries:
        found = "missing" if entries is None else f"found {show(entries)}"
        problems.add("phases", f"{found}, needed: [[phases]] tables, at least one")
        return []
    phases = []
    seen = set()
    for number, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or name not in PHASE_TABLES:
            _bad_phase_name(number, entry, problems)
            continue
        if name in seen:
            problems.add(f"phases.{name}", "found more than one phase of this name, allowed: one")
        seen.add(name)
        entry = _without_old_keys(name, entry, problems)
        parsed = _validated(PHASE_TABLES[name], entry, f"phases.{name}", problems)
        if parsed is not None:
            phases.append(parsed.record())
    return phases


def _without_old_keys(
    phase: str, entry: Mapping[str, Any], problems: Problems
) -> Mapping[str, Any]:
    """The phase's table without keys of the first form, about which it is said what holds now."""
    known = PHASE_TABLES[phase].model_fields
    old = {key: now for key, now in _OLD_KEYS.items() if key in entry and key not in known}
    for key, now in old.items():
        problems.add(f"phases.{phase}.{key}", f"{FIRST_FORM}: {now}")
    return {key: value for key, value in entry.items() if key not in old}


def _names_in(entries: object) -> list[object]:
    """The names that a list of tables gives its entries; [] for anything else."""
    if not isinstance(entries, list):
        return []
    return [entry.get("name") if isinstance(entry, dict) else None for entry in entries]


def _bad_phase_name(number: int, entry: object, problems: Problems) -> None:
    if not isinstance(entry, dict):
        problems.add(f"phases[{number}]", f"found {show(entry)}, allowed: a [[phases]] table")
    elif "name" not in entry:
        needed = f"missing, needed: one of {', '.join(PHASE_NAMES)}"
        problems.add(f"phases[{number}].name", needed)
    else:
        problems.add(f"phases[{number}].name", unknown_name(entry["name"], PHASE_NAMES))


def _home_of(key: str) -> str:
    """The hint for a key of the file's top that belongs in one of its tables, or ""."""
    homes = [name for name, model in SECTIONS.items() if key in model.model_fields]
    return f"; did you mean '{homes[0]}.{key}'?" if homes else ""
