"""Does the model see motion? Two controls that a model of still frames cannot pass.

- The test clips played backwards must be taken for the other action of each pair.
- The same model trained on still frames must not do better than telling the four pairs apart, which is 0.5.

`python -m pipelines.demo.controls RUN_FOLDER RESULT_FILE` runs both.
"""

import sys
import tempfile
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from components.contract.clips import (
    IMAGE_KEY,
    VIDEO_KEY,
    ClipRow,
    Clips,
    Shard,
    finish_clips,
    read_clip_table,
    read_clips,
)
from components.contract.files import emptied, write_json
from components.contract.model import SAVED_MODEL_NAME
from components.evaluate_model.scoring import ScoredClips, score_split
from pipelines.demo.actions import REVERSED
from pipelines.runs import Run, read_run
from pipelines.single_step import load_step, run_step


def reversed_accuracy(saved_model: Path, clips_folder: Path) -> float:
    """Return the share of test clips that, played backwards, are taken for the other action of their pair."""
    scored = score_split(saved_model, clips_folder, "test", transform=lambda frames: frames[:, ::-1])
    labels = read_clips(clips_folder).labels
    other = np.array([labels.index(REVERSED[label]) for label in labels])
    return float(np.mean(scored.probabilities.argmax(axis=1) == other[scored.label_index]))


def still_trained_accuracy(run: Run, clips_folder: Path, scratch: Path) -> float:
    """Return the test accuracy of the run's model, trained and tested on still frames."""
    still = scratch / "still_clips"
    write_still_clips(clips_folder, still)
    recorded = run.record("train_model")
    assert recorded is not None
    parameters = {name: value for name, value in recorded["parameters"].items() if name != "clips_digest"}
    out = scratch / "still_model"
    run_step(load_step("train_model"), inputs={"clips": str(still)}, parameters=parameters, out=out)
    scored = score_split(out / "model" / SAVED_MODEL_NAME, still, "test")
    return _accuracy(scored)


def write_still_clips(clips_folder: Path, still: Path) -> None:
    """Write the clips again, each with one of its frames in place of all.

    Which frame is drawn for each clip by a hash of its video: at any fixed place the first action of a pair would
    show other poses than the second.
    """
    clips = read_clips(clips_folder)
    emptied(still)
    for shard in clips.shards:
        _write_still_shard(clips_folder / shard.name, still / shard.name, clips)
    rows = [ClipRow(**row) for row in read_clip_table(clips_folder).to_pylist()]
    shards = [Shard(**asdict(shard)) for shard in clips.shards]
    finish_clips(
        still, geometry=clips.geometry, preparation={"still": True}, labels=clips.labels, shards=shards, rows=rows
    )


def _write_still_shard(source: Path, target: Path, clips: Clips) -> None:
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(target)) as writer:
        for record in tf.data.TFRecordDataset(str(source)).as_numpy_iterator():
            example = tf.train.Example.FromString(record)
            frames = example.features.feature[IMAGE_KEY].bytes_list.value
            video = example.features.feature[VIDEO_KEY].bytes_list.value[0]
            chosen = frames[int.from_bytes(sha256(video).digest()[:8], "big") % clips.geometry.n_frames]
            frames[:] = [chosen] * clips.geometry.n_frames
            writer.write(example.SerializeToString(deterministic=True))


def _accuracy(scored: ScoredClips) -> float:
    return float(np.mean(scored.probabilities.argmax(axis=1) == scored.label_index))


def main(run_folder: Path, result: Path) -> None:
    """Run both controls on a recorded demo run and write what they found."""
    run = read_run(run_folder)
    clips_folder = _output(run, "extract_frames", "clips")
    model_folder = _output(run, "train_model", "model")
    found: dict[str, Any] = {"reversed_accuracy": reversed_accuracy(model_folder / SAVED_MODEL_NAME, clips_folder)}
    with tempfile.TemporaryDirectory() as scratch:
        found["still_trained_accuracy"] = still_trained_accuracy(run, clips_folder, Path(scratch))
    result.parent.mkdir(parents=True, exist_ok=True)
    write_json(result, found)


def _output(run: Run, step: str, name: str) -> Path:
    path = run.step(step).output_path(name)
    assert path is not None
    return path


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
