from pathlib import Path

import pytest

from components.contract.clip_record import ClipRecord, encoded, framed

RECORD = ClipRecord(
    frames=[b"\xff\xd8first", b"", b"x" * 70_000],
    label_index=300,
    label="Zähneputzen",
    group="Zähneputzen/g07",
    split="validation",
    video="v_%02d.avi",
    video_digest="ab" * 32,
    clip_index=0,
    timestamps_s=(0.0, 0.48, 1.2),
)


def test_tensorflow_reads_what_was_encoded(tmp_path: Path) -> None:
    import tensorflow as tf

    path = tmp_path / "shard.tfrecord"
    path.write_bytes(framed(encoded(RECORD)) + framed(b""))

    first, second = (record.numpy() for record in tf.data.TFRecordDataset(str(path)))

    feature = tf.train.Example.FromString(first).features.feature
    texts = {
        key: feature[key].bytes_list.value[0].decode()
        for key in ("clip/label/text", "clip/group", "clip/split", "clip/video", "clip/video_digest")
    }
    assert list(feature["image/encoded"].bytes_list.value) == RECORD.frames
    assert texts == {
        "clip/label/text": "Zähneputzen",
        "clip/group": "Zähneputzen/g07",
        "clip/split": "validation",
        "clip/video": "v_%02d.avi",
        "clip/video_digest": "ab" * 32,
    }
    assert feature["clip/label/index"].int64_list.value == [300]
    assert feature["clip/index"].int64_list.value == [0]
    assert list(feature["clip/timestamps_s"].float_list.value) == pytest.approx([0.0, 0.48, 1.2])
    assert len(feature) == 9
    assert second == b""


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    import tensorflow as tf

    path = tmp_path / "shard.tfrecord"
    data = bytearray(framed(encoded(RECORD)))
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    with pytest.raises(tf.errors.DataLossError):
        list(tf.data.TFRecordDataset(str(path)))
