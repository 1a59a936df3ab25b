"""Files made to harm: each is a reject with a reason, read from nothing but its own bytes, and cheap."""

import os
import shutil
import subprocess
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from components.contract.clips import ClipGeometry
from components.video.decode import read_footage
from components.video.errors import UnreadableError
from components.video.footage import Limits
from components.video.preparation import Preparation, chosen_frames, read_clip, resized

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg makes these videos: install it")

GEOMETRY = ClipGeometry(n_frames=4, frame_height=24, frame_width=40)
PREPARATION = Preparation(sampling="evenly_spaced", frame_step=None, resize="crop")
MOVING = "-f lavfi -i testsrc2=size=96x64:rate=25:duration=2 "


def made(path: Path, words: str) -> Path:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *words.split(), str(path)], check=True, timeout=60)
    return path


def fault_of(path: Path, limits: Limits | None = None) -> UnreadableError:
    with pytest.raises(UnreadableError) as caught:
        read_footage(
            path,
            choose=partial(chosen_frames, n_frames=4, preparation=PREPARATION),
            resize=partial(resized, geometry=GEOMETRY, preparation=PREPARATION),
            limits=limits or Limits(),
        )
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXTINF:2,\n{other}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{other}'\n",
        "file '{other}'\n",
        '<?xml version="1.0"?><MPD><BaseURL>{other}</BaseURL></MPD>',
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    ],
)
def test_a_playlist_named_avi_is_rejected_and_what_it_names_is_never_read(tmp_path: Path, text: str) -> None:
    other = made(tmp_path / "other.avi", MOVING + "-c:v libxvid")
    os.utime(other, (0, 0))
    playlist = tmp_path / "list.avi"
    playlist.write_text(text.format(other=other))

    fault = fault_of(playlist)

    assert fault.reason == "not_a_video"
    assert other.stat().st_atime == 0


def test_a_name_like_an_image_sequence_opens_only_the_file_of_that_name(tmp_path: Path) -> None:
    made(tmp_path / "frame_%02d.png", MOVING + "-frames:v 5")
    video = made(tmp_path / "plain.avi", MOVING + "-c:v libxvid").rename(tmp_path / "frame_%02d.avi")

    footage = read_clip(video, geometry=GEOMETRY, preparation=PREPARATION)

    assert footage.n_video_frames == 50


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("picture.png", MOVING + "-frames:v 1"),
        ("picture.jpg", MOVING + "-frames:v 1 -update 1"),
        ("picture.webp", MOVING + "-frames:v 1"),
        ("sound.wav", "-f lavfi -i sine=duration=1"),
        ("sound.mp3", "-f lavfi -i sine=duration=1"),
        ("sound.mp4", "-f lavfi -i sine=duration=1"),
        ("sound.avi", "-f lavfi -i sine=duration=1"),
        ("sound.mkv", "-f lavfi -i sine=duration=1"),
    ],
)
def test_pictures_and_sounds_named_avi_are_rejected(tmp_path: Path, name: str, words: str) -> None:
    made(tmp_path / name, words)
    video = (tmp_path / name).rename(tmp_path / "video.avi")

    assert fault_of(video).reason in ("not_a_video", "unreadable")


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"RIFF\xff\xff\xff\xffAVI ", b"\x1a\x45\xdf\xa3" * 99])
def test_files_that_hold_nothing_are_rejected(tmp_path: Path, content: bytes) -> None:
    video = tmp_path / "video.avi"
    video.write_bytes(content)

    assert fault_of(video).reason in ("empty", "not_a_video", "unreadable", "truncated")


@pytest.mark.parametrize(
    ("codec", "suffixes"), [("mjpeg", ["mkv", "avi", "mp4"]), ("libx264 -preset ultrafast", ["mkv", "mp4", "ts"])]
)
def test_a_bomb_of_huge_frames_is_rejected_before_it_is_decoded(
    tmp_path: Path, codec: str, suffixes: list[str]
) -> None:
    source = "-f lavfi -i color=red:size=8192x8000:rate=1 -frames:v 1 -pix_fmt yuv420p -c:v "
    bomb = made(tmp_path / "bomb.mkv", source + codec)

    for suffix in suffixes:
        video = made(tmp_path / f"copy.{suffix}", f"-i {bomb} -c copy")
        started = time.process_time()

        assert fault_of(video).reason == "too_large"
        assert time.process_time() - started < 0.5


def test_a_bomb_of_many_frames_is_rejected_before_it_is_decoded(tmp_path: Path) -> None:
    short = made(tmp_path / "short.avi", "-f lavfi -i color=red:size=16x16:rate=100 -frames:v 1000 -c:v mjpeg")
    video = made(tmp_path / "bomb.avi", f"-stream_loop 99 -i {short} -c copy")
    started = time.process_time()

    fault = fault_of(video)

    assert fault.reason == "too_long"
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(max_bytes=1000), "too_large"),
        (Limits(max_frame_pixels=96 * 63), "too_large"),
        (Limits(max_frames=49), "too_long"),
        (Limits(max_seconds=1.9), "too_long"),
    ],
)
def test_each_limit_holds(tmp_path: Path, limits: Limits, reason: str) -> None:
    video = made(tmp_path / "video.mp4", MOVING + "-c:v libx264")

    assert fault_of(video, limits).reason == reason


@pytest.mark.parametrize("name", ["video.avi", "video.mp4", "video.mkv", "video.ogv", "video.gif"])
def test_a_video_cut_anywhere_is_rejected(tmp_path: Path, name: str) -> None:
    data = made(tmp_path / name, MOVING).read_bytes()
    cut = tmp_path / f"cut_{name}"

    for n_bytes in np.linspace(1, len(data) - 1, 40).astype(int):
        cut.write_bytes(data[:n_bytes])

        assert fault_of(cut).reason in ("not_a_video", "truncated", "unreadable", "damaged")


@pytest.mark.parametrize("name", ["video.avi", "video.mp4", "video.mkv", "video.ts", "video.mpg", "video.flv"])
def test_random_damage_gives_a_clip_or_a_reject_and_nothing_else(tmp_path: Path, name: str) -> None:
    data = made(tmp_path / name, MOVING).read_bytes()
    random = np.random.default_rng(0)
    rotten = tmp_path / f"rotten_{name}"

    for _ in range(30):
        changed = bytearray(data)
        for place in random.integers(0, len(data), 8):
            changed[place] = random.integers(0, 256)
        rotten.write_bytes(changed)

        try:
            outcome = read_clip(rotten, geometry=GEOMETRY, preparation=PREPARATION).frames.shape
        except UnreadableError as fault:
            outcome = fault.reason

        assert outcome in (GEOMETRY.shape, "truncated", "damaged", "unreadable", "not_a_video", "too_large", "too_long")
