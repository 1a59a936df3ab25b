import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.contract.errors import StepError
from components.extract_frames.appearance import appearance_of
from components.validate_clips.near_hashes import distances, near_hashes


def all_pairs(hashes, distance):
    return [
        [one, other]
        for one in range(len(hashes))
        for other in range(one + 1, len(hashes))
        if distances(hashes[[one]], hashes[[other]])[0] <= distance
    ]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    distance=st.integers(0, 31),
    n_scenes=st.integers(1, 30),
    constant_words=st.integers(0, 3),
)
def test_search_finds_the_same_pairs_as_comparing_all(seed, distance, n_scenes, constant_words):
    chance = np.random.default_rng(seed)
    scenes = chance.integers(0, 2**64, (n_scenes, 4), dtype=np.uint64)
    scenes[:, :constant_words] = 0
    hashes = scenes[chance.integers(0, n_scenes, 150)]
    for _ in range(20):
        flips = np.uint64(1) << chance.integers(0, 64, 150).astype(np.uint64)
        hashes[np.arange(150), chance.integers(0, 4, 150)] ^= flips

    found = near_hashes(hashes, distance=distance)

    assert found.pairs.tolist() == all_pairs(found.distinct, distance)
    assert np.array_equal(found.distinct[found.place_of], hashes)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_search_among_hardly_any_clips_finds_nothing(n):
    found = near_hashes(np.zeros((n, 4), np.uint64), distance=10)

    assert found.pairs.shape == (0, 2)


def test_a_first_frame_that_is_black_in_all_clips_costs_no_comparison_of_all_pairs():
    chance = np.random.default_rng(1)
    hashes = chance.integers(0, 2**64, (20_000, 4), dtype=np.uint64)
    hashes[:15_000, 0] = 0
    hashes[1] = hashes[0] ^ np.array([0, 1, 2, 4], np.uint64)

    found = near_hashes(hashes, distance=10)

    assert len(found.pairs) == 1


def test_search_among_thousands_of_clips_of_one_scene_stops_and_says_so():
    chance = np.random.default_rng(2)
    hashes = np.tile(chance.integers(0, 2**64, 4, dtype=np.uint64), (3_000, 1))
    for _ in range(3):
        flips = np.uint64(1) << chance.integers(0, 64, 3_000).astype(np.uint64)
        hashes[np.arange(3_000), chance.integers(0, 4, 3_000)] ^= flips

    found = near_hashes(hashes, distance=10)

    assert len(found.pairs) == 1_000_000
    assert not found.is_complete


def hashes_of_video(path: Path) -> str:
    video, frames = cv2.VideoCapture(str(path)), []
    while (read := video.read())[0]:
        frames.append(cv2.resize(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB), (80, 64), interpolation=cv2.INTER_AREA))
    chosen = np.linspace(0, len(frames) - 1, 8).round().astype(int)
    return appearance_of(np.stack([frames[place] for place in chosen])).frame_hashes


def encode(*arguments: str) -> None:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("There is no ffmpeg on the PATH; install it to make real videos.")
    subprocess.run([ffmpeg, "-v", "error", "-y", *arguments], check=True)


@pytest.fixture(scope="module")
def real_hashes(tmp_path_factory):
    """Hashes of a drawn video and of its copies."""
    folder = tmp_path_factory.mktemp("videos")
    original = folder / "original.avi"
    encode(
        "-f", "lavfi", "-i", "mandelbrot=size=320x240:rate=25", "-t", "4", "-c:v", "mpeg4", "-q:v", "3", str(original)
    )
    filters = {
        "encoded": ["-c:v", "libx264", "-crf", "35"],
        "resized": ["-vf", "scale=160:120", "-c:v", "mpeg4"],
        "brightened": ["-vf", "eq=brightness=0.12", "-c:v", "mpeg4"],
        "reversed": ["-vf", "reverse", "-c:v", "mpeg4", "-q:v", "3"],
    }
    for name, options in filters.items():
        encode("-i", str(original), *options, str(folder / f"{name}.mkv"))
    return {
        "original": hashes_of_video(original),
        **{name: hashes_of_video(folder / f"{name}.mkv") for name in filters},
    }


def planted(rows, original, copy):
    """The original in Run/g0 (train) and its copy in Run/g9 (test)."""
    hashes = {"v_Run_g0_c0.avi": original, "v_Run_g9_c3.avi": copy}
    return [replace(row, frame_hashes=hashes.get(row.video, row.frame_hashes)) for row in rows]


@pytest.mark.parametrize("copy", ["encoded", "resized", "brightened"])
def test_copy_of_a_video_in_another_split_is_an_error_that_names_both(rows, check, real_hashes, copy):
    result = check(planted(rows, real_hashes["original"], real_hashes[copy]))

    (finding,) = result.findings
    assert (finding.severity, finding.check) == ("error", "near-duplicates")
    assert "v_Run_g0_c0.avi (train)" in finding.sentence
    assert "v_Run_g9_c3.avi (test)" in finding.sentence


def test_video_played_backwards_is_no_near_duplicate(rows, check, real_hashes):
    result = check(planted(rows, real_hashes["original"], real_hashes["reversed"]))

    assert result.findings == ()


def test_same_pictures_under_two_labels_are_an_error_that_names_both(rows, change, check, real_hashes):
    swapped = change(rows, lambda row: row.video == "v_Run_g0_c0.avi", frame_hashes=real_hashes["original"])
    swapped = change(swapped, lambda row: row.video == "v_Sit_g1_c0.avi", frame_hashes=real_hashes["encoded"])

    (finding,) = check(swapped).findings

    assert (finding.severity, finding.check) == ("error", "label conflict")
    assert "v_Run_g0_c0.avi (Run)" in finding.sentence
    assert "v_Sit_g1_c0.avi (Sit)" in finding.sentence


def test_near_duplicates_within_one_split_are_only_counted(rows, change, check, real_hashes):
    doubled = change(rows, lambda row: row.video == "v_Run_g0_c0.avi", frame_hashes=real_hashes["original"])
    doubled = change(doubled, lambda row: row.video == "v_Run_g1_c0.avi", frame_hashes=real_hashes["encoded"])

    (finding,) = check(doubled).findings

    assert finding.severity == "info"
    assert finding.sentence.startswith("1 pair of clips")


def test_clips_of_one_video_may_look_the_same(rows, check, real_hashes):
    twins = [replace(row, frame_hashes=real_hashes["original"]) for row in rows if row.video == "v_Run_g0_c0.avi"]
    second = replace(twins[0], clip_index=1, position=10_000)
    others = [row for row in rows if row.video != "v_Run_g0_c0.avi"]

    assert check([*others, *twins, second]).findings == ()


def test_impossible_distance_is_refused(rows, write_clips, no_baseline, tmp_path):
    from components.validate_clips.validation import validate

    clips, digest = write_clips(rows)

    with pytest.raises(StepError, match="near_duplicate_distance is 99"):
        validate(
            clips,
            clips_digest=digest,
            baseline=no_baseline,
            statistics=tmp_path / "statistics",
            page=tmp_path / "page.html",
            drift_threshold=0.3,
            near_duplicate_distance=99,
        )
