"""How fast this device trains each model in each precision, so that a user can choose."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras  # noqa: TID253 - only `reelflow bench` imports this module
import numpy as np
import tensorflow as tf  # noqa: TID253

from components.contract.clips import ClipGeometry
from components.contract.figures import Figure
from components.train_model.model_summary import summarized
from components.train_model.models import build_model

_GEOMETRY = ClipGeometry(n_frames=8, frame_height=112, frame_width=112)
_N_LABELS = 10
_MODELS = ("r2plus1d_fast", "tutorial", "r2plus1d_18")
_CPU_BATCH_SIZE, _GPU_BATCH_SIZE = 2, 32
_ROUNDS, _N_STEPS = 2, 4
_CPU_SIDE, _GPU_SIDE = 2048, 8192
# A step is a forward pass and a backward one, which takes twice as many operations: gradients by values and by weights.
_PASSES = 3
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


def speed_figures() -> Iterator[Figure]:
    """Yield one figure for each model and precision: the fraction of the device's peak of matrix multiplication.

    Its text says the time of a step, clips per second and the share of waiting for input.
    """
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    batch_size = _GPU_BATCH_SIZE if on_gpu else _CPU_BATCH_SIZE
    for precision in precisions(on_gpu=on_gpu):
        peak = matmul_flops_per_s(precision.removeprefix("mixed_"), side=_GPU_SIDE if on_gpu else _CPU_SIDE)
        for name in _MODELS:
            yield _speed_figure(name, precision, batch_size, peak=peak)


def precisions(*, on_gpu: bool) -> tuple[str, ...]:
    """Return the precisions that this device multiplies in hardware."""
    if on_gpu:
        return ("float32", "mixed_float16", "mixed_bfloat16")
    return ("float32", "mixed_bfloat16") if multiplies_bfloat16() else ("float32",)


def multiplies_bfloat16() -> bool:
    """Say whether this machine's CPU (or its GPU, of whatever kind) multiplies bfloat16 in hardware."""
    if tf.config.list_physical_devices("GPU"):
        return True
    flags = Path("/proc/cpuinfo")
    return flags.is_file() and bool(_BFLOAT16_FLAGS & set(flags.read_text().split()))


@contextmanager
def precision_of(policy: str) -> Iterator[None]:
    """Build layers of this dtype policy in the block."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def compiled(model: Any) -> Any:
    """Compile a model for classification as the tutorial does."""
    model.compile(
        optimizer=keras.optimizers.Adam(1e-4),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,  # XLA on a CPU is slower for all: seven times for the tutorial's model
    )
    return model


def training_step(model: Any, batch_size: int) -> Callable[[], None]:
    """Return a function that trains the model on one batch of noise in memory."""
    rng = np.random.default_rng(1)
    clips = rng.integers(0, 256, (batch_size, *model.inputs[0].shape[1:]), dtype=np.uint8)
    labels = rng.integers(0, model.outputs[0].shape[-1], batch_size)
    compiled(model)

    def step() -> None:
        model.train_on_batch(clips, labels)

    return step


def matmul_flops_per_s(dtype: str, *, side: int) -> float:
    """Measure the floating-point operations per second of multiplying square matrices: twice side³ in the time."""
    factors = tf.cast(tf.random.stateless_uniform((2, side, side), (0, 1)), dtype)

    @tf.function  # type: ignore[untyped-decorator, unused-ignore] # tensorflow is untyped
    def product() -> Any:
        return tf.reduce_sum(tf.cast(tf.matmul(factors[0], factors[1])[0], tf.float32))

    return 2 * side**3 / _least_seconds(lambda: float(product()))


def _speed_figure(name: str, precision: str, batch_size: int, *, peak: float) -> Figure:
    with precision_of(precision):
        model = build_model(name, _GEOMETRY, _N_LABELS)
    flops = summarized(model).flops
    seconds = _least_seconds(training_step(model, batch_size))
    wait = _input_wait(model, batch_size)
    text = (
        f"{name}, {precision.removeprefix('mixed_')}: {1000 * seconds:.0f} ms per step of {batch_size}, "
        f"{batch_size / seconds:.1f} clips/s, input wait {wait:.1%}; fraction of the peak"
    )
    against = f"the measured {peak / 1e9:.0f} GFLOP/s of matrix multiplication"
    return Figure(text, _PASSES * flops * batch_size / seconds / peak, None, against)


def _input_wait(model: Any, batch_size: int) -> float:
    """Return the share of steps spent waiting for batches of JPEG frames that tf.data decodes meanwhile."""
    # A texture and not noise of pixels, which takes JPEG several times the bytes of a photograph.
    coarse = np.random.default_rng(1).integers(0, 256, (14, 14, 3), dtype=np.uint8)
    frame = tf.cast(tf.image.resize(coarse, _GEOMETRY.shape[1:3]), tf.uint8)
    jpegs = tf.constant([tf.io.encode_jpeg(frame).numpy()] * _GEOMETRY.n_frames)

    def decoded(_: Any) -> tuple[Any, Any]:
        frames = [tf.io.decode_jpeg(jpegs[i], channels=3) for i in range(_GEOMETRY.n_frames)]
        return tf.ensure_shape(tf.stack(frames), _GEOMETRY.shape), 0

    dataset = tf.data.Dataset.range(1 << 30).map(decoded, num_parallel_calls=tf.data.AUTOTUNE)
    batches = iter(dataset.batch(batch_size).prefetch(2))
    model.train_on_batch(*next(batches))
    waited, started = 0.0, time.perf_counter()
    for _ in range(_N_STEPS):
        before = time.perf_counter()
        frames, labels = next(batches)
        waited += time.perf_counter() - before
        model.train_on_batch(frames, labels)
    return waited / (time.perf_counter() - started)


def _least_seconds(work: Callable[[], Any]) -> float:
    """Return the least time of a few turns after an unmeasured one."""
    work()
    turns = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        work()
        turns.append(time.perf_counter() - started)
    return min(turns)
