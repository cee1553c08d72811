"""Errors as a user reads them: one message and an exit code.

In: what a command raises. Out: the message on standard error, and `typer.Exit`. Must not
import anything heavy.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from agsam_tune.errors import AgsamTuneError, ExitCode

Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")]


@contextmanager
def readable_errors(debug: bool, *, stopped: str = "stopped") -> Iterator[None]:
    """Turn exceptions into one message and an exit code.

    Args:
        debug: whether a traceback is shown as well.
        stopped: what is said of an interrupt.
    """
    from agsam_tune.study import StudyError

    code = ExitCode.FAILURE
    try:
        yield
        return
    except (typer.Exit, BrokenPipeError):  # whoever read what is printed has had enough
        raise
    except KeyboardInterrupt:
        code, text = ExitCode.STOPPED, stopped
    except StudyError as error:
        code, text = ExitCode.WRONG_USE, str(error)
    except AgsamTuneError as error:
        code, text = error.exit_code, str(error)
    except Exception as error:  # noqa: BLE001  (the last stop before the user)
        text = f"{type(error).__name__}: {error}\nThis is a fault; --debug shows where."
    if debug:
        traceback.print_exc()
    typer.echo(f"agsam-tune: {text}", err=True)
    raise typer.Exit(code)
