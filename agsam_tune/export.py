"""Tables of a run in formats that other programs, and people, read.

In: a run's folder. Out: a table, and its bytes. Must not import torch or Ray.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from agsam_tune.analysis.record import Comparison, Metric, Summary

# What people read has four digits; a fraction's last is then a hundredth of a point.
_DIGITS = 4
# LaTeX fonts may lack it.
_MINUS = "−"


def run_table(path: Path, name: str) -> pd.DataFrame:
    """The table of a run that is called `trials`, `curves`, `estimates` or `comparisons`.

    The last two are computed anew from what is stored: a row a number of an optimizer, and a row a
    difference, with the columns of the record's `Metric` and `Comparison`.

    Raises:
        UsageError: the folder holds no run, or its results are gone.
    """
    # Here, since whoever only writes a table needs neither the analysis nor the report.
    from agsam_tune.reporting import analysed, read_run

    run = read_run(path, curves=name == "curves")
    if name == "trials":
        return run.trials
    if name == "curves":
        return run.curves
    summary = analysed(run)
    return estimates_table(summary) if name == "estimates" else comparisons_table(summary)


def estimates_table(summary: Summary) -> pd.DataFrame:
    """One row a number: optimizer, `point` of fixed ones, `trials` of tuning curves, and Metric's.

    The pair's difference in tuning is that of the optimizer "candidate − baseline".
    """
    rows: list[dict[str, Any]] = [
        {"optimizer": name, "point": None, "trials": None, **metric.model_dump()}
        for name, own in summary.optimizers.items()
        for metric in own.metrics
    ]
    rows += [
        {"optimizer": one.optimizer, "point": one.point, "trials": None, **metric.model_dump()}
        for one in summary.fixed
        for metric in one.metrics
    ]
    pair = f"{summary.candidate} {_MINUS} {summary.baseline}"
    rows += [
        {"lens": "tuning", "metric": "best_score", **one.model_dump()}
        | {"optimizer": one.optimizer or pair}
        for one in summary.tuning
    ]
    table = pd.DataFrame(rows, columns=["optimizer", "point", "trials", *_fields(Metric)])
    return table.astype(dict.fromkeys(("point", "trials", "replicates", "trainings"), "Int64"))


def comparisons_table(summary: Summary) -> pd.DataFrame:
    """One row a difference, those of the gap last, with the columns of the record's Comparison."""
    rows = [row.model_dump() for row in (*summary.comparisons, *summary.gap)]
    return pd.DataFrame(rows, columns=_fields(Comparison))


def _fields(record: type[Metric | Comparison]) -> list[str]:
    return list(record.model_fields)


def table_bytes(table: pd.DataFrame, kind: str) -> bytes:
    """The table as `csv`, `parquet`, `json` (a list of records), `md` or `latex`.

    In the first three numbers keep every digit; NaN is an empty field in CSV and null in JSON.
    The last two are for people: four significant digits, and nothing where there is no value.
    """
    if kind == "parquet":
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        return buffer.getvalue()
    if kind == "csv":
        return str(table.to_csv(index=False)).encode()
    if kind == "md":
        return _markdown(_read(table)).encode()
    if kind == "latex":
        return _latex(_read(table)).encode()
    missing_is_null = table.astype(object).where(table.notna(), None)
    text = json.dumps(missing_is_null.to_dict(orient="records"), indent=1, ensure_ascii=False)
    return (text + "\n").encode()


def _read(table: pd.DataFrame) -> pd.DataFrame:
    """The table's cells as people read them, without columns that are empty."""
    full = table.dropna(axis="columns", how="all")
    return full.astype(object).map(_cell)


def _cell(value: object) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{value:.{_DIGITS}g}"
    return str(value)


def _markdown(cells: pd.DataFrame) -> str:
    rows = [list(cells.columns), ["---"] * len(cells.columns), *cells.to_numpy().tolist()]
    return "".join(_row([str(cell).replace("|", "\\|") for cell in row]) for row in rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _latex(cells: pd.DataFrame) -> str:
    """A tabular environment with the rules of the package booktabs."""
    style = cells.map(lambda cell: cell.replace(_MINUS, "-")).style
    style = style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis=1)
    return str(style.to_latex(hrules=True))
