"""Progress as a panel that is kept up to date, in terminals of any size.

In: facts, and the terminal's width and height. Out: something that Rich draws, no higher than
the terminal. Imports Rich only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import ROUNDED
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from agsam_tune.progress.facts import Facts, duration, memory, points, rate
from agsam_tune.progress.lines import opening

_WIDEST = 100
# The border, and the line below, where the shell's own may come.
_FRAME_COLUMNS, _FRAME_LINES, _BELOW = 4, 2, 1
_GAP = 3
_BAR, _PHASE_BAR = 30, 10
_SHORTEST_NAME = 6
_UNKNOWN = "–"


class PanelScreen:
    """Draws the panel in place, and leaves the last one standing.

    Args:
        console: a terminal.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    def start(self, facts: Facts) -> None:
        """Say what was found, if anything, and begin to draw."""
        if facts.stored:
            self._console.print(opening(facts), markup=False, highlight=False)
        self._live.start()
        self.show(facts)

    def show(self, facts: Facts) -> None:
        """Draw the facts."""
        self._live.update(panel(facts, *self._console.size), refresh=True)

    def stop(self, facts: Facts) -> None:
        """Draw them for the last time."""
        self.show(facts)
        self._live.stop()


def panel(facts: Facts, width: int, height: int) -> RenderableType:
    """The most that fits: all of it, or less from the bottom up, to a single line.

    Args:
        facts: what to show.
        width: columns of the terminal.
        height: lines of it.
    """
    width = min(width, _WIDEST)
    inner, lines = width - _FRAME_COLUMNS, height - _FRAME_LINES - _BELOW
    for body in _bodies(facts, inner, lines):
        if len(body) <= lines:
            title = Text.assemble((facts.title, "bold"), f" · {facts.state}")
            return Panel(Group(*body), title=title, title_align="left", box=ROUNDED, width=width)
    return Group(_line(f"{facts.done:,}/{facts.total:,} · left {_left(facts)} · {facts.state}"))


def _bodies(facts: Facts, width: int, lines: int) -> Iterator[list[Text]]:
    """What may stand in the panel, the fullest first."""
    head = _head(facts, width)
    phases = _phases(facts)
    room = lines - len(head) - 1
    table = _optimizers(facts, width - _width(phases) - _GAP, room)
    if _width(phases) + _GAP + _width(table) <= width:
        yield [*head, Text(), *_side_by_side(phases, table)]
    table = _optimizers(facts, width, room - len(phases) - 1)
    yield [*head, Text(), *phases, Text(), *table]
    yield [*head, *_wrapped([f"{p.name} {p.done:,}/{p.total:,}" for p in facts.phases], width)]
    yield head
    yield head[:1]


def _head(facts: Facts, width: int) -> list[Text]:
    share = facts.done / facts.total if facts.total else 1.0
    counts = f"{facts.done:,} of {facts.total:,} trials"
    bar = Text.assemble(f"{counts}  ", _bar(share, min(_BAR, width - len(counts) - 8)))
    bar.append(f"  {int(100 * share)}%")
    parts = [
        f"elapsed {duration(facts.elapsed)}",
        f"left {_left(facts)}",
        f"{_UNKNOWN} trials/s" if facts.rate is None else rate(facts.rate),
        f"{facts.busy} of {facts.workers or _UNKNOWN} workers busy",
        f"{facts.diverged:,} diverged",
        *([f"{facts.failed:,} failed to run"] if facts.failed else []),
        *([] if facts.memory is None else [f"memory {memory(facts.memory)}"]),
    ]
    notice = [Text(facts.notice, style="bold yellow")] if facts.notice else []
    split = [row for text in notice for row in _broken(text, width)]
    return [_cut(bar), *split, *_wrapped(parts, width)]


def _phases(facts: Facts) -> list[Text]:
    """A line a phase: its name, how far it is, its trials."""
    name = max((len(phase.name) for phase in facts.phases), default=0)
    count = max((len(f"{phase.total:,}") for phase in facts.phases), default=0)
    rows = [_line("phase".ljust(name), style="dim")]
    for phase in facts.phases:
        row = _line(f"{phase.name.ljust(name)} ")
        row.append_text(_bar(phase.done / phase.total if phase.total else 1.0, _PHASE_BAR))
        rows.append(row.append(f" {f'{phase.done:,}'.rjust(count)}/{phase.total:,}"))
    return rows


def _optimizers(facts: Facts, width: int, lines: int) -> list[Text]:
    """A line an optimizer: its name, its trials, its best and its median accuracy."""
    known = facts.optimizers
    shown = known if len(known) < lines else known[: max(lines - 2, 0)]
    counts = [f"{o.done:,}/{o.total:,}" for o in known]
    count = max(6, *map(len, counts)) if counts else 6
    columns = count + len("  ") + 2 * len("  median")
    longest = max(len("validation"), *(len(o.name) for o in known))
    name = max(_SHORTEST_NAME, min(longest, width - columns))
    head = f"{_shortened('validation', name)}  {'trials'.rjust(count)}  {'best':>6}  median"
    rows = [_line(head, style="dim")]
    for optimizer, done in zip(shown, counts, strict=False):
        best, median = (points(x, _UNKNOWN) for x in (optimizer.best, optimizer.median))
        row = _shortened(optimizer.name, name)
        rows.append(_line(f"{row}  {done.rjust(count)}  {best:>6}  {median:>6}"))
    if len(shown) < len(known):
        rows.append(_line(f"and {len(known) - len(shown)} more", style="dim"))
    return rows


def _side_by_side(left: Sequence[Text], right: Sequence[Text]) -> list[Text]:
    width, rows = _width(left) + _GAP, []
    for i in range(max(len(left), len(right))):
        row = left[i].copy() if i < len(left) else _line("")
        row.append(" " * (width - row.cell_len))
        rows.append(row.append_text(right[i]) if i < len(right) else row)
    return rows


def _wrapped(parts: Sequence[str], width: int) -> list[Text]:
    """The parts with dots between them, in as many lines as that takes."""
    rows: list[str] = []
    for part in parts:
        if rows and len(rows[-1]) + len(part) + 3 <= width:
            rows[-1] += f" · {part}"
        else:
            rows.append(part)
    return [_line(row) for row in rows]


def _broken(text: Text, width: int) -> list[Text]:
    """A text in lines of whole words."""
    words, rows = text.plain.split(), [""]
    for word in words:
        if rows[-1] and len(rows[-1]) + 1 + len(word) > width:
            rows.append("")
        rows[-1] += f" {word}" if rows[-1] else word
    return [_line(row, style=str(text.style)) for row in rows]


def _bar(share: float, width: int) -> Text:
    filled = int(share * width)
    return Text.assemble(("━" * filled, "green"), ("─" * (width - filled), "dim"))


def _left(facts: Facts) -> str:
    return _UNKNOWN if facts.left is None else duration(facts.left)


def _shortened(name: str, width: int) -> str:
    return name.ljust(width) if len(name) <= width else f"{name[: width - 1]}…"


def _width(rows: Sequence[Text]) -> int:
    return max(row.cell_len for row in rows)


def _line(text: str, style: str = "") -> Text:
    return _cut(Text(text, style=style))


def _cut(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
