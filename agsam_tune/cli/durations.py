"""Durations as `--time-budget` takes them.

In: a text such as 1h30m. Out: seconds. Imports the standard library only.
"""

from __future__ import annotations

import re

from agsam_tune.errors import UsageError

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_NUMBER = r"\d+(?:\.\d+)?"


def seconds(text: str) -> float:
    """Seconds of 90, 90s, 20m, 2h or 1h30m.

    Raises:
        UsageError: the text is none of these.
    """
    if re.fullmatch(_NUMBER, text):
        return float(text)
    if not re.fullmatch(rf"({_NUMBER}h)?({_NUMBER}m)?({_NUMBER}s)?", text) or not text:
        raise UsageError(f"--time-budget {text}: write it as 90 (seconds), 90s, 20m, 2h or 1h30m")
    parts = re.findall(rf"({_NUMBER})([hms])", text)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
