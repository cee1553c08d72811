"""The text of a search-space file.

In: a built-in optimizer's name. Out: the package's own search space as TOML with a comment on each
key. Must not import torch, Ray, Optuna, NumPy or pandas.
"""

from __future__ import annotations

from agsam_tune.study import Range, read_search_space
from agsam_tune.study.files import find_search_spaces
from agsam_tune.study.model import FORMAT
from agsam_tune.study.tables import SearchSpaceTable
from agsam_tune.study.text import comment_lines, table_lines


def search_space_text(optimizer: str) -> str:
    """The search space that the package has for `optimizer`, one of its own."""
    space = read_search_space(find_search_spaces(None)[optimizer])
    about = (
        f"What the hyperparameters of {optimizer} are drawn from, in the studies of the folder "
        "above. lr, momentum and weight_decay may be added; give them to all optimizers of a "
        "study, or they are not compared alike."
    )
    if not space.ranges:
        about = f"{optimizer} has no hyperparameters of its own. {about}"
    said = {"optimizer": optimizer, "format": FORMAT, "description": space.description}
    if not space.ascent:
        said["ascent"] = False
    lines = ["#:schema ../schemas/search-space.json", *comment_lines(about), ""]
    lines += table_lines(SearchSpaceTable, said)
    for name, interval in space.ranges.items():
        lines += ["", f"[{name}]", *table_lines(Range, interval.model_dump(exclude_none=True))]
    return "\n".join([*lines, ""])
