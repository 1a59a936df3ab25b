import hashlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from components.contract.videos import Video, write_manifest

COLOURS = {"Blue": (20, 40, 230), "Red": (230, 40, 20)}  # RGB
SPLITS = ("train", "train", "train", "validation", "test")


@pytest.fixture
def colours() -> dict[str, tuple[int, int, int]]:
    """The colour of each label's videos, RGB."""
    return COLOURS


@pytest.fixture
def videos(tmp_path: Path) -> list[tuple[Path, str, str]]:
    """Path, label and split of ten videos."""
    listed = []
    for label, rgb in COLOURS.items():
        for number, split in enumerate(SPLITS):
            path = tmp_path / f"v_{label}_{number}.avi"
            write_video(path, rgb)
            listed.append((path, label, split))
    return listed


@pytest.fixture
def manifest_of() -> Callable[[Path, list[tuple[Path, str, str]]], tuple[Path, str]]:
    """Write the manifest of videos into a folder; return the folder and the digest."""
    return written_manifest


def written_manifest(folder: Path, videos: list[tuple[Path, str, str]]) -> tuple[Path, str]:
    rows = [
        Video(
            name=path.name,
            uri=str(path),
            label=label,
            group=f"{label}/{path.stem}",
            split=split,
            bytes=path.stat().st_size,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path, label, split in videos
    ]
    return folder, write_manifest(folder, videos=rows, labels=sorted(COLOURS)).digest


def write_video(path: Path, rgb: tuple[int, int, int]) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"XVID"), 25, (96, 64))
    random = np.random.default_rng(0)
    for _ in range(30):
        frame = np.full((64, 96, 3), rgb[::-1], np.uint8)
        frame[:28, :28] = random.integers(0, 255, (28, 28, 3), np.uint8)
        writer.write(frame)
    writer.release()
