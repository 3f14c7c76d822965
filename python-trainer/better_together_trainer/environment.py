"""Environment switches, set before any heavy import: the libraries read most of them once, when imported."""

import os

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "WANDB_MODE": "disabled",
}

QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TQDM_DISABLE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    # Python never tokenises here; without this the tokenizers library warns about our threads.
    "TOKENIZERS_PARALLELISM": "false",
}


def go_offline() -> None:
    """Takes every library off the network, whatever the caller's environment says."""
    os.environ.update(OFFLINE | QUIET)


def limit_to(*, threads: int, device: str) -> None:
    """Fixes threads and visible devices for every library of the process: both change the adapter's bytes."""
    for pool in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[pool] = str(threads)
    # Waiting threads spin by default, and on a busy machine take the core from the one they wait for: there,
    # 2 spinning threads were slower than 1 (0.6 times), 2 passive ones faster (1.6 times). Equal bytes.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    if device == "cuda":
        # Without a launcher Trainer would wrap the model in DataParallel, which TRL refuses.
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
        # cuBLAS is reproducible only with a fixed workspace, and reads this at its first call.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
