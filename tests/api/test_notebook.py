"""The example notebook, executed as a user would, and its code alone."""

import ast
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "examples" / "first_study.ipynb"


def code_of(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown_by(source: str, names: dict[str, Any]) -> Any:
    """What a cell's last line comes to, if it is an expression."""
    module = ast.parse(source)
    last = module.body.pop() if isinstance(module.body[-1], ast.Expr) else None
    exec(compile(module, "cell", "exec"), names)  # noqa: S102
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # noqa: S307


def test_the_code_runs_from_the_first_cell_to_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    cells = code_of(nbformat.read(NOTEBOOK, as_version=4))
    shown = [shown_by(cell.source, names) for cell in cells]
    assert "core-hours" in shown[1]._repr_html_()
    assert "verdict" in shown[4]._repr_html_()
    assert shown[-1].data
    assert (tmp_path / "runs" / "first" / "report.html").is_file()


@pytest.mark.slow  # Jupyter and its kernel
@pytest.mark.filterwarnings("ignore")  # those of Jupyter's own
def test_the_example_notebook_runs(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    code = code_of(notebook)
    assert all(cell.execution_count for cell in code)
    shown = ["".join(str(output.get("data", "")) for output in cell.outputs) for cell in code]
    plan, estimates, figure = shown[1], shown[4], shown[-1]
    assert "<table>" in plan
    assert "core-hours" in plan
    assert "verdict" in estimates
    assert "application/vnd.plotly" in figure
    assert (tmp_path / "runs" / "first" / "report.html").is_file()
