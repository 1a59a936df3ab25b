"""One device, several machines, and what is said where the hardware is not there."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.contract.finished import MARKER_NAME
from components.train_model.hardware import chosen_hardware, computing_in, cpu_has_bfloat16, resolved_precision

PROGRAM = """
import json, os, sys
from functools import partial
from pathlib import Path
import numpy as np
from components.train_model import training_run
from components.train_model.models import MODELS
from components.train_model.models.r2plus1d_fast import r2plus1d_fast
from components.train_model.recipe import Recipe
MODELS["small"] = partial(r2plus1d_fast, widths=(4, 8))
folder, name = Path(sys.argv[1]), sys.argv[2]
train = training_run.train
def kept(*arguments, **options):
    trained = train(*arguments, **options)
    np.savez(folder / f"{name}.npz", *trained.weights)
    (folder / f"{name}.json").write_text(json.dumps([[row.loss, row.val_loss] for row in trained.history]))
    return trained
training_run.train = kept
recipe = Recipe(epochs=2, batch_size=8, learning_rate=3e-3, weight_decay=1e-2, warmup_fraction=0.1,
                label_smoothing=0.1, horizontal_flip=True, colour_jitter=0.25, early_stopping_patience=1, seed=1)
places = training_run.Places(store_dir=str(folder / "store"), cluster=os.environ.get("TF_CONFIG", ""))
result = training_run.run_training(folder / "clips", folder / name, clips_digest="", model_name="small",
                                   recipe=recipe, places=places)
print("digest", result.digest)
"""


def free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for opened in sockets:
        opened.bind(("127.0.0.1", 0))
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def test_two_machines_train_one_model_with_equal_weights_and_only_the_chief_writes(tmp_path, write_clips):
    write_clips(tmp_path / "clips", n_clips=20)
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    root = str(Path(__file__).parents[3])

    workers = []
    for index in range(2):
        cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = {**os.environ, "PYTHONPATH": root, "TF_CONFIG": json.dumps(cluster)}
        command = [sys.executable, "-c", PROGRAM, str(tmp_path), f"worker{index}"]
        workers.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
    try:
        told = [worker.communicate(timeout=180)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()

    assert [worker.returncode for worker in workers] == [0, 0], told
    ours, theirs = (np.load(tmp_path / f"worker{index}.npz") for index in range(2))
    assert len(ours.files) > 5
    for name in ours.files:
        np.testing.assert_array_equal(ours[name], theirs[name])
        assert np.isfinite(ours[name]).all()
    assert (tmp_path / "worker0.json").read_text() == (tmp_path / "worker1.json").read_text()
    assert (tmp_path / "worker0" / MARKER_NAME).is_file()
    assert not (tmp_path / "worker1").exists()


def test_a_gpu_that_was_asked_for_and_is_not_there_is_an_error():
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        pytest.skip("this machine has a GPU; run the test where there is none")

    with pytest.raises(StepError, match="finds none here"):
        chosen_hardware("gpu", cluster="")


@pytest.mark.parametrize(
    ("cluster", "said"),
    [
        ("{", "cannot be understood"),
        ('{"cluster": {"worker": ["a:1"]}}', "cannot be understood"),
        ('{"cluster": {"ps": ["a:1"], "worker": ["b:1"]}, "task": {"type": "ps", "index": 0}}', "names"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}', "names"),
    ],
)
def test_a_cluster_that_makes_no_sense_is_refused(cluster, said):
    with pytest.raises(StepError, match=said):
        chosen_hardware("auto", cluster=cluster)


@pytest.mark.parametrize("accelerator", ["auto", "cpu"])
def test_one_machine_alone_is_the_chief(accelerator):
    hardware = chosen_hardware(accelerator, cluster="")

    assert (hardware.n_replicas, hardware.is_chief) == (1, True)


def test_small_frames_are_computed_in_float32_on_a_cpu_and_what_was_asked_for_is_kept():
    small = ClipGeometry(n_frames=8, frame_height=64, frame_width=80)

    assert resolved_precision("auto", geometry=small) == "float32"
    assert resolved_precision("bfloat16", geometry=small) == "bfloat16"


@pytest.mark.parametrize(
    ("flags", "has"), [("fpu avx2 avx512_bf16", True), ("fpu amx_bf16", True), ("fpu avx512f", False)]
)
def test_a_cpu_has_bfloat16_when_its_flags_say_so(tmp_path, flags, has):
    (tmp_path / "cpuinfo").write_text(f"flags\t\t: {flags}\n")

    assert cpu_has_bfloat16(tmp_path / "cpuinfo") is has
    assert cpu_has_bfloat16(tmp_path / "missing") is False


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_layers_compute_in_the_precision_and_keep_their_weights_in_float32(precision):
    with computing_in(precision):
        layer = keras.layers.Dense(2)
        layer.build((None, 3))

    assert (layer.compute_dtype, layer.kernel.dtype) == (precision, "float32")
    assert keras.config.dtype_policy().name == "float32"
