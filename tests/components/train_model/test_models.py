import keras
import numpy as np
import pytest
from keras import layers

from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.train_model.layers import Conv2Plus1D, Project, ResidualMain, ResizeVideo
from components.train_model.models import MODELS, ModelOptions, build_model, parsed_widths
from components.train_model.models.r2plus1d_18 import middle_channels, network, r2plus1d_18
from components.train_model.models.tutorial import tutorial

GEOMETRY = ClipGeometry(n_frames=5, frame_height=18, frame_width=26)
FROM_NOTHING = sorted(set(MODELS) - {"pretrained"})
POLICIES = ["float32", "bfloat16", "mixed_bfloat16", "mixed_float16"]
LAYERS = [
    (Conv2Plus1D, {"filters": 6, "kernel_size": (3, 7, 5)}, (2, 4, 10, 14, 6)),
    (Conv2Plus1D, {"filters": 6, "kernel_size": (3, 7, 5), "merged": False}, (2, 4, 10, 14, 6)),
    (ResidualMain, {"filters": 6, "kernel_size": (3, 3, 3)}, (2, 4, 10, 14, 6)),
    (ResidualMain, {"filters": 6, "kernel_size": (3, 3, 3), "merged": False}, (2, 4, 10, 14, 6)),
    (Project, {"units": 6}, (2, 4, 10, 14, 6)),
    (ResizeVideo, {"height": 5, "width": 7}, (2, 4, 5, 7, 3)),
]


def conv3d(values, filters, *, kernel, strides=(1, 1, 1)):
    """What `convolved` is to equal."""
    values = layers.Conv3D(filters, kernel, strides=strides, padding="same", use_bias=False)(values)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(values)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("kind", "config", "expected"), LAYERS)
def test_a_layer_gives_its_shape_and_dtype_and_comes_back_from_its_config_and_from_disk(
    tmp_path, kind, config, expected, policy
):
    values = np.random.default_rng(0).random((2, 4, 10, 14, 3), np.float32)
    layer = kind(**config, dtype=policy)
    inputs = keras.Input((4, 10, 14, 3))
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "layer.keras")

    again = keras.models.load_model(tmp_path / "layer.keras")

    given = model(values)
    assert layer.compute_output_shape((None, 4, 10, 14, 3)) == (None, *expected[1:])
    assert given.shape == expected
    assert given.dtype == layer.compute_dtype
    assert {weight.dtype for weight in layer.weights} <= {layer.variable_dtype}
    assert {name: layer.get_config()[name] for name in config} == config
    assert kind.from_config(layer.get_config()).get_config() == layer.get_config()
    np.testing.assert_array_equal(np.float32(again(values)), np.float32(given))


@pytest.mark.parametrize("kind", [Conv2Plus1D, ResidualMain])
def test_merged_convolutions_give_what_conv3d_gives_with_the_same_weights(kind):
    values = np.random.default_rng(0).random((2, 4, 10, 14, 3), np.float32)
    merged, plain = kind(6, (3, 7, 5)), kind(6, (3, 7, 5), merged=False)
    merged(values), plain(values)
    merged.set_weights([weight + 0.1 for weight in plain.get_weights()])
    plain.set_weights(merged.get_weights())

    np.testing.assert_allclose(merged(values), plain(values), atol=1e-5)


def test_the_tutorials_model_has_the_tutorials_parameters():
    model = build_model("tutorial", ClipGeometry(10, 224, 224), 10)

    assert model.count_params() == 443_322


def test_the_tutorials_weights_give_the_tutorials_outputs_in_merged_convolutions():
    clips = np.random.default_rng(0).integers(0, 255, (2, *GEOMETRY.shape), np.uint8)
    merged, plain = (tutorial(GEOMETRY, 4, merged=merged) for merged in (True, False))
    merged.set_weights(plain.get_weights())

    np.testing.assert_allclose(merged(clips), plain(clips), atol=1e-4)


def test_r2plus1d_18_has_the_trainable_parameters_of_the_papers_model_as_torchvision_builds_it():
    model = r2plus1d_18(ClipGeometry(8, 112, 112), 400)

    assert sum(np.prod(weight.shape) for weight in model.trainable_weights) == 31_505_325


def test_middle_channels_keep_the_weights_of_a_3d_convolution():
    middle = middle_channels(64, 128)

    assert middle == 230  # 27 * 64 * 128 / (9 * 64 + 3 * 128), rounded down
    assert 0.99 < (9 * 64 * middle + 3 * middle * 128) / (27 * 64 * 128) <= 1


def test_r2plus1d_18_on_4d_views_gives_what_conv3d_gives_with_the_same_weights():
    clips = np.random.default_rng(0).integers(0, 255, (2, *GEOMETRY.shape), np.uint8)
    merged, plain = r2plus1d_18(GEOMETRY, 3), network(GEOMETRY, 3, convolve=conv3d)
    plain.set_weights(
        [np.reshape(weight, other.shape) for weight, other in zip(merged.get_weights(), plain.weights, strict=True)]
    )

    np.testing.assert_allclose(merged(clips), plain(clips), atol=1e-4)
    np.testing.assert_allclose(merged(clips, training=True), plain(clips, training=True), atol=1e-3)


@pytest.mark.parametrize("name", FROM_NOTHING)
def test_a_model_gives_one_logit_per_label_and_the_same_after_save_and_load(tmp_path, name):
    clips = np.random.default_rng(0).integers(0, 255, (3, *GEOMETRY.shape), np.uint8)
    model = build_model(name, GEOMETRY, 4)
    model.save(tmp_path / "model.keras")

    again = keras.models.load_model(tmp_path / "model.keras")

    assert model(clips).shape == (3, 4)
    np.testing.assert_array_equal(again(clips), model(clips))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", FROM_NOTHING)
def test_a_model_of_mixed_precision_keeps_weights_and_logits_in_float32(name, policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = build_model(name, GEOMETRY, 4)
    finally:
        keras.config.set_dtype_policy("float32")

    assert model.outputs[0].dtype == "float32"
    assert {variable.dtype for variable in model.variables} == {"float32"}
    assert model.layers[2].compute_dtype == policy.removeprefix("mixed_")


@pytest.mark.parametrize("geometry", [ClipGeometry(1, 8, 8), ClipGeometry(3, 33, 50)])
def test_the_default_model_takes_small_and_odd_clips(geometry):
    model = build_model("r2plus1d_fast", geometry, 2)

    assert model(np.zeros((2, *geometry.shape), np.uint8)).shape == (2, 2)


def test_widths_and_depth_of_the_default_model_are_parameters():
    wide = build_model("r2plus1d_fast", GEOMETRY, 2, ModelOptions(widths=(4, 8, 12, 20), blocks_per_stage=2))

    assert [layer.filters for layer in wide.layers if isinstance(layer, layers.Conv2D)][-1] == 20
    assert sum(isinstance(layer, layers.Add) for layer in wide.layers) == 6


def test_an_option_that_a_model_does_not_take_is_refused():
    with pytest.raises(StepError, match="tutorial takes no widths"):
        build_model("tutorial", GEOMETRY, 2, ModelOptions(widths=(4, 8)))


@pytest.mark.parametrize(("text", "widths"), [("", None), ("16,32,64", (16, 32, 64)), (" 8, 16 ", (8, 16))])
def test_widths_are_written_with_commas(text, widths):
    assert parsed_widths(text) == widths


@pytest.mark.parametrize("text", ["16;32", "0,8", "-1", "5000", "1,2,3,4,5,6,7,8,9", "8,,16", "a"])
def test_other_widths_are_refused(text):
    with pytest.raises(StepError, match="widths is"):
        parsed_widths(text)


def test_an_unknown_model_names_the_known_ones():
    with pytest.raises(StepError, match="pretrained, r2plus1d_18, r2plus1d_fast, tutorial"):
        build_model("r2plus2d", GEOMETRY, 2)
