"""What the dashboard does when something cannot be read: it says so once, and goes on."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from agsam_tune.dashboard import describe
from agsam_tune.dashboard.following import Follower
from agsam_tune.dashboard.overlay import Overlay
from agsam_tune.dashboard.source import Source
from agsam_tune.store import StorageAwayError, Stored
from tests.dashboard.runs import CHANCE
from tests.store.outcomes import STUDY, outcome


class Changeable:
    """A source that is there or not."""

    follows = True

    def __init__(self) -> None:
        self.found: list[Stored] = []
        self.is_away = False

    def new(self) -> list[Stored]:
        if self.is_away:
            raise StorageAwayError("the server restarts")
        found, self.found = self.found, []
        return found


def following(path: Path) -> tuple[Follower, Changeable, Overlay]:
    source, overlay = Changeable(), Overlay(STUDY, CHANCE)
    return Follower(path, cast(Source, source), overlay), source, overlay


def test_a_storage_that_is_away_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    follower, source, overlay = following(tmp_path)
    source.found = [Stored(outcome(), 0, None)]
    assert follower.look() == 1
    source.is_away = True
    assert [follower.look(), follower.look()] == [0, 0]
    source.is_away, source.found = False, [Stored(outcome(seed=1), 1, None)]
    assert follower.look() == 1
    assert overlay.n_trials == 2
    assert [one.getMessage() for one in caplog.records if one.name.startswith("agsam_tune")] == [
        "The storage cannot be read now: the server restarts",
        "The storage can be read again",
    ]


def test_why_there_are_no_notes_is_in_the_notes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho 'no run is here' >&2\nexit 1\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    follower, _, overlay = following(tmp_path)
    assert not follower.describe()
    assert not follower.describe()
    attributes: dict[str, Any] = overlay.storage.get_study_system_attrs(0)
    assert "no run is here" in attributes["dashboard:note_str:0"]
    said = [one.getMessage() for one in caplog.records if one.name.startswith("agsam_tune")]
    assert len(said) == 1
    assert said[0].startswith("Notes and figures could not be made:")


def test_who_describes_a_folder_without_a_run_says_so_on_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["describe", str(tmp_path)])
    monkeypatch.setattr(os, "nice", lambda _: 0)
    assert describe.main() == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "no run is here" in err
    assert err.count("\n") == 1


def test_who_stops_waits_for_nothing(tmp_path: Path) -> None:
    follower, _, overlay = following(tmp_path)
    follower.stop()
    assert not follower.describe()
    assert "dashboard:note_ver" not in overlay.storage.get_study_system_attrs(0)
