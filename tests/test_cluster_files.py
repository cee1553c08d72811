"""The files to copy for SLURM and Kubernetes are well formed, and name what there is."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import typer
import yaml

from agsam_tune.cli import app
from agsam_tune.study import load_study
from tests.waiting import until

FOLDER = Path(__file__).parents[1] / "docs" / "cluster"


def test_the_slurm_script_is_a_shell_script() -> None:
    script = FOLDER / "slurm.sh"
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    _knows(re.findall(r"agsam-tune run .*", script.read_text())[0])


class Cluster:
    """A stand-in for SLURM: its programs and ours note what they are called with.

    `srun` runs what it is given here, for each machine with a folder of its own.
    """

    def __init__(self, folder: Path, *, driver: str) -> None:
        self.folder = folder
        self.bin = folder / "venv" / "bin"
        self.bin.mkdir(parents=True)
        (folder / "home").mkdir()
        (self.bin / "activate").write_text(f'PATH="{self.bin}:$PATH"')
        for name, text in (_PROGRAMS | {"agsam-tune": driver}).items():
            program = self.bin / name
            note = f'echo "{name}" ${{*//[[:space:]]/ }} >> "{folder}/calls"\n'
            program.write_text(f"#!/bin/bash\n{note}{text}")
            program.chmod(0o755)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def start(self) -> subprocess.Popen[str]:
        """The job, of two machines of four cores."""
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.folder / "home"),
            "AGSAM_TUNE_VENV": str(self.bin.parent),
            "AGSAM_TUNE_TMP": str(self.folder),
            "RAY_PORT": str(self.port),
            "RAY_ADDRESS": "gone:1",
            "SLURM_JOB_ID": "77",
            "SLURM_JOB_NODELIST": "n[1-2]",
            "SLURM_CPUS_PER_TASK": "4",
        }
        script = ["bash", FOLDER / "slurm.sh", "studies/moons.toml", "--quiet"]
        return subprocess.Popen(script, env=environment, cwd=self.folder, text=True)

    def calls(self, program: str) -> list[str]:
        """What the program was called with, each time."""
        noted = self.folder / "calls"
        lines = noted.read_text().splitlines() if noted.exists() else []
        return [line.removeprefix(f"{program} ") for line in lines if line.split()[0] == program]

    def left(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} - {"venv", "home", "calls"}


_PROGRAMS = {
    "scontrol": '[ "$1" = requeue ] || printf "n1\\nn2\\n"',
    "hostname": "echo 127.0.0.1",
    "srun": """
        for word; do case $word in
            --nodelist=*) export temp="$temp-${word#*=}"; shift ;;
            --*) shift ;;
            *) break ;;
        esac; done
        exec "$@"
    """,
    "ray": """
        stat -c "mode %a" "$temp" >> "${BASH_SOURCE%/venv/*}/calls"
        for word; do case $word in --port=*) port=${word#*=} ;; esac; done
        exec python -c '
import signal, socket, sys
if sys.argv[1:]:
    listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
signal.pause()' ${port:-}
    """,
}
_LOOKS = """
    while [ "$(grep -c ^mode "${BASH_SOURCE%/venv/*}/calls")" -lt 2 ]; do sleep 0.05; done
    [ "$(stat -c %a "$RAY_AUTH_TOKEN_PATH")" = 600 ] && [ -z "${RAY_ADDRESS:-}" ]
"""
_WAITS = """
    trap "sleep 0.3; exit 3" TERM
    touch "${BASH_SOURCE%/venv/*}/running"
    while :; do sleep 0.1; done
"""


def test_a_slurm_job_starts_ray_with_all_cores_in_a_folder_of_its_own(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, driver=_LOOKS)
    assert cluster.start().wait() == 0
    _, *steps = cluster.calls("srun")
    for step, nodes in zip(steps, ("--nodelist=n1", "--nodelist=n2"), strict=True):
        assert step.startswith(f"--nodes=1 {nodes} --ntasks-per-node=1 --cpus-per-task=4 --overlap")
    head, other = sorted(cluster.calls("ray"), key=lambda call: "--head" not in call)
    assert head.startswith(f"start --head --node-ip-address=127.0.0.1 --port={cluster.port} ")
    assert other.startswith(f"start --address=127.0.0.1:{cluster.port} ")
    for call, node in ((head, "n1"), (other, "n2")):
        place = f"{tmp_path}/agsam-77-0-{node}/ray"
        assert f"--num-cpus 4 --num-gpus 0 --temp-dir={place} --block" in call
    assert cluster.calls("mode") == ["700", "700"]
    (driver,) = cluster.calls("agsam-tune")
    assert driver == (
        f"run studies/moons.toml --address 127.0.0.1:{cluster.port} "
        f"--out {tmp_path}/runs/moons --quiet"
    )
    assert not cluster.left()
    assert not list((tmp_path / "home").iterdir())


def test_a_slurm_job_whose_time_is_over_lets_the_driver_end_and_is_put_back(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, driver=_WAITS)
    job = cluster.start()
    until((tmp_path / "running").exists, while_true=lambda: job.poll() is None)
    job.terminate()
    assert job.wait() == 3
    assert cluster.calls("scontrol")[-1] == "requeue 77"
    assert cluster.left() == {"running"}


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
    assert cluster["authOptions"] == {"mode": "token"}
    head = cluster["headGroupSpec"]["template"]["spec"]
    assert head["securityContext"]["fsGroup"] > 0
    mounts = {mount["name"]: mount["mountPath"] for mount in head["containers"][0]["volumeMounts"]}
    volumes: dict[str, Any] = {one["name"]: one for one in head["volumes"]}
    assert mounts.keys() == volumes.keys()
    assert volumes["results"]["persistentVolumeClaim"]["claimName"] == volume["metadata"]["name"]
    assert volumes["study"]["configMap"]["name"] == study["metadata"]["name"]
    command = job["spec"]["entrypoint"]
    _knows(command)
    assert all(any(path in command for path in (mounts[name],)) for name in mounts)
    # The study in it is the one whose verdict is published.
    ((name, text),) = study["data"].items()
    (tmp_path / name).write_text(text)
    published = load_study(FOLDER.parents[1] / "studies" / "moons.toml").resolved()
    assert load_study(tmp_path / name).resolved() == published | {"name": "mine"}


def _knows(command: str) -> None:
    """Whether the program has the command's options."""
    run = typer.main.get_command(app).commands["run"]  # type: ignore[attr-defined]
    known = {option for parameter in run.params for option in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", command)) <= known
