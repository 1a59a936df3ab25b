import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.demo.actions import CLASSES, REVERSED
from pipelines.demo.drawing import frames_of, poses_of
from pipelines.demo.figure import joints_of
from pipelines.demo.looks import clip_plan, group_look
from pipelines.demo.videos import video_name, write_demo_zip


@pytest.fixture(scope="module")
def small_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo") / "new folder" / "UCF101.zip"
    write_demo_zip(path, seed=3, groups_per_class=1, clips_per_group=1, n_processes=1)
    return path


def test_zip_is_laid_out_as_ucf101(small_zip: Path) -> None:
    expected = [f"UCF101/v_{label}_g01_c01.avi" for label in CLASSES]

    with zipfile.ZipFile(small_zip) as archive:
        names = archive.namelist()

    assert names == expected
    assert [path.name for path in small_zip.parent.iterdir()] == ["UCF101.zip"]


def test_videos_have_the_format_of_ucf101(small_zip: Path, tmp_path: Path) -> None:
    import cv2

    with zipfile.ZipFile(small_zip) as archive:
        path = Path(archive.extract("UCF101/v_BendOver_g01_c01.avi", tmp_path))

    capture = cv2.VideoCapture(str(path))
    n_frames = 0
    while capture.grab():
        n_frames += 1

    header = path.read_bytes()[:256]
    assert header.startswith(b"RIFF")
    assert b"vidsXVID" in header
    assert capture.get(cv2.CAP_PROP_FPS) == 25
    assert capture.get(cv2.CAP_PROP_FRAME_WIDTH) == 320
    assert capture.get(cv2.CAP_PROP_FRAME_HEIGHT) == 240
    assert n_frames == clip_plan("BendOver", seed=3, group=1, clip=1).timing.n_frames
    assert 50 <= n_frames <= 100


def test_same_parameters_give_the_same_bytes_in_one_process_and_in_two(small_zip: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.zip"

    write_demo_zip(again, seed=3, groups_per_class=1, clips_per_group=1, n_processes=2)

    assert again.read_bytes() == small_zip.read_bytes()


def test_zip_with_the_same_parameters_is_kept(small_zip: Path) -> None:
    written_at = small_zip.stat().st_mtime_ns

    kept = write_demo_zip(small_zip, seed=3, groups_per_class=1, clips_per_group=1)

    assert kept.is_reused
    assert kept.n_videos == 8
    assert kept.n_bytes == small_zip.stat().st_size
    assert small_zip.stat().st_mtime_ns == written_at


def test_zip_with_other_parameters_is_drawn_anew_and_progress_is_told(tmp_path: Path) -> None:
    path = tmp_path / "demo.zip"
    path.write_bytes(b"not a zip")
    told: list[tuple[int, int]] = []

    drawn = write_demo_zip(
        path,
        seed=3,
        groups_per_class=1,
        clips_per_group=1,
        n_processes=1,
        progress=lambda n_drawn, n_all: told.append((n_drawn, n_all)),
    )

    assert not drawn.is_reused
    assert told == [(n_drawn, 8) for n_drawn in range(1, 9)]
    assert len(zipfile.ZipFile(path).namelist()) == 8


def test_interrupted_drawing_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(n_drawn: int, n_all: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_demo_zip(
            tmp_path / "demo.zip", seed=0, groups_per_class=1, clips_per_group=1, n_processes=1, progress=interrupt
        )

    assert list(tmp_path.iterdir()) == []


def test_size_that_file_names_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="groups_per_class is 100"):
        write_demo_zip(tmp_path / "demo.zip", seed=0, groups_per_class=100, clips_per_group=1)


def test_classes_are_eight_and_reversal_is_mutual() -> None:
    assert len(CLASSES) == 8
    assert all(REVERSED[REVERSED[label]] == label != REVERSED[label] for label in CLASSES)


@pytest.mark.parametrize("label", CLASSES)
def test_poses_of_a_class_are_those_of_its_pair_backwards(label: str) -> None:
    look = group_look(label, seed=1, group=2)
    plan = clip_plan(label, seed=1, group=2, clip=3)

    poses = poses_of(look, plan)
    poses_of_pair = poses_of(look, replace(plan, is_backwards=not plan.is_backwards))

    np.testing.assert_array_equal(poses, poses_of_pair[::-1])


def test_frames_of_a_class_are_those_of_its_pair_backwards() -> None:
    look = group_look("SitUp", seed=1, group=2)
    plan = clip_plan("SitUp", seed=1, group=2, clip=3)

    frames = list(frames_of(look, plan))
    frames_of_pair = list(frames_of(look, replace(plan, is_backwards=not plan.is_backwards)))

    np.testing.assert_array_equal(frames, frames_of_pair[::-1])
    assert np.abs(frames[0].astype(int) - frames[-1]).max() > 50


@pytest.mark.parametrize("label", CLASSES)
def test_exactly_one_class_of_a_pair_is_backwards(label: str) -> None:
    plan = clip_plan(label, seed=0, group=1, clip=1)
    plan_of_pair = clip_plan(REVERSED[label], seed=0, group=1, clip=1)

    assert plan.is_backwards != plan_of_pair.is_backwards


@pytest.mark.parametrize("label", CLASSES)
def test_both_classes_of_a_pair_take_the_same_time(label: str) -> None:
    timings = [clip_plan(label, seed=0, group=group, clip=1).timing for group in range(400)]
    of_pair = [clip_plan(REVERSED[label], seed=0, group=group, clip=1).timing for group in range(400)]

    for measure in ("n_frames", "hold_before", "hold_after", "skew", "snap"):
        values, others = ([getattr(timing, measure) for timing in several] for several in (timings, of_pair))
        assert np.mean(values) == pytest.approx(np.mean(others), abs=4 * np.std(values) * np.sqrt(2 / 400))


def test_look_is_shared_in_a_group_and_differs_between_groups() -> None:
    look = group_look("SitUp", seed=0, group=1)

    same, other_group = group_look("SitUp", seed=0, group=1), group_look("SitUp", seed=0, group=2)
    other_class, other_seed = group_look("LieBack", seed=0, group=1), group_look("SitUp", seed=1, group=1)

    assert look == same
    for other in (other_group, other_class, other_seed):
        assert look.camera != other.camera
        assert look.room != other.room
        assert look.colours != other.colours
        assert look.proportions != other.proportions


def test_clips_of_a_group_differ_in_timing_and_shake() -> None:
    plans = [clip_plan("SitUp", seed=0, group=1, clip=clip) for clip in range(1, 6)]

    assert len({plan.timing for plan in plans}) == 5
    assert len({plan.shakes for plan in plans}) == 5
    assert len({plan.noise_seed for plan in plans}) == 5


@pytest.mark.parametrize("label", CLASSES)
def test_figure_stays_in_the_picture_and_its_limbs_keep_their_lengths(label: str) -> None:
    n_outside = 0

    for group in range(1, 25):
        look = group_look(label, seed=0, group=group)
        joints = joints_of(poses_of(look, clip_plan(label, seed=0, group=group, clip=1)), proportions=look.proportions)
        x, y = np.moveaxis(look.camera.project(joints)[..., :2], -1, 0)
        n_outside += int(np.any((x < 0) | (x > 320) | (y < 0) | (y > 240)))
        thighs = np.linalg.norm(joints[:, 2] - joints[:, 0], axis=-1)
        np.testing.assert_allclose(thighs, look.proportions.thigh, rtol=0.01)

    assert n_outside == 0


def test_video_name_is_that_of_ucf101() -> None:
    assert video_name("SitUp", group=7, clip=12) == "v_SitUp_g07_c12.avi"
