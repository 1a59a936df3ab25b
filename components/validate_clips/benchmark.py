"""How validation grows with the number of clips."""

import contextlib
import io
import multiprocessing
import os
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.contract.accepted import finish_baseline, read_baseline
from components.contract.clips import ClipGeometry, ClipRow, finish_clips
from components.contract.figures import Figure
from components.contract.videos import Split
from components.validate_clips.near_hashes import N_WORDS, Words, near_hashes
from components.validate_clips.validation import validate

_LABELS = tuple(f"class_{number:03}" for number in range(101))
_SPLITS: tuple[Split, ...] = ("train", "train", "train", "validation", "test")
_FEW, _SOME, _MANY = 10_000, 20_000, 100_000
_DISTANCE = 10
_BLOCK = 256  # keeps the table of distances in the cache
_ROUNDS = 3


def figures() -> Iterator[Figure]:
    """Measure ten times the clips against ten times the time that a tenth of them takes: 1 is linear growth."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for n_clips in (1_000, _FEW, _MANY):
            _write_clips(root / str(n_clips), n_clips)
        finish_baseline(root, None)
        _seconds(root, 1_000)  # loads the libraries
        memory = {n_clips: _peak_bytes(root, n_clips) for n_clips in (_FEW, _MANY)}
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
    yield Figure(
        figure="peak memory of validating 100,000 clips",
        ratio=2 * memory[_FEW] / memory[_MANY],
        goal=1.0,
        against="twice that of 10,000 clips",
    )
    yield from _search_figures()


def _peak_bytes(root: Path, n_clips: int) -> int:
    """Return the peak memory of a process of its own that validates once."""
    process = multiprocessing.get_context("spawn").Process(target=_seconds, args=(root, n_clips))
    process.start()
    _, _, usage = os.wait4(process.pid or 0, 0)
    return usage.ru_maxrss * 1024


def _search_figures() -> Iterator[Figure]:
    few, some, many = (_hashes(n_clips) for n_clips in (_FEW, _SOME, _MANY))
    seconds_few, seconds_many, seconds_all = [], [], []
    seconds_some = []
    for _ in range(_ROUNDS):
        seconds_few.append(_search_seconds(few))
        seconds_some.append(_search_seconds(some))
        seconds_many.append(_search_seconds(many))
    for _ in range(2):
        started = time.perf_counter()
        pairs = _all_pairs(some)
        seconds_all.append(time.perf_counter() - started)
    found = near_hashes(some, distance=_DISTANCE)
    same = {frozenset(pair) for pair in found.pairs.tolist()} == {
        frozenset(found.place_of[list(pair)].tolist()) for pair in pairs.tolist()
    }
    yield Figure(
        figure="search for look-alikes among 100,000 clips",
        ratio=_MANY / _FEW * min(seconds_few) / min(seconds_many),
        goal=10 / 12,
        against="its own 10,000 clips, ten times over",
    )
    yield Figure(
        figure="search for look-alikes among 20,000 clips, with the same pairs found" if same else "OTHER pairs found",
        ratio=min(seconds_all) / min(seconds_some) if same else 0.0,
        goal=50.0,
        against="comparing all pairs with NumPy",
    )


def _search_seconds(hashes: Words) -> float:
    started = time.perf_counter()
    near_hashes(hashes, distance=_DISTANCE)
    return time.perf_counter() - started


def _hashes(n_clips: int) -> Words:
    """Return random hashes; 2% are copies with a few bits changed, and a third of the clips start black."""
    chance = np.random.default_rng(n_clips)
    hashes = chance.integers(0, 2**64, (n_clips, N_WORDS), dtype=np.uint64)
    hashes[::3, 0] = 0
    originals = chance.integers(0, n_clips // 2, n_clips // 50)
    copies = n_clips // 2 + chance.permutation(n_clips // 2)[: len(originals)]
    hashes[copies] = hashes[originals]
    for _ in range(6):
        bits = np.uint64(1) << chance.integers(0, 64, len(copies)).astype(np.uint64)
        hashes[copies, chance.integers(0, N_WORDS, len(copies))] ^= bits
    return hashes


def _all_pairs(hashes: Words) -> NDArray[np.int64]:
    found = []
    for start in range(0, len(hashes), _BLOCK):
        block, rest = hashes[start : start + _BLOCK], hashes[start:]
        bits = np.zeros((len(block), len(rest)), np.uint8)
        for word in range(N_WORDS):
            bits += np.bitwise_count(block[:, word, None] ^ rest[None, :, word])
        first, second = np.nonzero(bits <= _DISTANCE)
        found.append(np.stack([first, second], axis=1)[second > first] + start)
    return np.concatenate(found)


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
            frame_hashes=f"{chance.getrandbits(256):064x}",
            source="",
        )
