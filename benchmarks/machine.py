"""What a figure depends on besides the code that made it: the machine and every version."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.workloads import SEED
from mnistnet import __version__
from mnistnet.training.state import blas_description
from mnistnet.util.system import processors

ROOT = Path(__file__).resolve().parent.parent
CPUINFO = Path("/proc/cpuinfo")
PACKAGES = ("numpy", "torch", "jax", "jaxlib", "scikit-learn", "scipy")


def about(images: int) -> dict[str, Any]:
    """Return all that must be the same for two runs to be one comparison."""
    return {
        "commit": _commit(),
        "machine": processor(CPUINFO.read_text(encoding="utf-8") if CPUINFO.exists() else ""),
        "cores": processors(),
        "caches": _caches(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "versions": {"mnistnet": __version__, **{name: _version(name) for name in PACKAGES}},
        "blas": blas_description(),
        "threads": processors(),
        "seed": SEED,
        "images": images,
    }


def title(about: dict[str, Any]) -> str:
    """Return what a kind of machine is called: runs on machines of the same title replace each other."""
    return f"{about['machine']}, {about['cores']} cores"


def sentence(about: dict[str, Any]) -> str:
    """Return it as a sentence."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items() if version)
    caches = ", ".join(f"{level} {size}" for level, size in about["caches"].items())
    return (
        f"{title(about)} (caches of {caches}), {about['memory_gb']:.0f} GB of memory, "
        f"{about['system']}; Python {about['python']}, {versions}; NumPy with {about['blas']}; "
        f"{about['threads']} threads each, {about['images']:,} images, seed {about['seed']}, commit {about['commit']}."
    )


def _commit() -> str:
    """Return the commit, with "+" where the code that is measured or measures has changed since."""
    commit = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--", "mnistnet", "benchmarks/*.py")
    return commit + "+" if changed else commit


def _git(*words: str) -> str:
    return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True).stdout.strip()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def processor(info: str) -> str:
    """Return the processor's name in the text of /proc/cpuinfo, with its family and model where no number tells them.

    Rented machines often say no more than "AMD EPYC", which several generations are called.
    """
    found = dict(reversed([[word.strip() for word in line.split(":", 1)] for line in info.splitlines() if ":" in line]))
    name = found.get("model name", platform.processor())
    if "cpu family" not in found or any(letter.isdigit() for letter in name):
        return name
    return f"{name} (family {found['cpu family']}, model {found['model']})"


def _caches() -> dict[str, str]:
    """Return the size of each cache of data by its level, as Linux tells it."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((folder / name).read_text(encoding="utf-8").strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            found[f"L{level}"] = size
    return found
