"""Videos as ffmpeg writes them, in many containers, whole, cut and rotten."""

import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.contract.clips import ClipGeometry
from components.video.decode import Footage
from components.video.errors import UnreadableError
from components.video.preparation import Preparation, read_clip

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg makes these videos: install it")

MakeVideo = Callable[[str], Path]
MOVING = "-f lavfi -i testsrc2=size=162x122:rate=25:duration=4 "
SOUND = "-f lavfi -i sine=duration=4 "
LONG_SOUND = "-f lavfi -i sine=duration=8 "
H264 = "-c:v libx264 -preset ultrafast -threads 1 -pix_fmt yuv420p "
WITH_B_FRAMES = H264 + "-bf 3 -g 50 "
VP9 = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -threads 1 "
# 25 frames, then every tenth: 0 to 24, 30, 40 … 90.
VARYING = "-vf select='lt(n,25)+not(mod(n,10))' -fps_mode vfr "
# The number of the frame that is shown during each of the 91 frames' times that it lasts.
VARYING_SHOWN = [*range(25), *[24] * 5, *[25 + tens for tens in range(6) for _ in range(10)], 31]
RAW = "-fps_mode passthrough -pix_fmt rgb24 -f rawvideo"
FRAGMENTS = "-g 25 -movflags frag_keyframe+empty_moov "

# How ffmpeg makes it, and how many frames are shown. A name in < > is a video of this table.
WHOLE: dict[str, tuple[str, int]] = {
    "xvid.avi": (MOVING + "-c:v libxvid -threads 1", 100),
    "sound.avi": (MOVING + SOUND + "-c:v libxvid -threads 1 -c:a mp2", 100),
    "plain.mp4": (MOVING + H264 + "-bf 0", 100),
    "b_frames.mp4": (MOVING + WITH_B_FRAMES, 100),
    "moov_first.mp4": (MOVING + WITH_B_FRAMES + "-movflags faststart", 100),
    "fragments.mp4": (MOVING + H264 + FRAGMENTS, 100),
    "long_sound.mp4": (MOVING + LONG_SOUND + H264 + "-c:a aac", 100),
    "quicktime.mov": (MOVING + WITH_B_FRAMES, 100),
    "varying.mp4": (MOVING + VARYING + H264, 32),
    "edit_list.mp4": ("-ss 1 -i <b_frames.mp4> -c copy", 75),
    "edit_list_long_sound.mp4": ("-ss 1 -i <long_sound.mp4> -c copy", 75),
    "cut_out.avi": ("-ss 1 -i <xvid.avi> -c copy", 76),
    "b_frames.mkv": (MOVING + WITH_B_FRAMES, 100),
    "varying.mkv": (MOVING + VARYING + H264, 32),
    "long_sound.mkv": (MOVING + LONG_SOUND + H264 + "-c:a aac", 100),
    "vp9.webm": (MOVING + VP9, 100),
    "varying.webm": (MOVING + VARYING + VP9, 32),
    "live.mkv": ("-i <b_frames.mp4> -c copy -live 1 -f matroska", 100),
    "program.mpg": (MOVING + "-c:v mpeg2video", 100),
    "transport.ts": (MOVING + "-c:v mpeg2video", 100),
    "theora.ogv": (MOVING + "-c:v libtheora", 100),
    "flash.flv": (MOVING + "-c:v flv", 100),
    "windows.wmv": (MOVING + "-c:v wmv2", 100),
}
# These do not say how many bytes they have: a cut one may pass for a shorter one.
UNTOLD = {"live.mkv", "program.mpg", "transport.ts", "theora.ogv", "flash.flv", "windows.wmv"}
DAMAGE_SHOWS = ["xvid.avi", "plain.mp4", "b_frames.mp4", "moov_first.mp4", "fragments.mp4", "edit_list.mp4"]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> MakeVideo:
    folder = tmp_path_factory.mktemp("videos")

    def made(name: str) -> Path:
        path = folder / name
        if not path.exists():
            words = WHOLE[name][0].split()
            words = [str(made(word[1:-1])) if word.startswith("<") else word for word in words]
            ffmpeg(*words, path=path)
        return path

    return made


def ffmpeg(*words: str, path: Path) -> Path:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *words, str(path)], check=True, timeout=60)
    return path


def read(path: Path, *, n_frames: int = 8, height: int = 24, width: int = 40) -> Footage:
    return read_clip(
        path,
        geometry=ClipGeometry(n_frames=n_frames, frame_height=height, frame_width=width),
        preparation=Preparation(sampling="evenly_spaced", frame_step=None, resize="crop"),
    )


def reason_of(path: Path) -> str:
    with pytest.raises(UnreadableError) as caught:
        read(path)
    return caught.value.reason


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_video_gives_all_frames_that_it_shows(make: MakeVideo, name: str) -> None:
    footage = read(make(name))

    assert footage.n_video_frames == pytest.approx(WHOLE[name][1], abs=2)
    assert list(footage.timestamps_s) == sorted(set(footage.timestamps_s))
    assert footage.timestamps_s[-1] <= 4
    assert len({frame.tobytes() for frame in footage.frames}) == 8


@pytest.mark.parametrize("name", [name for name in WHOLE if name not in UNTOLD])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_cut_video_is_rejected(make: MakeVideo, tmp_path: Path, name: str, part: float) -> None:
    data = make(name).read_bytes()
    cut = tmp_path / name
    cut.write_bytes(data[: int(len(data) * part)])

    assert reason_of(cut) == "truncated"


@pytest.mark.parametrize("name", DAMAGE_SHOWS)
def test_a_video_with_a_hole_is_rejected(make: MakeVideo, tmp_path: Path, name: str) -> None:
    data = make(name).read_bytes()
    start, end = len(data) * 2 // 5, len(data) * 3 // 5
    rotten = tmp_path / name
    rotten.write_bytes(data[:start] + bytes(end - start) + data[end:])

    assert reason_of(rotten) == "truncated"


@pytest.mark.parametrize("name", ["xvid.avi", "plain.mp4", "b_frames.mkv"])
def test_bytes_after_the_end_do_no_harm(make: MakeVideo, tmp_path: Path, name: str) -> None:
    longer = tmp_path / name
    longer.write_bytes(make(name).read_bytes() + b"written by someone's recorder")

    assert read(longer).n_video_frames == 100


@pytest.mark.parametrize("name", ["b_frames.mp4", "varying.mkv", "vp9.webm", "b_frames.mkv"])
def test_the_right_frames_are_taken_from_every_container(make: MakeVideo, tmp_path: Path, name: str) -> None:
    path = make(name)
    n_frames = WHOLE[name][1]
    raw = ffmpeg("-i", str(path), *RAW.split(), path=tmp_path / "frames.rgb")
    frames = np.fromfile(raw, np.uint8).reshape(n_frames, 122, 162, 3)

    footage = read(path, n_frames=4, height=122, width=162)

    for place, frame in enumerate(footage.frames):
        differences = [np.abs(frame.astype(int) - other).mean() for other in frames]
        tick = (2 * place + 1) * n_frames // 8
        assert int(np.argmin(differences)) == (VARYING_SHOWN[int((tick + 0.5) * 91 / 32)] if n_frames == 32 else tick)
        assert min(differences) < 4


def test_a_rotated_video_stands_upright(tmp_path: Path) -> None:
    source = "-f lavfi -i color=red:size=48x64:rate=25 -f lavfi -i color=blue:size=48x64:rate=25 "
    words = source + "-filter_complex hstack -frames:v 10 " + H264
    path = ffmpeg(*words.split(), path=tmp_path / "upright.mp4")
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    data[matrix : matrix + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 64 * one, 0, 1 << 30)
    path.write_bytes(data)

    footage = read(path, height=96, width=64)

    assert (footage.video_height, footage.video_width) == (96, 64)
    np.testing.assert_allclose(footage.frames[0][:40].mean((0, 1)), (254, 0, 0), atol=8)
    np.testing.assert_allclose(footage.frames[0][56:].mean((0, 1)), (0, 0, 254), atol=8)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("odd.avi", "-c:v mjpeg -pix_fmt yuvj444p -s 321x241"),
        ("odd.mp4", "-c:v libx264 -pix_fmt yuv444p -s 321x241"),
        ("grey.mp4", "-c:v libx264 -pix_fmt gray -s 320x240"),
        ("ten_bit.mp4", "-c:v libx264 -pix_fmt yuv420p10le -s 320x240"),
    ],
)
def test_unusual_pixels_are_decoded(tmp_path: Path, name: str, codec: str) -> None:
    colour = "gray" if name == "grey.mp4" else "orange"
    source = f"-f lavfi -i color={colour}:size=320x240:rate=25 -frames:v 10"
    path = ffmpeg(*source.split(), *codec.split(), path=tmp_path / name)

    footage = read(path)

    assert (footage.video_height, footage.video_width) in {(240, 320), (241, 321)}
    expected = (128, 128, 128) if colour == "gray" else (255, 165, 0)
    np.testing.assert_allclose(footage.frames.mean((0, 1, 2)), expected, atol=8)


def test_av1_is_decoded_or_rejected(tmp_path: Path) -> None:
    codec = "-c:v libaom-av1 -cpu-used 8 -frames:v 5"
    path = ffmpeg(*MOVING.split(), *codec.split(), path=tmp_path / "av1.mp4")

    try:
        outcome: object = read(path).n_video_frames
    except UnreadableError as error:
        outcome = error.reason

    assert outcome in (5, "unreadable")


def test_huge_frames_are_rejected_before_they_are_decoded(tmp_path: Path) -> None:
    source = "-f lavfi -i color=red:size=8192x4096:rate=1 -frames:v 1 -c:v mjpeg"
    path = ffmpeg(*source.split(), path=tmp_path / "huge.avi")

    assert reason_of(path) == "too_large"


def test_hours_of_video_are_rejected(tmp_path: Path) -> None:
    source = "-f lavfi -i color=red:size=32x32:rate=1:duration=3700"
    path = ffmpeg(*source.split(), *H264.split(), path=tmp_path / "long.mp4")

    assert reason_of(path) == "too_long"
