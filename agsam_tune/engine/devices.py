"""What this machine can train on.

In: nothing. Out: the GPUs that PyTorch finds, and what it was built with. Must not import Ray,
Optuna or the study file.
"""

from typing import Any

import torch


def gpu_is_available() -> bool:
    """Whether packs can be trained on a GPU of this machine."""
    return torch.cuda.is_available()


def gpu_count() -> int:
    """How many GPUs of this machine packs can be trained on."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def peak_gpu_memory() -> int:
    """The most bytes that PyTorch has held on a GPU in this process."""
    return torch.cuda.max_memory_allocated()


def facts() -> dict[str, Any]:
    """What a report of a problem needs to know of PyTorch: its CUDA, GPUs and threads."""
    return {
        "cuda": torch.version.cuda,
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "threads": torch.get_num_threads(),
    }


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an exception, or one that it came from, says that memory was wanting."""
    if error is None:
        return False
    # PyTorch's allocator on a CPU raises a plain RuntimeError.
    on_cpu = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    this = on_cpu or isinstance(error, MemoryError | torch.OutOfMemoryError)
    return this or is_out_of_memory(error.__cause__)


def synchronise(device: torch.device) -> None:
    """Wait until a GPU has done what it was told, so that a clock says what it took."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
