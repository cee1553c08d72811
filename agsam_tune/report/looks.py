"""Which look at a study this is, as people say it.

In: how an analysis was made. Out: text. Imports nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agsam_tune.analysis.record import Design


def look_words(design: Design) -> str:
    """Such as `look 1 of up to 3 (16 replicates); next: 32`: each look doubles the replicates.

    Where there can be no other, as of a table, `the only look (6 replicates)`.
    """
    count, size = len(design.looks), design.next_look
    while size is not None and size <= design.max_replicates:
        count, size = count + 1, 2 * size
    which = "the only look" if count == 1 else f"look {len(design.looks)} of up to {count}"
    said = f"{which} ({design.replicates:,} replicates)"
    if not design.complete:
        said += ", not all of its trainings are there yet"
    return said + ("" if design.next_look is None else f"; next: {design.next_look:,}")
