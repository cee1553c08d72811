"""docs/reference.md, made of the program's own help and of docstrings.

`python -m tests.reference` writes it; a test holds what is written to what would be.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer

import agsam_tune
from agsam_tune.cli import app

PAGE = Path(__file__).parents[1] / "docs" / "reference.md"
COMMAND = "python -m tests.reference"

_HEAD = f"""# Reference

<!-- Made by `{COMMAND}` of the program's help and of docstrings: change these instead. -->

Every command with its arguments and options, as `agsam-tune COMMAND --help` says them, and every
function of `agsam_tune`. Each command takes `--help`, and `--debug`, which shows a traceback with
an error; exit codes are 0 done, 1 a failure, 2 wrong use, 3 stopped with everything so far kept.
What files hold is in [design.md](design.md), what the optimizers for loops of your own take in
[optim.md](optim.md).
"""
_ALIASES = {"StudyLike": "Study | Path | str", "RunLike": "Path | str"}
_SECTIONS = ("Args", "Attributes", "Returns", "Raises")


def page() -> str:
    """The page as it should be."""
    program = typer.main.get_command(app)
    parts = [_HEAD, "## Commands\n", "\n".join(_options(program, "agsam-tune"))]
    for name, command in program.commands.items():
        full = f"agsam-tune {name}"
        parts += [f"### {full}\n", f"{_text(command.help)}\n", "\n".join(_options(command, full))]
    parts += ["## Functions\n", "In a notebook or a script, after `import agsam_tune`.\n"]
    for name in agsam_tune.__all__:
        member = getattr(agsam_tune, name)
        if inspect.isfunction(member):
            parts.append(_function(name, member))
    parts.append(_class("Analysis", agsam_tune.Analysis))
    return "\n".join(parts)


def _options(command: Any, name: str) -> Iterator[str]:
    """A table of what a command takes."""
    context = typer.Context(command, info_name=name)
    yield "| | |"
    yield "| --- | --- |"
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and parameter.name not in ("help", "debug"):
            is_argument = parameter.param_type_name == "argument"
            option = (parameter.metavar or parameter.name.upper()) if is_argument else record[0]
            yield f"| `{_cell(option)}` | {_cell(record[1])} |"
    yield ""


def _function(name: str, function: Callable[..., Any]) -> str:
    lines = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and "*," not in lines:
            lines.append("*,")
        quoted = repr(parameter.default).replace("'", '"')
        default = "" if parameter.default is parameter.empty else f" = {quoted}"
        lines.append(f"{parameter.name}: {_type(parameter.annotation)}{default},")
    inside = "".join(f"    {line}\n" for line in lines)
    returned = _type(inspect.signature(function).return_annotation)
    code = f"```python\ndef {name}(\n{inside}) -> {returned}: ...\n```\n"
    return f"### agsam_tune.{name}\n\n{code}\n{_docstring(function)}"


def _class(name: str, kind: type) -> str:
    rows = [
        f"| `{key}` | {_cell(_text(inspect.getdoc(value)))} |"
        for key, value in vars(kind).items()
        if isinstance(value, property)
    ]
    table = "\n".join(["| property | |", "| --- | --- |", *rows, ""])
    return f"### agsam_tune.{name}\n\n{_docstring(kind)}\n{table}"


def _docstring(documented: Any) -> str:
    """A docstring in Google's style as Markdown."""
    lines = (inspect.getdoc(documented) or "").splitlines()
    parts: list[tuple[str, list[str]]] = [("", [])]
    for line in lines:
        if line.removesuffix(":") in _SECTIONS:
            parts.append((line.removesuffix(":"), []))
        else:
            parts[-1][1].append(line)
    written = []
    for title, body in parts:
        text = textwrap.dedent("\n".join(body)).strip()
        if not title or title == "Returns":
            written.append(f"{_text(f'{title}: {text}' if title else text)}\n")
            continue
        items = re.split(r"\n(?=\S)", text)
        pairs = [item.partition(": ") for item in items]
        written.append(
            f"{title}:\n\n" + "".join(f"- `{key}`: {_text(what)}\n" for key, _, what in pairs)
        )
    return "\n".join(written)


def _type(annotation: object) -> str:
    text = str(annotation)
    for alias, meaning in _ALIASES.items():
        text = re.sub(rf"\b{alias}\b", meaning, text)
    return text


def _text(text: str | None) -> str:
    """Paragraphs without line breaks inside."""
    paragraphs = re.split(r"\n\s*\n", (text or "").strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
