"""What is installed, found without importing torch: a person waits for the answer."""

import ctypes
import importlib.metadata
import importlib.util
import platform
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "transformers", "trl", "peft", "gguf")


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide the adapter's bytes."""
    return {"python": platform.python_version()} | {name: installed(name) for name in PACKAGES}


def describe() -> dict[str, Any]:
    return {
        "versions": package_versions(),
        "platform": f"{sys.platform}-{platform.machine()}",
        "cpu": {"bfloat16": cpu_computes_bfloat16()},
        "cuda": describe_cuda(),
        "metal": {"usable": sys.platform == "darwin" and platform.machine() == "arm64"},
    }


def installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def describe_cuda() -> dict[str, Any]:
    """What must come together: a torch built for CUDA, a driver new enough for it, a device."""
    build = torch_cuda_build()
    driver, devices = ask_driver()
    # Within one major version CUDA promises compatibility.
    usable = bool(build and devices and driver // 1000 >= int(build.split(".")[0]))
    return {"torchBuild": build, "driver": driver_name(driver), "devices": devices, "usable": usable}


def torch_cuda_build() -> str | None:
    spec = importlib.util.find_spec("torch")  # finds, does not import
    if spec is None or spec.origin is None:
        return None
    version_file = Path(spec.origin).with_name("version.py")  # assignments only
    return runpy.run_path(str(version_file)).get("cuda")


def ask_driver() -> tuple[int, int]:
    """(version, device count) from the CUDA driver itself; (0, 0) without one."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0, 0
    version, devices = ctypes.c_int(0), ctypes.c_int(0)
    if driver.cuInit(0) == 0:
        driver.cuDriverGetVersion(ctypes.byref(version))
        driver.cuDeviceGetCount(ctypes.byref(devices))
    return version.value, devices.value


def driver_name(version: int) -> str | None:
    return f"{version // 1000}.{version % 1000 // 10}" if version else None


def cpu_computes_bfloat16() -> bool:
    """Whether the processor has instructions for it; without them it is far slower than float32."""
    if sys.platform == "darwin":
        command = ["/usr/sbin/sysctl", "-n", "hw.optional.arm.FEAT_BF16"]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() == "1"
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", "bf16"))
