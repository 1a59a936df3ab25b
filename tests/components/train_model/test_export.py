from collections.abc import Callable

import keras
import numpy as np
import pytest

from components.contract.clips import ClipGeometry
from components.train_model.export import weights_sha256
from components.train_model.models import MODELS, build_model

Wiring = Callable[[keras.KerasTensor, keras.Layer, keras.Layer], keras.KerasTensor]


def built(name: str, seed: int = 1) -> keras.Model:
    keras.utils.clear_session()
    keras.utils.set_random_seed(seed)
    return build_model(name, ClipGeometry(n_frames=3, frame_height=12, frame_width=20), 2)


def wired(wiring: Wiring, activation: str = "relu") -> keras.Model:
    """Two dense layers of the same shapes and weights, put together in some way."""
    keras.utils.clear_session()
    inputs = keras.Input((4,))
    first, second = (keras.layers.Dense(4, activation, kernel_initializer="ones") for _ in range(2))
    return keras.Model(inputs, wiring(inputs, first, second))


def one_after_the_other(inputs, first, second):
    return second(first(inputs))


def side_by_side(inputs, first, second):
    return keras.layers.Add()([first(inputs), second(inputs)])


def with_a_shortcut(inputs, first, second):
    middle = first(inputs)
    return keras.layers.Add()([middle, second(middle)])


@pytest.mark.parametrize("name", sorted(MODELS.keys() - {"pretrained"}))
def test_a_model_built_twice_in_one_process_has_one_digest_and_other_weights_another(name):
    first, again, other = built(name), built(name), built(name, seed=2)

    assert weights_sha256(first) == weights_sha256(again)
    assert weights_sha256(first) != weights_sha256(other)


def test_a_model_that_was_trained_saved_and_loaded_keeps_its_digest(tmp_path):
    model = built("r2plus1d_fast")
    model.compile("adam", loss=keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=False)
    model.train_on_batch(np.zeros((2, 3, 12, 20, 3), np.uint8), np.eye(2))
    model.save(tmp_path / "model.keras")

    again = keras.models.load_model(tmp_path / "model.keras")

    assert weights_sha256(again) == weights_sha256(model)


def test_the_same_layers_wired_or_configured_otherwise_have_another_digest():
    models = [wired(one_after_the_other), wired(side_by_side), wired(with_a_shortcut), wired(side_by_side, "tanh")]

    digests = {weights_sha256(model) for model in models}

    assert {model.count_params() for model in models} == {40}
    assert len(digests) == len(models)
