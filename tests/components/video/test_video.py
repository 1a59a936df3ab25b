from pathlib import Path

import cv2
import numpy as np
import pytest

from components.contract.clips import ClipGeometry
from components.video.containers import container_of
from components.video.errors import UnreadableError
from components.video.preparation import Preparation, chosen_frames, read_clip
from components.video.resize import cropped, padded
from components.video.sampling import Timeline, evenly_spaced, fixed_step

GEOMETRY = ClipGeometry(n_frames=8, frame_height=24, frame_width=40)
EVENLY = Preparation(sampling="evenly_spaced", frame_step=None, resize="crop")
STEP = Preparation(sampling="fixed_step", frame_step=5, resize="pad")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "name_%02d.avi"
    write_video(path, n_frames=60)
    return path


def write_video(path: Path, *, n_frames: int) -> None:
    # OpenCV takes a name with %02d for a series of images, so the video gets its name afterwards.
    plain = path.with_name("plain.avi")
    writer = cv2.VideoWriter(str(plain), cv2.VideoWriter_fourcc(*"XVID"), 25, (96, 64))
    random = np.random.default_rng(0)
    background = random.integers(0, 120, (64, 96, 3), np.uint8)
    for index in range(n_frames):
        frame = background.copy()
        frame[10:30, index % 70 : index % 70 + 20] = (30, 200, 250)
        writer.write(frame)
    writer.release()
    plain.rename(path)


def every_frame(path: Path) -> list[np.ndarray]:
    plain = path.with_name("copy.avi")
    plain.write_bytes(path.read_bytes())
    capture, frames = cv2.VideoCapture(str(plain), cv2.CAP_FFMPEG), []
    while True:
        is_read, frame = capture.read()
        if not is_read:
            return frames
        frames.append(frame)


def patch_declared_count(path: Path, n_frames: int) -> None:
    data = bytearray(path.read_bytes())
    main, stream = data.index(b"avih") + 24, data.index(b"strh") + 40
    for place in (main, stream):
        data[place : place + 4] = n_frames.to_bytes(4, "little")
    path.write_bytes(data)


@pytest.mark.parametrize("preparation", [EVENLY, STEP])
def test_wanted_frames_are_those_of_decoding_everything(video: Path, preparation: Preparation) -> None:
    resize = cropped if preparation.resize == "crop" else padded
    frames = every_frame(video)
    timeline = Timeline([index / 25 for index in range(60)], 60 / 25)
    [wanted] = chosen_frames(timeline, n_frames=8, preparation=preparation)

    footage = read_clip(video, geometry=GEOMETRY, preparation=preparation)

    expected = [resize(frames[index], height=24, width=40)[..., ::-1] for index in wanted]
    np.testing.assert_array_equal(footage.frames, np.stack(expected))
    assert footage.timestamps_s == pytest.approx([index / 25 for index in wanted])
    assert (footage.n_video_frames, footage.video_height, footage.video_width) == (60, 64, 96)


@pytest.mark.parametrize("declared", [0, 40, 2**31 - 1])
def test_a_wrong_declared_count_does_not_change_the_clip(video: Path, declared: int) -> None:
    right = read_clip(video, geometry=GEOMETRY, preparation=EVENLY)
    patch_declared_count(video, declared)

    footage = read_clip(video, geometry=GEOMETRY, preparation=EVENLY)

    np.testing.assert_array_equal(footage.frames, right.frames)
    assert footage.n_video_frames == 60


def test_a_video_shorter_than_a_clip_repeats_frames(tmp_path: Path) -> None:
    video = tmp_path / "short.avi"
    write_video(video, n_frames=3)

    footage = read_clip(video, geometry=GEOMETRY, preparation=STEP)

    assert footage.frames.shape == GEOMETRY.shape
    assert footage.n_video_frames == 3
    assert len(set(footage.timestamps_s)) == 3


def test_a_cut_video_is_truncated_and_not_a_short_clip(video: Path) -> None:
    data = video.read_bytes()
    video.write_bytes(data[: len(data) // 2])

    with pytest.raises(UnreadableError) as caught:
        read_clip(video, geometry=GEOMETRY, preparation=EVENLY)

    assert caught.value.reason == "truncated"


def test_sampling_stays_inside_the_video_and_in_order() -> None:
    for n_video_frames in range(1, 80):
        for wanted in (
            evenly_spaced(n_video_frames, n_frames=7),
            fixed_step(n_video_frames, n_frames=7, step=4),
        ):
            assert len(wanted) == 7
            assert list(wanted) == sorted(wanted)
            assert 0 <= wanted[0] <= wanted[-1] < n_video_frames
    assert fixed_step(31, n_frames=3, step=10) == (5, 15, 25)
    assert evenly_spaced(4, n_frames=4) == (0, 1, 2, 3)


def test_pad_shows_all_of_the_frame_and_crop_fills_the_clip() -> None:
    frame = np.full((60, 120, 3), 200, np.uint8)

    letterboxed, filled = padded(frame, height=40, width=40), cropped(frame, height=40, width=30)

    assert (letterboxed[:10] == 0).all()
    assert (letterboxed[10:30] == 200).all()
    assert filled.shape == (40, 30, 3)
    assert (filled == 200).all()


def test_what_is_not_a_video_container_is_not_recognized() -> None:
    heads = [b"", b"#EXTM3U\nhttp://x/", b"\x89PNG\r\n\x1a\n" + b"\0" * 32, b"RIFF\0\0\0\0WAVE", b"\0\0\0\x1cftypavif"]

    assert [container_of(head) for head in heads] == [None] * 5
    assert container_of(b"\0\0\0\x1cftypisom") == "mp4"
