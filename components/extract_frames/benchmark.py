"""How extraction compares with the tutorial's frame reader, with a plain loop, and with itself on one core."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.contract.figures import Figure
from components.contract.files import emptied, sha256_of_file
from components.contract.videos import Video
from components.extract_frames.clip import Extraction
from components.extract_frames.shard_writing import write_shard
from components.extract_frames.shards import ShardPlan, planned_shards
from components.video.preparation import Preparation, read_clip
from components.video.tutorial_reader import tutorial_clip

_GEOMETRY = ClipGeometry(n_frames=10, frame_height=224, frame_width=224)
_PREPARATION = Preparation(sampling="fixed_step", frame_step=15, resize="pad")
_N_VIDEO_FRAMES = 154
_SOURCES = (
    ("XviD 320x240", ["-c:v", "libxvid", "-q:v", "5"], "320x240", "avi", 3.0, 4),
    ("H.264 320x240", ["-c:v", "libx264", "-pix_fmt", "yuv420p"], "320x240", "mp4", 3.0, 3),
    ("H.264 720p", ["-c:v", "libx264", "-preset", "fast", "-pix_fmt", "yuv420p"], "1280x720", "mp4", 2.0, 1),
)
_N_VIDEOS = 160
_ROUNDS = 3


def figures() -> Iterator[Figure]:
    """Measure each figure on videos made for it."""
    if shutil.which("ffmpeg") is None:
        raise StepError("ffmpeg is not installed; it makes the videos.", remedy="Install ffmpeg.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, codec, size, suffix, goal, repeats in _SOURCES:
            path = _made_video(folder / f"{size}.{suffix}", codec=codec, size=size)
            yield Figure(
                f"CPU time per clip, {title}", _against_tutorial(path, repeats), goal, "the tutorial's frame reader"
            )
        yield from _whole_job_figures(folder, folder / "320x240.avi")


def _made_video(path: Path, *, codec: list[str], size: str) -> Path:
    source = f"mandelbrot=size={size}:rate=25"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-frames:v", str(_N_VIDEO_FRAMES), *codec, str(path)],
        check=True,
    )
    return path


def _against_tutorial(path: Path, repeats: int) -> float:
    def ours() -> None:
        for _ in range(repeats):
            read_clip(path, geometry=_GEOMETRY, preparation=_PREPARATION)

    def theirs() -> None:
        for _ in range(repeats):
            tutorial_clip(path, _GEOMETRY)

    return _ratio(theirs, ours, clock=time.process_time)


def _whole_job_figures(folder: Path, source: Path) -> Iterator[Figure]:
    from components.extract_frames.beam_pipeline import run

    digest, n_bytes = sha256_of_file(source), source.stat().st_size
    videos = [
        Video(f"{number}.avi", str(source), "label", str(number), "train", n_bytes, digest)
        for number in range(_N_VIDEOS)
    ]
    extraction = Extraction(ClipGeometry(16, 112, 112), _PREPARATION, 90, ("label",))
    plans = planned_shards(videos, geometry=extraction.geometry)
    shards, work = folder / "shards", folder / "work"

    def job(workers: int) -> None:
        run(plans, folder=emptied(shards), extraction=extraction, workers=workers, work_folder=emptied(work))

    def loop() -> None:
        _loop(plans, folder=emptied(shards), extraction=extraction)

    yield Figure("One worker", _ratio(loop, lambda: job(1), clock=time.perf_counter), 0.85, "a plain loop without Beam")
    yield Figure("Two workers", _ratio(lambda: job(1), lambda: job(2), clock=time.perf_counter), 1.7, "one worker")


def _loop(plans: list[ShardPlan], *, folder: Path, extraction: Extraction) -> None:
    for plan in plans:
        list(write_shard(plan, folder=folder, extraction=extraction, workers=1))


def _ratio(theirs: Callable[[], None], ours: Callable[[], None], *, clock: Callable[[], float]) -> float:
    """Return their least time over ours, the two taking turns after one unmeasured turn each."""
    theirs()
    ours()
    turns = [(_seconds(theirs, clock), _seconds(ours, clock)) for _ in range(_ROUNDS)]
    return min(their for their, _ in turns) / min(our for _, our in turns)


def _seconds(work: Callable[[], None], clock: Callable[[], float]) -> float:
    started = clock()
    work()
    return clock() - started
