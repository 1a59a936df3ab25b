"""The codec matrix: whatever is skipped, the wanted frames are those of decoding everything."""

import shutil
import subprocess
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest

from components.contract.clips import ClipGeometry
from components.video.decode import read_footage
from components.video.preparation import Preparation, chosen_frames, read_clips
from components.video.resize import Frame

pytestmark = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg makes these videos: install it")

SIZE = "106x80"
MOVING = f"-f lavfi -i testsrc2=size={SIZE}:rate=25:duration=3 "
H264 = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -threads 1 "
VARYING = "-vf select='lt(n,25)+not(mod(n,10))' -fps_mode vfr "
MATRIX = {
    "xvid.avi": "-c:v libxvid",
    "xvid_one_start.avi": "-c:v libxvid -g 300",
    "mpeg4_b.avi": "-c:v mpeg4 -bf 2",
    "mpeg4_b.mp4": "-c:v mpeg4 -bf 2",
    "mpeg4.mp4": "-c:v mpeg4 -g 12",
    "still_xvid.avi": "-c:v libxvid -vf loop=-1:1:40,trim=end_frame=75",
    "mjpeg.avi": "-c:v mjpeg",
    "h264.avi": H264,
    "h264_b_pyramid.mp4": H264 + "-bf 3 -b-pyramid normal -g 30",
    "h264_open_gop.mp4": H264 + "-bf 3 -x264-params open-gop=1:keyint=20:min-keyint=20:scenecut=0",
    "h264_intra_refresh.mp4": H264 + "-x264-params intra-refresh=1:keyint=25",
    "h264_slices.mkv": H264 + "-x264-params slices=4:keyint=15",
    "h264_interlaced.mp4": H264 + "-flags +ilme+ildct -x264-params tff=1:keyint=20",
    "h264_ten_bit.mp4": "-c:v libx264 -pix_fmt yuv420p10le -g 20",
    "h264_grey.mp4": "-c:v libx264 -pix_fmt gray -g 20",
    "h264_varying.mp4": VARYING + H264 + "-g 10",
    "h264_varying.mkv": VARYING + H264 + "-g 10",
    "h264.ts": H264 + "-g 20",
    "hevc.mp4": "-c:v libx265 -preset ultrafast -x265-params log-level=none:pools=none -pix_fmt yuv420p",
    "hevc_ten_bit.mkv": "-c:v libx265 -preset ultrafast -x265-params log-level=none:pools=none -pix_fmt yuv420p10le",
    "vp8.webm": "-c:v libvpx -deadline realtime -cpu-used 8 -auto-alt-ref 1 -lag-in-frames 10",
    "vp9.webm": "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 20",
    "av1.mkv": "-c:v libaom-av1 -cpu-used 8 -usage realtime -g 20",
    "mpeg1.mpg": "-c:v mpeg1video",
    "mpeg2.ts": "-c:v mpeg2video",
    "theora.ogv": "-c:v libtheora",
    "animation.gif": "",
    "windows.wmv": "-c:v wmv2",
    "prores.mov": "-c:v prores",
}
GEOMETRY = ClipGeometry(n_frames=5, frame_height=80, frame_width=106)
PREPARATION = Preparation(sampling="fixed_step", frame_step=9, resize="pad", clips_per_video=2)


def made(folder: Path, name: str) -> Path:
    path = folder / name
    words = (MOVING + MATRIX[name]).split()
    subprocess.run(["ffmpeg", "-v", "error", "-y", *words, str(path)], check=True, timeout=60)
    return path


def every_frame(path: Path) -> tuple[list[np.ndarray], list[float]]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        frames = list(container.decode(stream))
        pixels = [frame.to_ndarray(format="rgb24") for frame in frames]
    if path.suffix == ".avi":  # has no time stamps
        return pixels, [number / 25 for number in range(len(frames))]
    return pixels, [frame.time - frames[0].time for frame in frames]


@pytest.mark.parametrize("name", MATRIX)
def test_wanted_frames_are_bit_for_bit_those_of_decoding_everything(tmp_path: Path, name: str) -> None:
    path = made(tmp_path, name)
    frames, times_s = every_frame(path)

    clips = read_clips(path, geometry=GEOMETRY, preparation=PREPARATION)

    assert len(clips) == 2
    assert clips[0].n_video_frames == len(frames)
    for clip in clips:
        numbers = [int(np.argmin(np.abs(np.array(times_s) - time_s))) for time_s in clip.timestamps_s]
        np.testing.assert_allclose([times_s[number] for number in numbers], clip.timestamps_s, atol=1e-6)
        np.testing.assert_array_equal(clip.frames, np.stack([frames[number] for number in numbers]))


@pytest.mark.parametrize("name", ["xvid.avi", "h264_b_pyramid.mp4", "h264_varying.mkv", "mjpeg.avi"])
def test_skipping_changes_nothing_for_any_choice_of_frames(tmp_path: Path, name: str) -> None:
    path = made(tmp_path, name)

    def same(frame: Frame) -> Frame:
        return frame

    for step in (1, 2, 7, 13):
        preparation = Preparation(sampling="fixed_step", frame_step=step, resize="pad", clips_per_video=3)
        choose = partial(chosen_frames, n_frames=3, preparation=preparation)
        sparse = read_footage(path, choose=choose, resize=same)
        whole = read_footage(path, choose=choose, resize=same, skip=False)

        assert [clip.timestamps_s for clip in sparse] == [clip.timestamps_s for clip in whole]
        for ours, theirs in zip(sparse, whole, strict=True):
            np.testing.assert_array_equal(ours.frames, theirs.frames)
