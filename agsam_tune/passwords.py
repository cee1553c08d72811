"""URLs as people may see them.

In: a text. Out: the same without passwords. Imports the standard library only.
"""

from __future__ import annotations

import re

from agsam_tune.paths import is_url


def without_password(text: str) -> str:
    """A location as people may see it, whether or not it is a URL that can be read."""
    if not is_url(text):
        return text
    before, sign, rest = text.partition("://")
    rest = re.sub(r"^([^/?#]*?):.*@", r"\1:…@", rest)
    return before + sign + re.sub(r"\b(password|sslpassword)=[^&#]*", r"\1=…", rest)
