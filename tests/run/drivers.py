"""The program in a process of its own that can be signalled and killed, without its imports."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

# Forked from a process that has all modules, so that a test can afford one.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.run.preloaded"])


class Driver:
    """A call of the program in a session of its own, as a terminal gives it one.

    Args:
        arguments: the words after the program's name.
        output: a file or a terminal for what it prints.
        sigint: what SIGINT does at its start: of a shell's background jobs, nothing.
        environment: variables to add.
    """

    def __init__(
        self,
        *arguments: str | Path,
        output: Path,
        sigint: signal.Handlers = signal.SIG_DFL,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        words = list(map(str, arguments))
        variables = dict(environment or {})
        self._process = CONTEXT.Process(
            target=_run, args=(words, output, sigint, variables), daemon=True
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def works(self) -> bool:
        return self._process.is_alive()

    def wait(self) -> int | None:
        """The exit code, when it has ended; −9 after a kill −9."""
        self._process.join()
        return self._process.exitcode

    def send(self, number: signal.Signals) -> None:
        """A signal to the process, or if it is SIGINT, to all that it started, as a terminal's."""
        (os.killpg if number is signal.SIGINT else os.kill)(self.pid, number)

    def kill(self) -> None:
        self._process.kill()
        self._process.join()


def _run(
    words: list[str], output: Path, sigint: signal.Handlers, variables: Mapping[str, str]
) -> None:
    os.setsid()
    for descriptor in (1, 2):
        sys.stdout.flush()
        os.dup2(os.open(output, os.O_RDWR | os.O_APPEND | os.O_CREAT), descriptor)
    # Whoever runs the tests may have had SIGINT ignored.
    is_default = sigint is signal.SIG_DFL
    signal.signal(signal.SIGINT, signal.default_int_handler if is_default else sigint)
    os.environ.update(variables)
    sys.argv = ["agsam-tune", *words]
    from agsam_tune.cli import main

    main()
