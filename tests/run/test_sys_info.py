"""`agsam-tune sys-info`: it says what a report of a problem needs, whatever is damaged."""

import json
import platform
import sys

import pytest

from agsam_tune import __version__, system
from tests.run.commands import invoke


def test_it_is_for_people_and_for_programs() -> None:
    shown, printed = invoke("sys-info"), invoke("sys-info", "--json")
    assert (shown.returncode, printed.returncode) == (0, 0), shown.stderr + printed.stderr
    found = json.loads(printed.stdout)
    assert list(found) == [
        *("agsam_tune", "python", "packages", "machine", "torch", "blas", "folders", "variables"),
    ]
    assert found["agsam_tune"]["version"] == __version__
    assert found["python"]["version"] == platform.python_version()
    assert found["packages"]["optuna"].startswith("5.")
    assert found["machine"]["cores"] >= 1
    assert found["machine"]["memory_gib"] > 0.1
    assert found["torch"]["threads"] >= 1
    assert found["blas"]["name"]
    assert found["folders"]["cache"].endswith("agsam-tune")
    for part in (__version__, found["machine"]["cpu"], found["blas"]["name"], sys.executable):
        assert part in shown.stdout


def test_it_answers_though_a_package_is_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged() -> dict[str, object]:
        raise ImportError("libtorch.so: cannot open shared object file")

    monkeypatch.setattr(system, "_torch", damaged)
    monkeypatch.setenv("AGSAM_TUNE_DATA", "/nowhere/at/all")
    found = system.system_info()
    assert "libtorch.so" in found["torch"]["problem"]
    assert "/nowhere/at/all" in found["folders"]["problem"]
    assert found["variables"]["AGSAM_TUNE_DATA"] == "/nowhere/at/all"
    assert "libtorch.so" in system.text(found)
