"""What a broken promise is, and how all of them are collected.

In: checks. Out: one error that lists every promise that is broken. Must import nothing but the
standard library and what says an exception on one line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar

from agsam_tune.plugins import in_one_line

S = TypeVar("S")


class ContractError(AssertionError):
    """What was checked breaks its contract; the text says how, one promise a line."""


def broken(message: str) -> NoReturn:
    """Say that a promise is broken."""
    raise ContractError(message)


def run_checks(what: str, subject: S, checks: Mapping[str, Callable[[S], None]]) -> None:
    """Run all of the checks on the subject.

    Args:
        what: what is checked, for the message.
        subject: what each check is called with.
        checks: the checks, by the promise that each is about.

    Raises:
        ContractError: with every promise that is broken.
    """
    lines = []
    for promise, check in checks.items():
        try:
            check(subject)
        except ContractError as error:
            lines.append(f"  {promise}: {error}")
        except Exception as error:  # noqa: BLE001  (whatever the user's code raises breaks it)
            lines.append(f"  {promise}: it raised {in_one_line(error)}")
    if lines:
        raise ContractError("\n".join([f"{what} breaks {len(lines)} of its promises:", *lines]))
