"""How extraction compares with the tutorial's frame reader, with a plain loop, and with itself on one core."""

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.contract.figures import Figure
from components.contract.files import emptied, sha256_of_file
from components.contract.videos import Video
from components.extract_frames.clip import Extraction, extract_clips
from components.extract_frames.messages import WorkerSettings
from components.extract_frames.shard_writing import ShardFiles, ShardWriting
from components.extract_frames.shards import ShardPlan, planned_shards
from components.video.preparation import Preparation, read_clip
from components.video.tutorial_reader import tutorial_clip

_GEOMETRY = ClipGeometry(n_frames=10, frame_height=224, frame_width=224)
_PREPARATION = Preparation(sampling="fixed_step", frame_step=15, resize="pad")
_N_VIDEO_FRAMES = 154
_SOURCES = (
    ("XviD 320x240", ["-c:v", "libxvid", "-q:v", "5"], "320x240", "avi", 3.0, 0.85, 4),
    ("H.264 320x240", ["-c:v", "libx264", "-pix_fmt", "yuv420p"], "320x240", "mp4", 3.0, 1.0, 3),
    ("H.264 720p", ["-c:v", "libx264", "-preset", "fast", "-pix_fmt", "yuv420p"], "1280x720", "mp4", 2.0, 1.0, 1),
)
_N_VIDEOS = 320  # starting runner and worker takes 0.3 s, which is a tenth of what 160 of them take
_ROUNDS = 3


def figures() -> Iterator[Figure]:
    """Measure each figure on videos made for it."""
    if shutil.which("ffmpeg") is None:
        raise StepError("ffmpeg is not installed; it makes the videos.", remedy="Install ffmpeg.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, codec, size, suffix, goal, decoder_goal, repeats in _SOURCES:
            path = _made_video(folder / f"{size}.{suffix}", codec=codec, size=size)
            yield Figure(
                f"CPU time per clip, {title}", _against_tutorial(path, repeats), goal, "the tutorial's frame reader"
            )
            yield Figure(
                f"Clips decoded and resized, {title}",
                _against_decoder(path, repeats),
                decoder_goal,
                "FFmpeg decoding every frame",
            )
        small = _made_video(folder / "small.avi", codec=["-c:v", "mpeg4"], size="96x64", n_frames=24)
        yield from _whole_job_figures(folder, folder / "320x240.avi", small)


def _made_video(path: Path, *, codec: list[str], size: str, n_frames: int = _N_VIDEO_FRAMES) -> Path:
    source = f"mandelbrot=size={size}:rate=25"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, "-frames:v", str(n_frames), *codec, str(path)],
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


def _against_decoder(path: Path, repeats: int) -> float:
    def ours() -> None:
        for _ in range(repeats):
            read_clip(path, geometry=_GEOMETRY, preparation=_PREPARATION)

    def theirs() -> None:
        for _ in range(repeats):
            _decode_only(path)

    return _ratio(theirs, ours, clock=time.process_time)


def _decode_only(path: Path) -> None:
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        for _ in container.decode(stream):
            pass


def _whole_job_figures(folder: Path, source: Path, small: Path) -> Iterator[Figure]:
    from components.extract_frames.beam_pipeline import run

    videos, shards = _listed(source, _N_VIDEOS), folder / "shards"
    extraction = Extraction(ClipGeometry(16, 96, 128), _PREPARATION, 90)
    plans = planned_shards(videos, geometry=extraction.geometry)

    def job(workers: int) -> None:
        run(plans, writing=_writing(emptied(shards), extraction, workers=workers))

    def loop() -> None:
        _loop(plans, writing=_writing(emptied(shards), extraction, workers=1))

    yield Figure("One worker", _ratio(loop, lambda: job(1), clock=time.perf_counter), 0.85, "a plain loop without Beam")
    yield Figure("Two workers", _ratio(lambda: job(1), lambda: job(2), clock=time.perf_counter), 1.7, "one worker")
    yield Figure(
        "Peak memory of 2,000 videos", _peak_kib(small, 200) / _peak_kib(small, 2000), 0.9, "that of 200 videos"
    )


def _listed(source: Path, n_videos: int) -> list[Video]:
    digest, n_bytes = sha256_of_file(source), source.stat().st_size
    return [
        Video(f"{number}.avi", str(source), "label", str(number), "train", n_bytes, digest)
        for number in range(n_videos)
    ]


def _writing(folder: Path, extraction: Extraction, *, workers: int) -> ShardWriting:
    return ShardWriting(
        destination=str(folder),
        labels=("label",),
        settings=WorkerSettings(extraction, time_limit_s=60.0, memory_limit_bytes=2 << 30),
        n_workers=workers,
        shard_bytes=64 << 20,
        store=None,
    )


def _loop(plans: list[ShardPlan], *, writing: ShardWriting) -> None:
    for plan in plans:
        with ShardFiles(plan, writing) as files:
            for video in plan.videos:
                clips = extract_clips(Path(video.uri), digest=video.sha256, extraction=writing.settings.extraction)
                for index, clip in enumerate(clips):
                    files.add(video, clip, index)


def _peak_kib(source: Path, n_videos: int) -> int:
    """Return the peak memory of a fresh process that extracts so many videos, with that of its largest worker."""
    program = (
        f"from components.extract_frames.benchmark import peak_of_a_job; peak_of_a_job({str(source)!r}, {n_videos})"
    )
    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    return int(printed.splitlines()[-1])


def peak_of_a_job(source: str, n_videos: int) -> None:
    """Extract one video many times over and print this process's peak memory and its largest worker's, in KiB."""
    from components.extract_frames.beam_pipeline import run

    extraction = Extraction(ClipGeometry(4, 48, 64), _PREPARATION, 90)
    plans = planned_shards(_listed(Path(source), n_videos), geometry=extraction.geometry, target_bytes=1 << 20)
    with tempfile.TemporaryDirectory() as folder:
        run(plans, writing=_writing(Path(folder), extraction, workers=2))
    peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(sum(peaks))


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
