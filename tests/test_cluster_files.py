"""The files to copy for SLURM and Kubernetes are well formed, and name what there is."""

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from agsam_tune.study import load_study
from tests.run.commands import agsam_tune

FOLDER = Path(__file__).parents[1] / "docs" / "cluster"


def test_the_slurm_script_is_a_shell_script() -> None:
    script = FOLDER / "slurm.sh"
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    _knows(re.findall(r"agsam-tune run .*", script.read_text())[0])


def test_its_driver_is_waited_for_after_a_signal(tmp_path: Path) -> None:
    """The lines around the driver, with another program in its place."""
    text = (FOLDER / "slurm.sh").read_text()
    trap = next(line for line in text.splitlines() if line.startswith("trap 'kill -TERM"))
    waiting = text[text.index("driver=$!") : text.index("if ((code == 3))")]
    program = tmp_path / "job.sh"
    driver = "bash -c 'trap \"sleep 0.5; exit 3\" TERM; while :; do sleep 0.1; done' &"
    program.write_text(f"set -euo pipefail\n{trap}\n{driver}\n{waiting}\necho code $code\n")
    job = subprocess.Popen(["bash", program], stdout=subprocess.PIPE, text=True)
    try:
        job.wait(timeout=1)
    except subprocess.TimeoutExpired:
        job.terminate()
    out, _ = job.communicate(timeout=20)
    assert out == "code 3\n"


def test_the_kuberay_file_is_a_job_with_all_its_parts(tmp_path: Path) -> None:
    """Names and types of the RayJob reference (ray.io/v1), as far as this file uses them."""
    volume, study, job = yaml.safe_load_all((FOLDER / "kuberay.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        (container,) = group["template"]["spec"]["containers"]
        assert container["image"]
        assert container["resources"]["requests"] == container["resources"]["limits"]
    for worker in cluster["workerGroupSpecs"]:
        assert worker["minReplicas"] <= worker["replicas"] <= worker["maxReplicas"]
    head = cluster["headGroupSpec"]["template"]["spec"]
    mounts = {mount["name"]: mount["mountPath"] for mount in head["containers"][0]["volumeMounts"]}
    volumes: dict[str, Any] = {one["name"]: one for one in head["volumes"]}
    assert mounts.keys() == volumes.keys()
    assert volumes["results"]["persistentVolumeClaim"]["claimName"] == volume["metadata"]["name"]
    assert volumes["study"]["configMap"]["name"] == study["metadata"]["name"]
    command = job["spec"]["entrypoint"]
    _knows(command)
    assert all(any(path in command for path in (mounts[name],)) for name in mounts)
    # The study in it is one.
    for name, text in study["data"].items():
        (tmp_path / name).write_text(text)
        load_study(tmp_path / name)


def _knows(command: str) -> None:
    """Whether the program has the command's options."""
    words = agsam_tune("run", "--help").stdout
    for option in re.findall(r"--[a-z-]+", command):
        assert option in words
