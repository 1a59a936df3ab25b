"""What a training runs on: one device, several, or several machines; and in which precision."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras  # noqa: TID253 - only training imports this module
import tensorflow as tf  # noqa: TID253

from components.contract.clips import ClipGeometry
from components.contract.errors import StepError
from components.train_model.recipe import ACCELERATORS

# bfloat16 on a CPU that has it gained 1.2 times at 224x224 and 1.05 times at 64x80: casts then cost what it saves.
_LEAST_BFLOAT16_PIXELS = 112 * 112


@dataclass(frozen=True)
class Hardware:
    """The devices of a training.

    Attributes:
        strategy: A tf.distribute.Strategy; TensorFlow's default one for a single device.
        is_chief: Whether this process writes what comes of it; of several machines one does.
        has_gpu: Whether it trains on GPUs.
    """

    strategy: Any
    is_chief: bool
    has_gpu: bool

    @property
    def n_replicas(self) -> int:
        """Copies of the model that share each batch."""
        return int(self.strategy.num_replicas_in_sync)


def chosen_hardware(accelerator: str, *, cluster: str) -> Hardware:
    """Return the devices to train on.

    Call it before any other work of TensorFlow: machines find one another when their process starts.

    Args:
        accelerator: auto takes every GPU that is there, and the CPU where there is none; cpu; gpu.
        cluster: The value of TF_CONFIG as Kubeflow's Training Operator sets it, or "" for this machine alone.

    Raises:
        StepError: If a GPU was asked for and none is found, or if the cluster cannot be understood.
    """
    if accelerator not in ACCELERATORS:
        raise StepError(
            f"accelerator is {accelerator!r}.", remedy=f"Set accelerator to one of: {', '.join(ACCELERATORS)}."
        )
    gpus = [] if accelerator == "cpu" else tf.config.list_physical_devices("GPU")
    if accelerator == "gpu" and not gpus:
        raise StepError(
            "accelerator is gpu, and TensorFlow finds none here.",
            remedy="Use an image with CUDA on a machine with a GPU, or set accelerator=auto.",
        )
    members = _members(cluster)
    if members.n_machines > 1:
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec(members.addresses),
            task_type=members.task_type,
            task_id=members.task_id,
            num_accelerators={"GPU": len(gpus)},
            rpc_layer="grpc",
        )
        strategy = tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    elif len(gpus) > 1:
        strategy = tf.distribute.MirroredStrategy()
    elif accelerator == "cpu":
        strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    else:
        strategy = tf.distribute.get_strategy()
    return Hardware(strategy=strategy, is_chief=members.is_chief, has_gpu=bool(gpus))


def resolved_precision(precision: str, *, geometry: ClipGeometry) -> str:
    """Return float32, bfloat16 or float16.

    auto is bfloat16 on GPUs that have it (compute capability from 8.0), float16 on those with half-precision matrix
    units (from 7.0), bfloat16 on CPUs that have it where frames are large enough to gain, and float32 elsewhere.
    """
    if precision != "auto":
        return precision
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        capability = min(
            tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0)) for gpu in gpus
        )
        return "bfloat16" if capability >= (8, 0) else "float16" if capability >= (7, 0) else "float32"
    large = geometry.frame_height * geometry.frame_width >= _LEAST_BFLOAT16_PIXELS
    return "bfloat16" if large and cpu_has_bfloat16() else "float32"


def cpu_has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Say whether this CPU multiplies bfloat16 itself; where it does not, bfloat16 is many times slower."""
    try:
        flags = set(cpuinfo.read_text().split())
    except OSError:
        return False
    return bool(flags & {"avx512_bf16", "amx_bf16"})


@contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Let Keras build layers that compute in a precision and keep their weights in float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@dataclass(frozen=True)
class _Members:
    addresses: dict[str, list[str]]
    task_type: str
    task_id: int

    @property
    def n_machines(self) -> int:
        return sum(len(addresses) for addresses in self.addresses.values())

    @property
    def is_chief(self) -> bool:
        return self.task_type == "chief" or ("chief" not in self.addresses and self.task_id == 0)


def _members(cluster: str) -> _Members:
    if not cluster:
        return _Members({}, "worker", 0)
    try:
        stored = json.loads(cluster)
        addresses = {str(kind): [str(address) for address in found] for kind, found in stored["cluster"].items()}
        members = _Members(addresses, str(stored["task"]["type"]), int(stored["task"]["index"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StepError(
            f"TF_CONFIG cannot be understood ({error!r}).", remedy="Let the Training Operator set it, or unset it."
        ) from error
    if set(addresses) - {"chief", "worker"} or not 0 <= members.task_id < len(addresses.get(members.task_type, [])):
        raise StepError(
            f"TF_CONFIG names {sorted(addresses)} and this process {members.task_type} {members.task_id}.",
            remedy="Give chief and worker replicas only: all of them train.",
        )
    return members
