import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from kfp import dsl

from components.contract.clip_dataset import check_record_counts
from components.contract.clips import read_clip_table, read_clips, read_rejects
from components.contract.errors import StepError
from components.extract_frames.component import extract_frames

Videos = list[tuple[Path, str, str]]
ManifestOf = Callable[[Path, Videos], tuple[Path, str]]
Colours = dict[str, tuple[int, int, int]]


def run(manifest: tuple[Path, str], out: Path, **parameters: object) -> str:
    return extract_frames.python_func(
        videos=dsl.Dataset(uri=str(manifest[0])),
        videos_digest=manifest[1],
        clips=dsl.Dataset(uri=str(out / "clips")),
        rejects=dsl.Dataset(uri=str(out / "rejects")),
        report=dsl.Metrics(uri=str(out / "report")),
        record=dsl.Artifact(uri=str(out / "record")),
        **{"store_dir": "", "n_frames": 4, "frame_height": 32, "frame_width": 48, **parameters},
    )


def test_clips_decode_to_the_right_colours_and_labels(
    tmp_path: Path, videos: Videos, manifest_of: ManifestOf, colours: Colours
) -> None:
    import tensorflow as tf

    digest = run(manifest_of(tmp_path / "videos", videos), tmp_path)

    clips = read_clips(tmp_path / "clips", digest=digest)
    assert clips.labels == ("Blue", "Red")
    assert [clips.n_clips(split) for split in ("train", "validation", "test")] == [6, 2, 2]
    table = read_clip_table(tmp_path / "clips").to_pylist()
    records = [
        (shard.name, position, record)
        for shard in clips.shards
        for position, record in enumerate(tf.data.TFRecordDataset(str(tmp_path / "clips" / shard.name)))
    ]
    assert len(records) == 10
    for name, position, record in records:
        feature = tf.train.Example.FromString(record.numpy()).features.feature
        label = feature["clip/label/text"].bytes_list.value[0].decode()
        frames = [tf.io.decode_jpeg(jpeg).numpy() for jpeg in feature["image/encoded"].bytes_list.value]
        assert np.stack(frames).shape == (4, 32, 48, 3)
        np.testing.assert_allclose(frames[0][16:, 16:].mean((0, 1)), colours[label], atol=12)
        assert feature["clip/label/index"].int64_list.value[0] == clips.labels.index(label)
        assert list(feature["clip/timestamps_s"].float_list.value) == pytest.approx([0.12, 0.44, 0.72, 1.04])
        row = next(row for row in table if (row["shard"], row["position"]) == (name, position))
        assert row["video"] == feature["clip/video"].bytes_list.value[0].decode()
        assert (row["n_video_frames"], row["video_height"], row["video_width"]) == (30, 64, 96)
    step = json.loads((tmp_path / "record" / "step.json").read_text())
    assert step["status"] == "succeeded"
    assert step["metrics"]["clips"] == 10


def test_bad_videos_are_rejected_with_reasons_and_the_rest_go_on(
    tmp_path: Path, videos: Videos, manifest_of: ManifestOf
) -> None:
    good = videos[0][0].read_bytes()
    contents = {
        "cut.avi": (good[: len(good) // 2], "truncated"),
        "empty.avi": (b"", "empty"),
        "text.avi": (b"not a video at all\n" * 50, "not_a_video"),
        "picture.avi": (cv2.imencode(".png", np.zeros((32, 48, 3), np.uint8))[1].tobytes(), "not_a_video"),
        "playlist.avi": (b"#EXTM3U\n#EXTINF:1,\nhttp://localhost/x.ts\n", "not_a_video"),
        "later_changed.avi": (good, "changed"),
    }
    for name, (data, _) in contents.items():
        (tmp_path / name).write_bytes(data)
    manifest = manifest_of(tmp_path / "videos", [*videos, *((tmp_path / name, "Red", "train") for name in contents)])
    with (tmp_path / "later_changed.avi").open("ab") as file:
        file.write(b"more")

    run(manifest, tmp_path, max_rejected_fraction=0.6)

    rejects = read_rejects(tmp_path / "rejects")
    assert {reject.video: reject.reason for reject in rejects} == {name: why for name, (_, why) in contents.items()}
    assert read_clip_table(tmp_path / "clips").num_rows == 10
    metrics = json.loads((tmp_path / "report").read_text())
    assert (metrics["videos"], metrics["clips"], metrics["rejects"]) == (16, 10, 6)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg makes the audio-only file: install it")
def test_a_file_with_sound_only_is_rejected(tmp_path: Path, videos: Videos, manifest_of: ManifestOf) -> None:
    sound = tmp_path / "sound.avi"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=duration=1", str(sound)], check=True, timeout=60
    )

    run(manifest_of(tmp_path / "videos", [*videos, (sound, "Red", "test")]), tmp_path)

    assert [(reject.video, reject.reason) for reject in read_rejects(tmp_path / "rejects")] == [
        ("sound.avi", "unreadable")
    ]


def test_too_many_rejects_stop_the_step_and_name_the_worst(
    tmp_path: Path, videos: Videos, manifest_of: ManifestOf
) -> None:
    videos[0][0].write_bytes(b"")
    videos[1][0].write_bytes(b"")

    with pytest.raises(
        StepError, match=r"2 of 10 videos, worst in the class .Blue. with 2 of 5, gave no clip.*empty: 2.*v_Blue_0\.avi"
    ):
        run(manifest_of(tmp_path / "videos", videos), tmp_path)

    assert not (tmp_path / "clips" / "finished.json").exists()
    assert len(read_rejects(tmp_path / "rejects")) == 2


def test_any_number_of_workers_gives_the_same_bytes(tmp_path: Path, videos: Videos, manifest_of: ManifestOf) -> None:
    manifest = manifest_of(tmp_path / "videos", videos)

    digests = {run(manifest, tmp_path / str(workers), workers=workers) for workers in (1, 3)}

    assert len(digests) == 1


def test_a_manifest_that_is_not_the_promised_one_is_refused(
    tmp_path: Path, videos: Videos, manifest_of: ManifestOf
) -> None:
    folder, _ = manifest_of(tmp_path / "videos", videos)

    with pytest.raises(StepError, match="not the promised"):
        run((folder, "0" * 64), tmp_path)


@pytest.mark.parametrize(("name", "value"), [("sampling", "random"), ("resize", "stretch"), ("n_frames", 0)])
def test_an_unknown_parameter_value_is_refused(
    tmp_path: Path, manifest_of: ManifestOf, name: str, value: object
) -> None:
    manifest = manifest_of(tmp_path / "videos", [])

    with pytest.raises(StepError, match=name):
        run(manifest, tmp_path, **{name: value})


def test_a_killed_run_leaves_no_marker_and_a_rerun_gives_the_same_bytes(
    tmp_path: Path, videos: Videos, manifest_of: ManifestOf
) -> None:
    manifest = manifest_of(tmp_path / "videos", videos)
    untouched = run(manifest, tmp_path / "untouched")
    # The process ends without a word when its fourth clip is asked for.
    program = f"""
import os, signal
from components.extract_frames.worker_pool import WorkerPool
pool_extract, calls = WorkerPool.extract, []
def dying(*given, **named):
    calls.append(1)
    if len(calls) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return pool_extract(*given, **named)
WorkerPool.extract = dying
from kfp import dsl
from components.extract_frames.component import extract_frames
out = {str(tmp_path)!r}
extract_frames.python_func(
    videos=dsl.Dataset(uri={str(manifest[0])!r}), videos_digest={manifest[1]!r},
    clips=dsl.Dataset(uri=f"{{out}}/clips"),
    rejects=dsl.Dataset(uri=f"{{out}}/rejects"), report=dsl.Metrics(uri=f"{{out}}/report"),
    record=dsl.Artifact(uri=f"{{out}}/record"), store_dir="", n_frames=4, frame_height=32, frame_width=48, workers=1,
)
"""

    killed = subprocess.run([sys.executable, "-c", program], check=False, timeout=120, capture_output=True)

    assert killed.returncode == -signal.SIGKILL
    assert list((tmp_path / "clips").iterdir())
    with pytest.raises(StepError, match="not finished"):
        read_clips(tmp_path / "clips")
    assert run(manifest, tmp_path) == untouched


def test_a_step_error_inside_the_beam_job_is_recorded_as_such(
    tmp_path: Path, videos: Videos, manifest_of: ManifestOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StepError("The licence of the decoder ended.", remedy="Renew it.")

    monkeypatch.setattr("components.extract_frames.shard_writing.local_copy", refuse)

    with pytest.raises(StepError, match="licence"):
        run(manifest_of(tmp_path / "videos", videos), tmp_path)

    error = json.loads((tmp_path / "record" / "step.json").read_text())["error"]
    assert error == {"type": "StepError", "message": "The licence of the decoder ended.", "remedy": "Renew it."}
    assert list((tmp_path / "clips").iterdir()) == []


def test_a_video_gives_as_many_clips_as_wanted_each_in_table_and_records(
    tmp_path: Path, videos: Videos, manifest_of: ManifestOf
) -> None:
    run(manifest_of(tmp_path / "videos", videos), tmp_path, clips_per_video=3, sampling="target_fps", target_fps=5.0)

    clips = read_clips(tmp_path / "clips")
    rows = read_clip_table(tmp_path / "clips").to_pylist()
    assert (len(rows), clips.n_clips("train")) == (30, 18)
    assert {row["clip_index"] for row in rows} == {0, 1, 2}
    assert clips.preparation["clips_per_video"] == 3
    assert json.loads((tmp_path / "report").read_text())["videos"] == 10
    check_record_counts(tmp_path / "clips", clips, "train")


@pytest.mark.parametrize("damage", ["missing", "cut", "cut between records", "empty", "changed"])
def test_a_damaged_shard_is_a_clear_error(tmp_path: Path, videos: Videos, manifest_of: ManifestOf, damage: str) -> None:
    run(manifest_of(tmp_path / "videos", videos), tmp_path)
    shard = tmp_path / "clips" / "train-00000.tfrecord"
    data = shard.read_bytes()
    first_record = 8 + 4 + int.from_bytes(data[:8], "little") + 4
    left = {"cut": data[:-7], "cut between records": data[:first_record], "empty": b"", "changed": data[:-1] + b"?"}
    shard.unlink() if damage == "missing" else shard.write_bytes(left[damage])

    with pytest.raises(StepError, match=r"train-00000\.tfrecord"):
        read_clips(tmp_path / "clips")
