"""What a run took."""

import resource
import sys

import torch


def peak_memory_bytes(device: str) -> int:
    """The most memory the run had on its device; for a CPU, the process's largest resident size."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux kibibytes
