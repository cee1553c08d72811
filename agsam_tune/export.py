"""The trials table in formats that other programs read.

In: the trials table. Out: bytes. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import io
import json

import pandas as pd


def table_bytes(trials: pd.DataFrame, kind: str) -> bytes:
    """The table as `csv`, `parquet` or `json` (a list of records).

    Numbers keep every digit; NaN is an empty field in CSV and null in JSON.
    """
    if kind == "parquet":
        buffer = io.BytesIO()
        trials.to_parquet(buffer, index=False)
        return buffer.getvalue()
    if kind == "csv":
        return str(trials.to_csv(index=False)).encode()
    missing_is_null = trials.astype(object).where(trials.notna(), None)
    text = json.dumps(missing_is_null.to_dict(orient="records"), indent=1, ensure_ascii=False)
    return (text + "\n").encode()
