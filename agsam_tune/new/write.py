"""Writing a new study: which files there are, and what happens to those that are there already.

In: choices. Out: files. The study file is written last. Must not import torch, Ray, Optuna, NumPy
or pandas.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agsam_tune.atomic import replace_file
from agsam_tune.errors import UsageError
from agsam_tune.new.choices import Choices, checked
from agsam_tune.new.search_space_file import search_space_text
from agsam_tune.new.study_file import study_text
from agsam_tune.new.task_module import module_file, module_text, new_module_file
from agsam_tune.plugins import is_reference
from agsam_tune.study.references import builtin_names
from agsam_tune.study.schema import MADE_BY, search_space_schema, study_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFiles:
    """What there is now.

    Attributes:
        study: the study file.
        written: the files that were written, the study's last.
        kept: the files that were there and are as they were.
        compares: whether the study names a candidate and a baseline.
    """

    study: Path
    written: tuple[Path, ...]
    kept: tuple[Path, ...]
    compares: bool


def write_new_study(
    name: str, *, task: str, optimizers: Sequence[str], folder: Path, force: bool
) -> NewFiles:
    """Write a study file and what it needs.

    Search spaces that are there are kept, unless forced. The module of a task of one's own is
    never written over; schemas are, where they were made by agsam-tune.

    Args:
        name: of the study.
        task: a built-in's name, one that a package announces, or `package.module:function`.
        optimizers: names.
        folder: where the files go; it is made where it is not there.
        force: whether the study file and the search spaces may be there already.

    Raises:
        StudyError: a word is wrong; nothing was written.
        UsageError: the study file is there, or the folder cannot be written to.
    """
    choices = checked(name, task, optimizers, folder)
    study = folder / f"{name}.toml"
    if not force and os.path.lexists(study):
        raise _is_there(study)
    module = module_file(task, folder) if is_reference(task) else None
    skeleton = is_reference(task) and module is None
    files = _files_beside(choices, skeleton=skeleton)
    kept = [path for path in files if os.path.lexists(path) and not _may_go(path, force)]
    kept += [_from_here(module)] if module else []
    text = study_text(choices, str(study), skeleton=skeleton)
    written = {**{path: text for path, text in files.items() if path not in kept}, study: text}
    for path, content in written.items():
        _write(path, content, over=_may_go(path, force))
    return NewFiles(
        study=study, written=tuple(written), kept=tuple(kept), compares=bool(choices.roles)
    )


def _files_beside(choices: Choices, *, skeleton: bool) -> Mapping[Path, str]:
    """The text of each file but the study's."""
    folder = choices.folder
    files = {
        folder / "search_spaces" / f"{optimizer}.toml": search_space_text(optimizer)
        for optimizer in choices.optimizers
        if optimizer in builtin_names()
    }
    for kind, schema in (("study", study_schema()), ("search-space", search_space_schema())):
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        files[folder / "schemas" / f"{kind}.json"] = text
    if skeleton:
        files[new_module_file(choices.task, folder)] = module_text(choices.task, choices.name)
    return files


def _may_go(path: Path, force: bool) -> bool:
    """Whether a file may be written over: a schema that was made here, else one that is forced."""
    if path.suffix != ".json":
        return force
    try:
        return MADE_BY in path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def _from_here(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _is_there(path: Path) -> UsageError:
    return UsageError(f"{path}: is there already; choose another name, or write over it: --force")


def _write(path: Path, text: str, *, over: bool) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if over:
            replace_file(path, text.encode())
        else:
            with path.open("xb") as file:
                file.write(text.encode())
    except FileExistsError as error:
        # Somebody wrote it meanwhile, or a file is where a folder should be.
        in_the_way = path if path.exists() else path.parent
        raise _is_there(in_the_way) from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error
