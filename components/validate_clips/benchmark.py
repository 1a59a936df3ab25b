"""How validation grows with the number of clips."""

import contextlib
import io
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from components.contract.accepted import finish_baseline, read_baseline
from components.contract.clips import ClipGeometry, ClipRow, finish_clips
from components.contract.figures import Figure
from components.contract.videos import Split
from components.validate_clips.validation import validate

_LABELS = tuple(f"class_{number:03}" for number in range(101))
_SPLITS: tuple[Split, ...] = ("train", "train", "train", "validation", "test")
_FEW, _MANY = 10_000, 100_000
_ROUNDS = 3


def figures() -> Iterator[Figure]:
    """Measure ten times the clips against ten times the time that a tenth of them takes: 1 is linear growth."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for n_clips in (1_000, _FEW, _MANY):
            _write_clips(root / str(n_clips), n_clips)
        finish_baseline(root, None)
        _seconds(root, 1_000)  # loads the libraries
        few, many = [], []
        for _ in range(_ROUNDS):
            few.append(_seconds(root, _FEW))
            many.append(_seconds(root, _MANY))
    yield Figure(
        figure="validation of 100,000 clips",
        ratio=_MANY / _FEW * min(few) / min(many),
        goal=10 / 12,
        against="its own 10,000 clips, ten times over",
    )


def _seconds(root: Path, n_clips: int) -> float:
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        validate(
            root / str(n_clips),
            clips_digest="",
            baseline=read_baseline(root),
            statistics=root / "statistics",
            page=root / "page.html",
            drift_threshold=0.3,
        )
    return time.perf_counter() - started


def _write_clips(folder: Path, n_clips: int) -> None:
    folder.mkdir()
    geometry = ClipGeometry(n_frames=16, frame_height=112, frame_width=112)
    rows = _rows(n_clips, random.Random(n_clips))
    finish_clips(folder, geometry=geometry, preparation={}, labels=_LABELS, shards=[], rows=rows)


def _rows(n_clips: int, chance: random.Random) -> Iterator[ClipRow]:
    for place in range(n_clips):
        group = place // 5
        label_index = group % len(_LABELS)
        split = _SPLITS[group // len(_LABELS) % len(_SPLITS)]
        yield ClipRow(
            video=f"v_{place}.avi",
            video_digest=f"{place:064x}",
            clip_index=0,
            label=_LABELS[label_index],
            label_index=label_index,
            group=f"g{group}",
            split=split,
            shard=f"{split}-00000-of-00001.tfrecord",
            position=place,
            fps=chance.choice((25.0, 29.97)),
            duration_s=chance.uniform(1, 12),
            n_video_frames=chance.randint(29, 400),
            video_height=240,
            video_width=320,
            codec="XVID",
            video_bytes=chance.randint(10**5, 10**6),
            luma=chance.gauss(110, 15),
            contrast=chance.gauss(50, 5),
            sharpness=chance.lognormvariate(6, 0.4),
            motion=chance.lognormvariate(1.5, 0.4),
            cut_rate=0.0,
            frame_hashes="0000000000000000000000000000000000000000000000000000000000000000",
            source="",
        )
