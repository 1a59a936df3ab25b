from pathlib import Path

import cv2
import numpy as np
import pytest

from components.contract.clips import ClipGeometry
from components.contract.model import (
    CLIPS_INPUT,
    LABEL_OUTPUT,
    PROBABILITIES_OUTPUT,
    ServedModel,
    write_served_description,
)
from components.video.preparation import as_stored, checked_preparation

GEOMETRY = ClipGeometry(n_frames=4, frame_height=24, frame_width=32)


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel that calls bright clips `day` and dark ones `night`."""
    tf = pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("model") / "saved_model"

    class Brightness(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, *GEOMETRY.shape], tf.uint8, name=CLIPS_INPUT)])
        def answer(self, clips):
            day = tf.reduce_mean(tf.cast(clips, tf.float32), axis=[1, 2, 3, 4]) / 255
            probabilities = tf.stack([day, 1 - day], axis=1)
            return {
                PROBABILITIES_OUTPUT: probabilities,
                LABEL_OUTPUT: tf.gather(["day", "night"], tf.argmax(probabilities, 1)),
            }

    model = Brightness()
    tf.saved_model.save(model, str(folder), signatures=model.answer)
    preparation = checked_preparation(sampling="evenly_spaced", frame_step=None, resize="crop", clips_per_video=2)
    served = ServedModel("brightness", GEOMETRY, as_stored(preparation), ("day", "night"))
    write_served_description(folder, served)
    return folder


@pytest.fixture
def write_video(tmp_path: Path):
    """Return a function that writes a grey video of 48x40 pixels and returns its path."""

    def write(name: str, grey: int) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (48, 40))
        for _ in range(12):
            writer.write(np.full((40, 48, 3), grey, np.uint8))
        writer.release()
        return path

    return write
