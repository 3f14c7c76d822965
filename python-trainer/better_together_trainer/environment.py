"""Environment switches. The libraries read most of them once, at import, so they are set before any heavy import."""

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
    # Threads that wait spin by default, and steal the core from the one they wait for as soon as anything else runs:
    # 2 threads on 2 busy cores were 2.5 times slower than with passive waiting, and slower than 1 thread.
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    if device == "cuda":
        # Without a launcher Trainer would wrap the model in DataParallel, which TRL refuses.
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")
        # cuBLAS is reproducible only with a fixed workspace, and reads this at its first call.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
