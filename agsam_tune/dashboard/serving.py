"""Puts the parts together: a run's folder becomes pages, until it is interrupted.

In: a run's folder and a server that listens. Out: nothing; it returns when the user has had enough.
Must not import torch or Ray.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from optuna_dashboard import wsgi

from agsam_tune.dashboard.following import Follower
from agsam_tune.dashboard.listening import Guard, Server
from agsam_tune.dashboard.overlay import Overlay
from agsam_tune.dashboard.source import Source
from agsam_tune.errors import UsageError
from agsam_tune.folder import RunFolder
from agsam_tune.store import StorageError

SOON = (
    "Notes and figures are being made. They take seconds, for ten thousand trials less than a "
    "minute; load this page again."
)


def serve(path: Path, server: Server, *, host: str, ready: Callable[[int], None]) -> None:
    """Serve a run until KeyboardInterrupt, which is its usual end.

    Args:
        path: the run's folder.
        server: what listens.
        host: where it was asked to.
        ready: called with the number of trials when pages can be opened.

    Raises:
        UsageError: the folder holds no run, or its results cannot be read.
    """
    source = Source(path)
    overlay = Overlay(source.run.study, source.run.chance)
    try:
        n = overlay.add(source.new())
    except StorageError as error:
        raise UsageError(f"{path}: {error}") from error
    overlay.announce(SOON)
    server.set_app(Guard(application(overlay), host=host, report=RunFolder(path=path).report))
    follower = Follower(path.resolve(), source, overlay)
    follower.start()
    ready(n)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        return
    finally:
        follower.stop()
        server.server_close()


def application(overlay: Overlay) -> Any:
    """optuna-dashboard on an overlay: its faults mended, without artifacts and language models."""
    app = wsgi(overlay.storage)
    app.install(_Mended(overlay))
    return app


class _Mended:
    """A plugin of Bottle's around each view of optuna-dashboard's.

    A view of a study sees no half of what is written at the same time; importances, which take
    seconds, hold nobody up. Figures come in their order: they are kept in a set, and so come in
    any; and those that there are no more do not come. Where trials have no hyperparameters, their
    importances are none, instead of a division by zero.

    Args:
        overlay: what is shown.
    """

    api = 2  # of Bottle's plugins

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay

    def apply(self, view: Callable[..., Any], route: Any) -> Callable[..., Any]:
        """The view that is called in place of a route's."""
        if route.rule.endswith("/param_importances"):
            return self._importances(view)
        return self._settled(view) if route.rule.startswith("/api/") else view

    def _importances(self, view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def mended(**named: Any) -> Any:
            if not self._overlay.has_parameters(named["study_id"]):
                return {"param_importances": [[]]}
            return view(**named)

        return mended

    def _settled(self, view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def mended(**named: Any) -> Any:
            with self._overlay.settled():
                answer = view(**named)
            if isinstance(answer, dict) and "plotly_graph_objects" in answer:
                wanted = self._overlay.figures(named["study_id"])
                found = (one for one in answer["plotly_graph_objects"] if one["id"] in wanted)
                answer["plotly_graph_objects"] = sorted(found, key=lambda one: str(one["id"]))
            return answer

        return mended
