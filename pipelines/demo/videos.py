"""Labelled demo videos, drawn and packed as UCF101 is: a zip of `UCF101/v_<Class>_g<GG>_c<CC>.avi`."""

import json
import multiprocessing
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from pipelines.demo.actions import CLASSES
from pipelines.demo.drawing import frames_of, noisy, write_video
from pipelines.demo.looks import clip_plan, group_look
from pipelines.demo.scene import draw_room

GROUPS_PER_CLASS = 24
CLIPS_PER_GROUP = 5
DRAWING_VERSION = 4  # a zip drawn by another version is not reused


@dataclass(frozen=True)
class DemoZip:
    """A finished zip of demo videos."""

    path: Path
    n_videos: int
    n_bytes: int
    is_reused: bool


def video_name(label: str, *, group: int, clip: int) -> str:
    """A video's file name, as UCF101 has it; groups and clips count from 1."""
    return f"v_{label}_g{group:02d}_c{clip:02d}.avi"


@dataclass(frozen=True)
class _Parameters:
    """What the bytes of a zip depend on; the zip carries it as its comment."""

    seed: int
    groups_per_class: int
    clips_per_group: int
    drawing_version: int = DRAWING_VERSION


@dataclass(frozen=True)
class _GroupJob:
    """The videos of one group, to be drawn by one process."""

    label: str
    seed: int
    group: int
    n_clips: int


def _draw_group(job: _GroupJob) -> list[tuple[str, bytes]]:
    """File names and bytes of a group's videos."""
    import cv2

    cv2.setNumThreads(1)
    look = group_look(job.label, seed=job.seed, group=job.group)
    room_image = draw_room(look.room, camera=look.camera, light=look.light)
    videos: list[tuple[str, bytes]] = []
    with tempfile.TemporaryDirectory() as folder:
        for clip in range(1, job.n_clips + 1):
            plan = clip_plan(job.label, seed=job.seed, group=job.group, clip=clip)
            path = Path(folder) / video_name(job.label, group=job.group, clip=clip)
            write_video(path, noisy(frames_of(look, plan, room_image=room_image), seed=plan.noise_seed))
            videos.append((path.name, path.read_bytes()))
    return videos


def write_demo_zip(
    path: Path,
    *,
    seed: int = 0,
    groups_per_class: int = GROUPS_PER_CLASS,
    clips_per_group: int = CLIPS_PER_GROUP,
    n_processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DemoZip:
    """Draw the demo's videos into a zip laid out as UCF101's; a zip already drawn with the same parameters is kept.

    The same parameters give the same bytes. The zip appears under its name only when it is whole.

    Args:
        path: Where the zip goes; its folder is made.
        seed: Of everything drawn.
        groups_per_class: Groups of each of the eight classes, at most 99.
        clips_per_group: Videos of each group, at most 99.
        n_processes: Processes that draw; one for each CPU by default.
        progress: Called with the number of videos drawn and the number of all, after each group.

    Returns:
        The zip and its size.
    """
    for name, value in (("groups_per_class", groups_per_class), ("clips_per_group", clips_per_group)):
        if not 1 <= value <= 99:
            raise ValueError(f"{name} is {value}; file names have two digits for it: take 1 to 99")
    parameters = _Parameters(seed=seed, groups_per_class=groups_per_class, clips_per_group=clips_per_group)
    made_of = json.dumps(asdict(parameters)).encode()
    jobs = [
        _GroupJob(label=label, seed=seed, group=group, n_clips=clips_per_group)
        for label in CLASSES
        for group in range(1, groups_per_class + 1)
    ]
    n_videos = len(jobs) * clips_per_group
    if _comment_of(path) == made_of:
        return DemoZip(path=path, n_videos=n_videos, n_bytes=path.stat().st_size, is_reused=True)

    path.parent.mkdir(parents=True, exist_ok=True)
    n_workers = min(n_processes or os.cpu_count() or 1, len(jobs))
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive:
            archive.comment = made_of
            n_drawn = 0
            for videos in _drawn(jobs, n_workers=n_workers):
                for name, data in videos:
                    archive.writestr(zipfile.ZipInfo(f"UCF101/{name}", (1980, 1, 1, 0, 0, 0)), data)
                n_drawn += len(videos)
                if progress is not None:
                    progress(n_drawn, n_videos)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return DemoZip(path=path, n_videos=n_videos, n_bytes=path.stat().st_size, is_reused=False)


def _drawn(jobs: list[_GroupJob], *, n_workers: int) -> Iterator[list[tuple[str, bytes]]]:
    """Groups of videos in the order of the jobs."""
    if n_workers == 1:
        yield from map(_draw_group, jobs)
        return
    # Spawned, not forked: a parent that holds threads (TensorFlow's, gRPC's) can hang in a forked child.
    with ProcessPoolExecutor(n_workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(_draw_group, jobs)


def _comment_of(path: Path) -> bytes | None:
    """The comment of a finished zip, or None where there is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.comment
    except (OSError, zipfile.BadZipFile):
        return None
