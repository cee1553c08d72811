"""Where studies and search spaces lie, and how a TOML file is read.

In: paths. Out: tables as plain dicts, and the files that there are by name. Must not import
anything of others.

A search space is looked for beside the study (in its folder, then in a `search_spaces` folder
there), then in `../search_spaces`, then in the package; what installed packages announce comes last
(`spaces.py`). The package's own `search_spaces` and
`studies` lie at the top of a checkout; an installed wheel has them in `share/agsam-tune` of the
environment that it is installed in.

A study is named by its file's path, or by a bare name, without a folder and an ending: that is
NAME.toml in the working folder, else the package's study of this name.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agsam_tune.regular import check_regular
from agsam_tune.study.errors import Problem, StudyError, nearest

__all__ = [
    "STUDY_NAME_RULE",
    "available_studies",
    "find_search_spaces",
    "find_study",
    "is_study_name",
    "package_folder",
    "parse_toml",
    "read_table",
    "study_names",
]

STUDY_NAME_RULE = "letters, digits, '_', '.', '-'"

_PACKAGE = Path(__file__).resolve().parents[1]
_STUDY_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def is_study_name(text: str) -> bool:
    """Whether a study can be called `text`: see `STUDY_NAME_RULE`."""
    return _STUDY_NAME.fullmatch(text) is not None


def package_folder(kind: str, *, package: Path = _PACKAGE) -> Path | None:
    """The folder `kind` ("search_spaces" or "studies") that comes with the package, or None.

    Args:
        kind: the folder's name.
        package: where the package's modules lie.
    """
    # In site-packages a neighbour called "studies" would be somebody else's package.
    checkout = package.parent / kind
    if (package.parent / "pyproject.toml").is_file() and checkout.is_dir():
        return checkout
    shared = (folder / "share" / "agsam-tune" / kind for folder in package.parents)
    return next((folder for folder in shared if folder.is_dir()), None)


def available_studies(folder: Path | None = None) -> dict[str, Path]:
    """The studies in `folder`, by default those that come with the package: name → file."""
    folder = folder or package_folder("studies")
    return {path.stem: path for path in _toml_files(folder)} if folder else {}


def study_names() -> list[str]:
    """The names that a study can be run by in the working folder: its own, and the package's."""
    here = (path.stem for path in _toml_files(Path()) if _is_study(path))
    return sorted({*available_studies(), *here})


def find_study(study: Path) -> Path:
    """The file of the study that a command line names by a path or a bare name (see the module).

    A path is given back as it is, and so is the name of a file or a folder that is there while no
    study has the name: what is wrong with it is said when it is read.

    Raises:
        StudyError: a bare name that no study has.
    """
    name = str(study)
    if len(study.parts) > 1 or study.suffix == ".toml" or study.is_file():
        return study
    here = Path(f"{name}.toml")
    if here.is_file():
        return here
    builtin = available_studies()
    if name in builtin:
        return builtin[name]
    if study.exists() or not is_study_name(name):
        return study
    known = study_names()
    message = (
        f"no study has this name: there is no {here} in this folder, and the studies are "
        f"{', '.join(known)}{nearest(name, known)}"
    )
    raise StudyError([Problem(file=name, key="", message=message)])


def find_search_spaces(study_dir: Path | None) -> dict[str, Path]:
    """The files of all search spaces that a study in `study_dir` can name, in order of name.

    These names are the optimizers that are known. Of several files of one name, the first in the
    order of the search (see the module) counts.
    """
    found: dict[str, Path] = {}
    if study_dir is not None:
        for path in _toml_files(study_dir):
            if _looks_like_a_search_space(path):
                found.setdefault(path.stem, path)
    folders = [study_dir / "search_spaces", study_dir.parent / "search_spaces"] if study_dir else []
    package = package_folder("search_spaces")
    for folder in [*folders, package] if package else folders:
        for path in _toml_files(folder):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def read_table(path: Path) -> dict[str, Any]:
    """What the TOML file `path` says.

    Raises:
        StudyError: in one line, if there is no such file, or it cannot be read, or is not TOML.
    """
    try:
        check_regular(path)
        # Editors on Windows may begin a file with a byte-order mark, which TOML does not know.
        return parse_toml(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        message = f"not a text file in UTF-8 (byte {error.start} cannot be read)"
    except tomllib.TOMLDecodeError as error:
        message = f"not TOML: {error}"
    except RecursionError:
        message = "not a study: its tables are nested too deeply"
    except FileNotFoundError:
        message = f"there is no such file{_suggestion(path)}"
    except IsADirectoryError:
        message = f"this is a folder; name a TOML file in it{_suggestion(path / path.name)}"
    except (OSError, ValueError) as error:
        message = f"cannot be read: {getattr(error, 'strerror', None) or error}"
    raise StudyError([Problem(file=str(path), key="", message=" ".join(message.split()))])


def parse_toml(text: str) -> dict[str, Any]:
    """What `text` says.

    Raises:
        tomllib.TOMLDecodeError: if it is not TOML, or has an integer of more than 64 bits, which
            TOML does not have either.
        RecursionError: if its tables are nested without end.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:  # Python refuses to read integers of thousands of digits.
        raise tomllib.TOMLDecodeError("an integer of more than 64 bits") from error
    if _has_long_integer(table):
        raise tomllib.TOMLDecodeError("an integer of more than 64 bits")
    return table


def _has_long_integer(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_has_long_integer(item) for item in value.values())
    if isinstance(value, list):
        return any(_has_long_integer(item) for item in value)
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def _toml_files(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.glob("*.toml") if path.is_file())


def _looks_like_a_search_space(path: Path) -> bool:
    """Whether a file beside a study is meant as a search space; other TOML files lie there too."""
    try:
        table = read_table(path)
    except StudyError:
        return _names_an_optimizer(path)  # then the message is about what is wrong in it
    if "task" in table or "optimizers" in table:
        return False
    ranges = (value for value in table.values() if isinstance(value, Mapping))
    return "optimizer" in table or any({"low", "high"} & set(entry) for entry in ranges)


def _names_an_optimizer(path: Path) -> bool:
    """Whether a file that is not TOML has a line of a search space in it."""
    try:
        return re.search(rb"^optimizer\s*=", path.read_bytes(), re.MULTILINE) is not None
    except OSError:
        return False


def _suggestion(path: Path) -> str:
    """A study that is there and is called nearly as `path`, as the end of a message."""
    beside = {file.resolve(): file for file in _toml_files(path.parent) if _is_study(file)}
    studies = {**{file: file for file in available_studies().values()}, **beside}
    by_name = {file.stem: str(file) for file in studies.values()}
    close = [name for name in by_name if f"{name!r}" in nearest(path.stem, by_name)]
    if close:
        return f"; did you mean {by_name[close[0]]}?"
    return f"; there are {', '.join(sorted(by_name.values()))}" if by_name else ""


def _is_study(path: Path) -> bool:
    try:
        return "task" in read_table(path)
    except StudyError:
        return False
