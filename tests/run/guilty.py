"""A task of which some trials do what a test asks for, in the middle of a study."""

import sys
from pathlib import Path

from tests.run.commands import QUICK

TASK = """
import os, signal, time
import numpy as np
import torch
from agsam_tune.streams import stream
from agsam_tune.tasks.task import Network, Split, Task

def weights(phase, replicate, index):
    coordinates = dict(phase=phase, replicate=replicate, index=index, seed=0)
    return int(stream(study_seed=0, **coordinates, stream="weights").integers(2**63))

def guilty(*, seed, trials=(("map", 0, 1),), does="nothing", log="", meet=1):
    rng = np.random.default_rng(0)
    if trials == "all":  # of small studies; whoever looks at the model before is let be
        phases = ("map", "tune", "misset", "default", "iid", "key", "off", "radius")
        trials = [(phase, r, i) for phase in phases for r in range(8) for i in range(8)]
    those = {weights(*trial) for trial in trials}
    def split():
        x = rng.normal(size=(40, 2)).astype(np.float32)
        return Split(x=x, y=(x[:, 0] > 0).astype(np.int64))
    def build():
        if torch.initial_seed() in those:
            if log:
                with open(log, "a") as file:
                    file.write(f"{os.getpid()} {os.environ.get('CUDA_VISIBLE_DEVICES')}\\n")
            if does == "raise":
                raise RuntimeError("this seed is cursed")
            if does == "die":
                os.kill(os.getpid(), signal.SIGSEGV)
            if does == "hang":
                time.sleep(1e6)
            if does == "meet":  # wait for so many workers to be here at once
                while len({line.split()[0] for line in open(log)}) < meet:
                    time.sleep(0.05)
            if does == "wait":  # until a test lets go
                while not os.path.exists(f"{log}.go"):
                    time.sleep(0.05)
            if does == "hog":
                kept = []
                for _ in range(40):
                    kept.append(np.ones(2**28 // 8))  # 256 MiB
                    time.sleep(0.1)
                raise RuntimeError("nobody minded")
            if does == "starve":
                raise MemoryError
        return torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    return Task(name="guilty", train=split(), validation=None, test=split(),
                model=Network(build=build, outputs=2))
"""


_PAIR = ("key", "off", "radius")


def write_study(folder: Path, options: str, *, alone: bool = False) -> Path:
    """The quick study of two optimizers with this task, or of one alone.

    `options` are its [task_options]: what the trials do that `trials` names by phase, replicate and
    index, all with "all".
    """
    (folder / "guilty.py").write_text(TASK)
    sys.modules.pop("guilty", None)  # another test's, where this process has imported it
    text = Path(QUICK).read_text()
    old = text[text.index("[task_options]") : text.index("[training]")]
    text = text.replace(old, f"[task_options]\n{options}\n\n")
    text = text.replace('task = "moons"', 'task = "guilty:guilty"')
    text = text.replace(', "gsam_matched"]', "]").replace('control = "gsam_matched"\n', "")
    if alone:
        text = text.replace(', "adaptive_gsam"]', "]").replace('baseline = "gsam"\n', "")
        text = text.replace('candidate = "adaptive_gsam"\n', "")
        head, *phases = text.split("[[phases]]")
        kept = [p for p in phases if not any(f'name = "{name}"' in p for name in _PAIR)]
        text = "[[phases]]".join([head, *kept])
    (folder / "mine.toml").write_text(text)
    return folder / "mine.toml"
