"""What this machine has and lacks, and how to get it."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_GIB = 1 << 30
_STEP_PACKAGES = {
    "tensorflow": "tensorflow",
    "apache-beam": "apache_beam",
    "av": "av",
    "opencv-python-headless": "cv2",
    "remotezip": "remotezip",
    "tensorflow-data-validation": "tensorflow_data_validation",
    "google-cloud-storage": "google.cloud.storage",
}
# Debian's package for each program, and what it is for.
_PROGRAMS = {
    "ffmpeg": ("ffmpeg", "tests of codecs and benchmarks"),
    "chromium": ("chromium", "tests that open the pages"),
    "docker": ("docker.io", "building images, reelflow run in containers"),
    "docker-registry": ("docker-registry", "tests of images in a registry"),
    "node": ("nodejs", "tests against the KFP API's specification"),
}


@dataclass(frozen=True)
class Check:
    """One thing that was looked for.

    Attributes:
        name: What.
        state: ok; missing, where nothing works without it; optional, where only a part needs it.
        found: What is there.
        remedy: What to do, or "".
    """

    name: str
    state: Literal["ok", "missing", "optional"]
    found: str
    remedy: str = ""


def examine(work_dir: Path) -> list[Check]:
    """Look at this machine: Python, packages, programs, accelerator, memory and disk."""
    return [_python(), *map(_package, sorted(_STEP_PACKAGES)), *map(_program, _PROGRAMS), _gpu(), *_room(work_dir)]


def _python() -> Check:
    version = platform.python_version_tuple()
    glibc = tuple(int(part) for part in (platform.libc_ver()[1] or "0").split("."))
    found = f"Python {platform.python_version()}, glibc {'.'.join(map(str, glibc))}"
    minor = int(version[1])
    if not 11 <= minor <= 13:
        return Check("python", "missing", found, "Use Python 3.11, 3.12 or 3.13.")
    if minor > 11 and glibc < (2, 39):
        return Check("python", "missing", found, "TensorFlow Data Validation needs glibc 2.39 here: use Python 3.11.")
    return Check("python", "ok", found)


def _package(distribution: str) -> Check:
    try:
        present = importlib.util.find_spec(_STEP_PACKAGES[distribution]) is not None
    except ModuleNotFoundError:
        present = False
    if not present:
        remedy = "Run `make setup`, or install reelflow[steps]: without it this machine can only compile and submit."
        return Check(distribution, "missing", "not installed", remedy)
    return Check(distribution, "ok", importlib.metadata.version(distribution))


def _program(name: str) -> Check:
    package, purpose = _PROGRAMS[name]
    path = shutil.which(name)
    if path is None:
        return Check(name, "optional", "not found", f"apt-get install {package}: {purpose}.")
    return Check(name, "ok", path)


def _gpu() -> Check:
    program = shutil.which("nvidia-smi")
    if program is None:
        return Check("gpu", "optional", "no NVIDIA driver", "Training runs on the CPU.")
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    listed = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    if listed.returncode != 0:
        return Check("gpu", "optional", "nvidia-smi fails", "Check the driver; training runs on the CPU.")
    return Check("gpu", "ok", listed.stdout.strip().replace("\n", "; "))


def _room(work_dir: Path) -> list[Check]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    existing = next(folder for folder in [work_dir, *work_dir.parents] if folder.exists())
    free = shutil.disk_usage(existing).free
    return [
        Check("memory", *_enough(memory, 4 * _GIB, "The steps want 4 GiB.")),
        Check("disk", *_enough(free, 5 * _GIB, "Free some space: `reelflow gc` removes old runs.")),
    ]


def _enough(found: int, wanted: int, remedy: str) -> tuple[Literal["ok", "optional"], str, str]:
    text = f"{found / _GIB:.1f} GiB"
    return ("ok", text, "") if found >= wanted else ("optional", text, remedy)
