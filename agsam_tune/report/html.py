"""The page: a template filled with records and inline figures. Nothing in it leaves the file.

In: a `Page`, whose figures are SVG texts. Out: the HTML text. The template escapes everything but
the SVGs, the style sheet and the script, which this package makes itself, and the table of trials,
which is JSON made safe (`trial_table`).
"""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

import jinja2
from markupsafe import Markup

from agsam_tune.report.blocks import Page
from agsam_tune.report.style import CSS_COLOURS, OptimizerStyle

TEMPLATES = "templates"


def render(page: Page, *, trials_json: str | None = None) -> str:
    """The whole page; with the trials' table (`trial_table.trials_json`) also the panel of trials.

    A Content-Security-Policy in it says that nothing may be loaded, and that of all scripts only
    this package's own may run, which its hash tells.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = _template("trials.js")
    # Our own style sheet and script, and JSON without any `<`, `>` or `&`, which cannot leave its
    # element; not texts from files that a user hands in.
    return environment.get_template("report.html.j2").render(
        page=page,
        trials_json=None if trials_json is None else Markup(trials_json),  # noqa: S704
        css=Markup(_template("report.css")),  # noqa: S704
        script=Markup(script),  # noqa: S704
        policy=Markup(policy(script)),  # noqa: S704
    )


def policy(script: str) -> str:
    """A Content-Security-Policy that allows inline styles and this one script, and no request."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def swatch(style: OptimizerStyle) -> Markup:
    """An optimizer's line as a small inline SVG, for legends and tables."""
    colour = CSS_COLOURS[style.colour]
    dashes = (
        "" if isinstance(style.dashes, str) else " ".join(f"{d * 1.6:g}" for d in style.dashes[1])
    )
    return Markup(
        '<svg class="swatch" viewBox="0 0 34 12" aria-hidden="true">'
        '<line x1="1" y1="6" x2="33" y2="6" stroke="{}" stroke-width="{}" stroke-dasharray="{}"/>'
        "</svg>"
    ).format(colour, style.width, dashes)


def _template(name: str) -> str:
    return resources.files(__package__).joinpath(TEMPLATES, name).read_text(encoding="utf-8")
