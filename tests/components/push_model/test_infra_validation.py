from dataclasses import replace

import numpy as np
import pytest

from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.contract.model import ANSWERS_NAME, TrainedModel
from components.push_model.infra_validation import Limits, Measured, check_it_serves, fault_of
from components.video.preparation import as_stored, checked_preparation

LIMITS = Limits(latency_s=30.0, memory_gb=8.0)
GOOD = Measured(difference=1e-6, jpeg_difference=1e-6, latency_s=0.1, memory_gb=1.0, fault="")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small model, not trained, as train_model exports it."""
    pytest.importorskip("tensorflow")
    from components.train_model.export import export_model
    from components.train_model.models import build_model

    geometry = ClipGeometry(n_frames=4, frame_height=24, frame_width=32)
    model = build_model("r2plus1d_fast", geometry, 2)
    preparation = as_stored(checked_preparation(sampling="evenly_spaced", frame_step=None, resize="crop"))
    described = TrainedModel("r2plus1d_fast", geometry, preparation, ("run", "sit"), model.count_params(), {}, "")
    folder = tmp_path_factory.mktemp("trained")
    export_model(folder, model, described, [])
    return folder


def test_exported_model_answers_a_video_file_in_a_clean_process_like_the_trained_one(trained):
    measured = check_it_serves(trained, limits=LIMITS)

    assert measured.difference < 1e-4
    assert measured.jpeg_difference < 1e-3
    assert 0 < measured.latency_s < 30
    assert 0.1 < measured.memory_gb < 8


def test_model_that_answers_otherwise_than_it_did_after_its_training_is_refused(trained):
    with np.load(trained / ANSWERS_NAME) as kept:
        clips, probabilities = kept["clips"], kept["probabilities"]
    np.savez_compressed(trained / ANSWERS_NAME, clips=clips, probabilities=probabilities[:, ::-1] + 0.1)

    with pytest.raises(StepError, match=r"Nothing was published.*answers otherwise than the trained one"):
        check_it_serves(trained, limits=LIMITS)


def test_folder_that_holds_no_model_is_refused_with_what_the_process_said(tmp_path):
    with pytest.raises(StepError, match="could not be asked"):
        check_it_serves(tmp_path, limits=LIMITS)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, ""),
        ({"difference": float("nan")}, "answers otherwise"),
        ({"difference": 0.02}, "answers otherwise than the trained one, by 0.02"),
        ({"jpeg_difference": 0.02}, "answers JPEG frames otherwise"),
        ({"latency_s": 31.0}, "takes 31.00 s for a video, more than max_latency_s=30.0"),
        ({"memory_gb": 9.0}, "takes 9.00 GB, more than max_memory_gb=8.0"),
        ({"fault": "answers no probabilities"}, "answers no probabilities"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_each_fault_is_named(change, says):
    fault = fault_of(replace(GOOD, **change), LIMITS)

    assert fault.startswith(says)
    assert bool(fault) == bool(says)
