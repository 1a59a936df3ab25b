from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from components.contract.accepted import Accepted, Baseline, finish_baseline, read_baseline
from components.contract.clips import ClipGeometry, ClipRow, Shard, finish_clips
from components.contract.files import emptied
from components.contract.videos import SPLITS
from components.validate_clips.validation import Validation, validate

LABELS = ("Run", "Sit", "Walk")
GEOMETRY = ClipGeometry(n_frames=4, frame_height=24, frame_width=32)


def clean_rows() -> list[ClipRow]:
    """Clips without a fault: 3 classes, 10 groups each, 4 videos a group; 6, 2 and 2 groups per split."""
    rows = []
    for label_index, label in enumerate(LABELS):
        for group in range(10):
            split = "train" if group < 6 else "validation" if group < 8 else "test"
            for number in range(4):
                seed = 1 + 40 * label_index + 4 * group + number
                rows.append(
                    ClipRow(
                        video=f"v_{label}_g{group}_c{number}.avi",
                        video_digest=f"{seed:064x}",
                        clip_index=0,
                        label=label,
                        label_index=label_index,
                        group=f"{label}/g{group}",
                        split=split,
                        shard=f"{split}-00000-of-00001.tfrecord",
                        position=seed,
                        fps=25.0,
                        duration_s=2.0 + seed % 7,
                        n_video_frames=50 + seed,
                        video_height=240,
                        video_width=320,
                        codec="XVID",
                        video_bytes=100_000 + 37 * seed,
                        luma=90.0 + seed % 31,
                        contrast=40.0 + seed % 13,
                        sharpness=300.0 + seed % 101,
                        motion=3.0 + seed % 5,
                        cut_rate=0.0,
                        frame_hashes="0000000000000000000000000000000000000000000000000000000000000000",
                        source="",
                    )
                )
    return rows


def changed(rows: list[ClipRow], where: Callable[[ClipRow], bool], **values: object) -> list[ClipRow]:
    return [replace(row, **values) if where(row) else row for row in rows]


@pytest.fixture
def rows():
    return clean_rows()


@pytest.fixture
def change():
    return changed


@pytest.fixture
def write_clips(tmp_path):
    def write(rows: list[ClipRow], labels: tuple[str, ...] = LABELS) -> tuple[Path, str]:
        folder = emptied(tmp_path / "clips")
        shards = [
            Shard(f"{split}-00000-of-00001.tfrecord", split, sum(row.split == split for row in rows))
            for split in SPLITS
        ]
        finished = finish_clips(folder, geometry=GEOMETRY, preparation={}, labels=labels, shards=shards, rows=rows)
        return folder, finished.digest

    return write


@pytest.fixture
def no_baseline(tmp_path):
    finish_baseline(emptied(tmp_path / "no_baseline"), None)
    return read_baseline(tmp_path / "no_baseline")


@pytest.fixture
def accepted_baseline(tmp_path, write_clips, no_baseline):
    """Make a baseline of version 3 from rows, with the statistics that validation wrote for them."""

    def accept(rows: list[ClipRow], labels: tuple[str, ...] = LABELS) -> Baseline:
        clips, digest = write_clips(rows, labels)
        folder = emptied(tmp_path / "baseline")
        result = validate(
            clips,
            clips_digest=digest,
            baseline=no_baseline,
            statistics=folder / "statistics",
            page=tmp_path / "baseline.html",
            drift_threshold=0.3,
        )
        accepted = Accepted(
            version=3,
            model="small",
            model_digest="model",
            clips_digest=digest,
            statistics_digest=result.digest,
            labels=labels,
            geometry=GEOMETRY,
            preparation={},
            verdict={},
            run_fingerprint="run",
            baseline_version=None,
            pushed_at="2026-01-01T00:00:00.000+00:00",
        )
        finish_baseline(folder, accepted)
        return read_baseline(folder)

    return accept


@pytest.fixture
def check(tmp_path, write_clips, no_baseline):
    """Validate rows and give the result; statistics and page lie in `tmp_path`."""

    def run(
        rows: list[ClipRow],
        *,
        labels: tuple[str, ...] = LABELS,
        baseline: Baseline | None = None,
        drift_threshold: float = 0.3,
    ) -> Validation:
        clips, digest = write_clips(rows, labels)
        return validate(
            clips,
            clips_digest=digest,
            baseline=baseline or no_baseline,
            statistics=tmp_path / "statistics",
            page=tmp_path / "page.html",
            drift_threshold=drift_threshold,
        )

    return run
