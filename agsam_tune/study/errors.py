"""What is wrong with a study file: one `Problem` each, and the `StudyError` that holds them all.

In: findings of the other modules. Out: one readable line per problem. Must import nothing but
the standard library.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

__all__ = ["Problem", "Problems", "StudyError", "nearest", "show", "unknown_name"]

_LONGEST_SHOWN, _LONGEST_QUOTED = 80, 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        file: the file it is in, as the user named it, with the `--set` that caused it, if any.
        key: the dotted key, or "" for the file as a whole.
        message: what was found, what is allowed and, for a name, the nearest valid one.
    """

    file: str
    key: str
    message: str

    def __str__(self) -> str:
        parts = [shortened(self.file), shortened(self.key), self.message]
        text = ": ".join(part for part in parts if part)
        # A quoted key or a file's name can hold line breaks and the terminal's control characters.
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shortened(text: str) -> str:
    """What a user wrote, without its middle where it is longer than a line or two."""
    if len(text) <= _LONGEST_QUOTED:
        return text
    half = _LONGEST_QUOTED // 2
    return f"{text[:half]}…{text[-half:]}"


class StudyError(Exception):
    """A study, a search space or an override that cannot be used; `str()` is one line a problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type["StudyError"], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


@dataclass(slots=True, kw_only=True)
class Problems:
    """Collects problems, so that a user reads all of them at once.

    Attributes:
        study_file: the study file's name in messages.
        overrides: dotted key → the `--set` argument that gave it; a problem of `study_file` at,
            under or above such a key names the argument.
    """

    study_file: str
    overrides: Mapping[str, str] = field(default_factory=dict)
    found: list[Problem] = field(default_factory=list)

    def add(
        self, key: str, message: str, *, file: str | None = None, related: Sequence[str] = ()
    ) -> None:
        """Adds a problem, unless it is already there.

        Args:
            key: the dotted key.
            message: what was found and what is allowed.
            file: the file it is in; None is the study file.
            related: other keys of the study file that the problem may come from.
        """
        if file is None:
            file = self.study_file + self._overrides_of((key, *related))
        problem = Problem(file=file, key=key, message=message)
        if problem not in self.found:
            self.found.append(problem)

    def raise_if_any(self) -> None:
        """Raises `StudyError` with everything found so far, if anything was."""
        if self.found:
            raise StudyError(self.found)

    def _overrides_of(self, keys: Sequence[str]) -> str:
        arguments = [
            f"--set {argument}"
            for overridden, argument in self.overrides.items()
            if any(_is_within(key, overridden) or _is_within(overridden, key) for key in keys)
        ]
        return f" ({', '.join(arguments)})" if arguments else ""


def _is_within(key: str, parent: str) -> bool:
    return key == parent or key.startswith((f"{parent}.", f"{parent}["))


def nearest(name: object, allowed: Iterable[str]) -> str:
    """The hint `; did you mean 'x'?`, or "" where no allowed name is close to `name`.

    Capitals make no difference: papers write GSAM.
    """
    names = {one.casefold(): one for one in sorted(allowed)}
    close = difflib.get_close_matches(str(name).casefold(), sorted(names), n=1, cutoff=0.5)
    return f"; did you mean {names[close[0]]!r}?" if close else ""


def unknown_name(name: object, allowed: Iterable[str], *, what: str = "") -> str:
    """The message for a name that is none of `allowed`; `what` says what the allowed ones are."""
    names = tuple(allowed)
    listed = ", ".join(names) if names else "none"
    label = f"{what}: " if what else ""
    return f"found {show(name)}, allowed: {label}{listed}{nearest(name, names)}"


def show(value: object) -> str:
    """A value as a message shows it: on one line, as TOML writes it, and not too long."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    if len(text) > _LONGEST_SHOWN:
        text = text[: _LONGEST_SHOWN - 1] + "…"
    return text
