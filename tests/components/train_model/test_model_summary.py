import json

import pytest
import tensorflow as tf
from tensorflow.python.profiler import model_analyzer, option_builder

from components.contract.clips import ClipGeometry
from components.contract.model import MODEL_DIAGRAM_NAME, MODEL_SUMMARY_NAME
from components.train_model.export import weights_sha256
from components.train_model.model_summary import summarized, write_summary
from components.train_model.models import build_model

GEOMETRY = ClipGeometry(n_frames=4, frame_height=32, frame_width=48)


def profiled_flops(model) -> int:
    function = tf.function(lambda clips: model(clips)).get_concrete_function(
        tf.TensorSpec((1, *GEOMETRY.shape), tf.uint8)
    )
    builder = option_builder.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    return model_analyzer.profile(function.graph, options=options).total_float_ops


@pytest.mark.parametrize("name", ["tutorial", "r2plus1d_fast", "r2plus1d_18"])
def test_flops_are_tensorflows_profilers_but_for_what_is_a_few_per_value(name):
    model = build_model(name, GEOMETRY, 10)

    found = summarized(model).flops

    assert 0.9 < found / profiled_flops(model) <= 1


def test_the_tutorials_model_takes_the_flops_that_arithmetic_gives():
    summary = summarized(build_model("tutorial", ClipGeometry(10, 224, 224), 10))

    stem = 2 * 10 * 224 * 224 * (7 * 7 * 3 * 16 + 3 * 16 * 16)
    assert summary.layers[1].flops == stem
    assert summary.flops == pytest.approx(8.526e9, rel=1e-3)
    assert (summary.n_parameters, summary.n_trainable) == (443_322, 443_290)


def test_each_layer_says_what_it_takes_and_gives():
    summary = summarized(build_model("r2plus1d_fast", GEOMETRY, 10))

    by_kind = {row.kind: row for row in summary.layers}
    assert by_kind["Dense"].output_shape == (1, 10)
    assert by_kind["Dense"].inputs == (by_kind["GlobalAveragePooling3D"].name,)
    assert len(by_kind["Add"].inputs) == 2
    assert sum(row.n_parameters for row in summary.layers) == summary.n_parameters


def test_summary_and_diagram_are_the_same_bytes_each_time_and_leave_the_model_as_it_was(tmp_path):
    model = build_model("tutorial", GEOMETRY, 3)
    before = weights_sha256(model)

    for name in ("first", "again"):
        write_summary(tmp_path / name, summarized(model))

    assert weights_sha256(model) == before
    for name in (MODEL_SUMMARY_NAME, MODEL_DIAGRAM_NAME):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    stored = json.loads((tmp_path / "first" / MODEL_SUMMARY_NAME).read_text())
    assert stored["n_parameters"] == model.count_params()
    assert "resize_video" in (tmp_path / "first" / MODEL_DIAGRAM_NAME).read_text()
