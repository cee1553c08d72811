"""The layers, and what each may import (docs/design.md, Way of the data)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "agsam_tune"

# Of the package's own: what each layer may import besides itself.
OWN = {
    "atomic": set(),
    "columns": set(),
    "errors": set(),
    "passwords": {"paths"},
    "paths": set(),
    "processes": set(),
    "provenance": set(),
    "regular": set(),
    "signals": set(),
    "streams": set(),
    "trials": set(),
    "words": set(),
    "failures": {"atomic", "trials"},
    "plugins": {"errors"},
    "study": {"columns", "plugins", "regular", "streams", "tasks.catalog"},
    "data": {"atomic", "errors", "paths"},
    "tasks": {"data", "errors", "models", "plugins", "streams"},
    "design": {"study", "streams", "trials"},
    "packs": {"trials"},
    "optimizers": {"errors", "plugins"},
    "optim": {"errors", "optimizers"},
    "sharpness": {"optimizers"},
    "models": set(),
    "engine": {
        *(
            "atomic",
            "columns",
            "models",
            "optimizers",
            "sharpness",
            "streams",
            "study",
            "tasks",
            "trials",
        ),
    },
    "store": {"columns", "paths", "regular", "signals", "study", "trials"},
    "analysis": {"columns", "study", "words"},
    "report": {"analysis", "atomic", "columns", "study"},
    "folder": {"atomic", "errors", "processes"},
    "manifest": {"atomic", "errors", "folder", "passwords", "provenance", "study"},
    "progress": {"signals", "trials"},
    "agenda": {"analysis", "design", "packs", "store", "study", "trials"},
    "executors": {
        *("agenda", "contract", "engine", "errors", "failures", "optimizers", "packs"),
        *("signals", "study", "tasks", "trials"),
    },
    "contract": {"engine", "errors", "optimizers", "plugins", "study", "tasks"},
    "export": {"analysis", "reporting"},
    "importing": {
        *("atomic", "columns", "errors", "folder", "manifest", "paths", "regular", "study"),
        "trials",
    },
    "elsewhere": {"agenda", "design", "importing", "study", "trials"},
    "new": {"atomic", "errors", "paths", "plugins", "study", "tasks.catalog"},
    "listing": {"plugins", "study", "tasks.catalog"},
    "system": {"data", "engine", "provenance"},
    "recorded": {"errors", "folder", "importing", "manifest", "study"},
    "reporting": {
        *("analysis", "atomic", "errors", "folder", "importing", "recorded", "report", "store"),
        "study",
    },
    "dashboard": {
        *("analysis", "columns", "errors", "folder", "importing", "recorded", "report"),
        *("reporting", "store", "study", "trials"),
    },
    "showing": {
        *("analysis", "columns", "errors", "folder", "importing", "paths", "recorded", "regular"),
        *("report", "store", "study", "trials"),
    },
    "reuse": {
        *("errors", "executors", "folder", "manifest", "provenance", "recorded", "store", "study"),
        "trials",
    },
    "run_storage": {"errors", "folder", "passwords", "store", "study"},
    "quiet": set(),
    "asked": {"errors", "folder", "paths", "recorded", "study"},
    "retrying": {"agenda", "folder", "manifest", "store", "trials"},
    "running": {
        *("agenda", "errors", "executors", "failures", "folder", "manifest", "paths"),
        *("planning", "progress", "reporting", "retrying", "reuse", "run_storage", "signals"),
        *("store", "study", "tasks", "trials"),
    },
    "planning": {
        *("agenda", "analysis", "design", "engine", "errors", "executors", "folder", "manifest"),
        *("optimizers", "packs", "reuse", "store", "study", "tasks", "trials", "words"),
    },
    "api": {
        *("analysis", "asked", "dashboard", "elsewhere", "errors", "export", "importing"),
        *("planning", "quiet", "reporting", "run_storage", "running", "store", "study"),
    },
    "bench": {
        *("engine", "errors", "executors", "models", "store", "streams", "study", "tasks"),
        *("provenance", "trials"),
    },
    "__main__": {"cli"},
    "cli": {
        *("analysis", "asked", "atomic", "bench", "dashboard", "data", "elsewhere", "errors"),
        "export",
        *("folder", "importing", "listing", "manifest", "new", "paths", "planning", "quiet"),
        "recorded",
        *("reporting", "run_storage", "running", "showing", "signals", "store", "study", "system"),
    },
}

# Of others': where the heavy packages may be imported at all.
MAY_IMPORT = {
    "torch": {"bench", "contract", "engine", "models", "optim", "optimizers", "sharpness"},
    "ray": {f"executors/{name}.py" for name in ("ray_session", "ray_cluster", "ray_tune")}
    | {"bench/usual_stack.py"},
    "optuna": {
        *("design", "store", "quiet.py", "importing", "bench/end_to_end.py"),
        *("analysis/importance.py", "dashboard/overlay.py"),
    },
    "optuna_dashboard": {"dashboard/overlay.py", "dashboard/serving.py"},
    "opda": set(),
    "pydantic": {"analysis", "study", "tasks/catalog.py"},
    "sklearn": {"analysis", "tasks"},
    "pandas": {
        *("agenda/course.py", "api", "store", "analysis", "report", "reporting.py", "export.py"),
        "importing",
        *(
            "dashboard/describe.py",
            "dashboard/plots.py",
            "dashboard/source.py",
            "elsewhere.py",
            "planning/detectable.py",
        ),
    },
    "plotly": {"api"},
    "matplotlib": {"report", "bench/plot.py"},
    "jinja2": {"report"},
    "jax": {"bench/with_jax.py"},
    "pytorch_optimizer": {"bench/one_model.py"},
    "llvmlite": {"engine/compiled/tile.py"},
    "numba": {"engine/compiled"},
    "typer": {"cli"},
    "requests": {"data"},
    "rich": {"api", "data/download.py", "progress", "running", "cli/plan.py", "cli/run.py"},
}
FILES = sorted(PACKAGE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text("utf-8")) for path in FILES}


def _imports(path: Path) -> Iterator[str]:
    """Modules that a file imports, wherever in the file."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            module = node.module or ""
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _wrong(path: Path) -> Iterator[str]:
    """Modules that a file imports though its layer may not."""
    layer = _layer(path)
    # The functions of `__init__` are those of `api`, imported when they are asked for.
    allowed = {"api"} if layer == "__init__" else {layer, "__version__", *OWN[layer]}
    place = str(path.relative_to(PACKAGE))
    for module in _imports(path):
        name = module.removeprefix("agsam_tune.")
        if name != module and not any(name == a or name.startswith(f"{a}.") for a in allowed):
            yield f"{place} imports {module}"
        heavy = MAY_IMPORT.get(module.partition(".")[0])
        if heavy is not None and not any(place == a or place.startswith(f"{a}/") for a in heavy):
            yield f"{place} imports {module}"


def _large(path: Path) -> Iterator[str]:
    """What of a file is too long to be read."""
    place = str(path.relative_to(PACKAGE))
    if (n := path.read_text("utf-8").count("\n")) > 400:
        yield f"{place} has {n} lines"
    for node in ast.walk(TREES[path]):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if (n := (node.end_lineno or 0) - node.lineno + 1) > 80:
            yield f"{place}: {node.name} has {n} lines"


def test_layers_import_only_what_they_may() -> None:
    assert {_layer(path) for path in FILES} - {"__init__"} == OWN.keys()
    assert [one for path in FILES for one in _wrong(path)] == []


def test_files_and_functions_stay_small() -> None:
    assert [one for path in FILES for one in _large(path)] == []


@pytest.mark.parametrize("folder", ["studies", "search_spaces"])
def test_data_folders_hold_no_code(folder: str) -> None:
    assert {p.suffix for p in (PACKAGE.parent / folder).rglob("*") if p.is_file()} == {".toml"}
