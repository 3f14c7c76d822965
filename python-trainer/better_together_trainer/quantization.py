"""QLoRA (Dettmers et al., 2023): the frozen base in 4 bits while an adapter is trained on it.

The adapter is served on the GGUF and its reference is computed on the imported weights: the 4 bits are an
approximation of the training alone, and the gates see what it costs. Nothing here was ever run on a GPU; what
the tests hold is that every other device refuses it.
"""

from importlib.util import find_spec

from .errors import BadInput
from .versions import installed

PACKAGE = "bitsandbytes"


def require_quantization(quantization: str, device: str) -> None:
    """An explicit choice never falls back. Without torch: a job that cannot be done hears so at once."""
    if quantization == "none":
        return
    if device != "cuda":
        message = f"The job asks for {quantization} training on {device}; it needs an NVIDIA GPU (CUDA)."
        hint = 'Train with quantization "none", fewer topLayers or a smaller model.'
        raise BadInput("quantization-needs-cuda", message, hint)
    if find_spec(PACKAGE) is None:
        message = f"The job asks for {quantization} training, and the package {PACKAGE} is not installed."
        hint = (
            'Install the extra: uv pip install "better_together_trainer[4bit]"; or use quantization "none".'
        )
        raise BadInput("quantization-package-missing", message, hint)


def quantization_versions(quantization: str) -> dict[str, str | None]:
    """What else decides the adapter's bytes."""
    return {} if quantization == "none" else {PACKAGE: installed(PACKAGE)}
