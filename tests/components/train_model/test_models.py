import keras
import numpy as np
import pytest

from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.train_model.layers import Conv2Plus1D, Project, ResidualMain, ResizeVideo
from components.train_model.models import MODELS, build_model

GEOMETRY = ClipGeometry(n_frames=5, frame_height=18, frame_width=26)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (Conv2Plus1D(6, (3, 7, 5)), (2, 4, 10, 14, 6)),
        (ResidualMain(6, (3, 3, 3)), (2, 4, 10, 14, 6)),
        (Project(6), (2, 4, 10, 14, 6)),
        (ResizeVideo(5, 7), (2, 4, 5, 7, 3)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_layer_gives_its_shape_and_comes_back_from_its_config_and_from_disk(tmp_path, layer, expected):
    values = np.random.default_rng(0).random((2, 4, 10, 14, 3), np.float32)
    inputs = keras.Input((4, 10, 14, 3))
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "layer.keras")

    again = keras.models.load_model(tmp_path / "layer.keras")

    assert layer.compute_output_shape((None, 4, 10, 14, 3)) == (None, *expected[1:])
    assert model(values).shape == expected
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
    np.testing.assert_array_equal(again(values), model(values))


def test_the_tutorials_model_has_the_tutorials_parameters():
    model = build_model("tutorial", ClipGeometry(10, 224, 224), 10)

    assert model.count_params() == 443_322


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_model_gives_one_logit_per_label_and_the_same_after_save_and_load(tmp_path, name):
    clips = np.random.default_rng(0).integers(0, 255, (3, *GEOMETRY.shape), np.uint8)
    model = build_model(name, GEOMETRY, 4)
    model.save(tmp_path / "model.keras")

    again = keras.models.load_model(tmp_path / "model.keras")

    assert model(clips).shape == (3, 4)
    np.testing.assert_array_equal(again(clips), model(clips))


@pytest.mark.parametrize("geometry", [ClipGeometry(1, 8, 8), ClipGeometry(3, 33, 50)])
def test_the_default_model_takes_small_and_odd_clips(geometry):
    model = build_model("r2plus1d_fast", geometry, 2)

    assert model(np.zeros((2, *geometry.shape), np.uint8)).shape == (2, 2)


def test_an_unknown_model_names_the_known_ones():
    with pytest.raises(StepError, match="r2plus1d_fast, tutorial"):
        build_model("r2plus2d", GEOMETRY, 2)
