"""The example notebook, executed as a user would."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "examples" / "first_study.ipynb"


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")  # those of Jupyter's own
def test_the_example_notebook_runs(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    shown = ["".join(str(output.get("data", "")) for output in cell.outputs) for cell in code]
    plan, estimates, figure = shown[1], shown[4], shown[-1]
    assert "<table>" in plan
    assert "core-hours" in plan
    assert "difference" in estimates
    assert "application/vnd.plotly" in figure
    assert (tmp_path / "runs" / "first" / "report.html").is_file()
