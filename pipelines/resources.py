"""What each step is given on a cluster: retries, time, processors, memory, accelerators, volumes, secrets.

This table is the one place for such settings; `reelflow compile` writes them into the pipeline. They say nothing on
this machine: `reelflow run` leaves them out.

- **Retries** are for steps that speak to the network or to a shared folder, where a second try can help, with a pause
  that doubles. The others read what is already there: a second try would only fail again, later.
- **Requests** are what the scheduler keeps free; only memory has a limit, since a processor that idles helps nobody.
- **Accelerators** are asked for by type and number; `reelflow submit --gpus 0` trains without.
- **The claim** `reelflow` is a PersistentVolumeClaim of the run's namespace, mounted at `/reelflow` in the steps that
  read or write the store or the serving directory: `store_dir=/reelflow/store`, `serving_dir=/reelflow/serving`. Steps
  on several nodes need a claim that many nodes may write (ReadWriteMany).
- **The secret** `reelflow-network` need not exist. Its keys `https_proxy` and `no_proxy` become the variables that the
  fetching of videos reads; a proxy's address may hold a password, so it is no parameter.
- **The service account** is the run's and not a step's: `reelflow submit --service-account NAME`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

MINUTE_S = 60
HOUR_S = 60 * MINUTE_S

CLAIM = "reelflow"
CLAIM_FOLDER = "/reelflow"
NETWORK_SECRET = "reelflow-network"
NETWORK_VARIABLES = {"https_proxy": "HTTPS_PROXY", "no_proxy": "NO_PROXY"}

# TensorFlow Data Validation has wheels for this architecture only, and so has the image.
NODE_SELECTOR = ("kubernetes.io/arch", "amd64")

RETRY_PAUSE = "30s"
RETRY_PAUSE_FACTOR = 2.0
RETRY_PAUSE_AT_MOST = "10m"


@dataclass(frozen=True)
class Resources:
    """What one step is given on a cluster.

    Attributes:
        cpu: Processors that are kept free for it, in Kubernetes' notation.
        memory: Memory that is kept free for it, in Kubernetes' notation.
        memory_limit: Above this it is ended.
        timeout_s: A pod that works longer is ended.
        retries: Further tries after a failure.
        uses_claim: Whether it reads or writes the store or the serving directory.
        secrets: Environment variables by the key of the network secret that holds them.
        gpu_type: Resource name of its accelerators; empty for none.
        gpus: How many of them.
        shared_memory: Size of /dev/shm, which is 64 MiB where nothing is said; empty leaves it so.
    """

    cpu: str
    memory: str
    memory_limit: str
    timeout_s: int
    retries: int = 0
    uses_claim: bool = False
    secrets: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    gpu_type: str = ""
    gpus: int = 0
    shared_memory: str = ""


RESOURCES: Mapping[str, Resources] = {
    "ingest_videos": Resources(
        cpu="1",
        memory="1Gi",
        memory_limit="4Gi",
        timeout_s=6 * HOUR_S,
        retries=3,
        uses_claim=True,
        secrets=NETWORK_VARIABLES,
    ),
    "find_baseline": Resources(
        cpu="250m", memory="512Mi", memory_limit="2Gi", timeout_s=15 * MINUTE_S, retries=3, uses_claim=True
    ),
    "extract_frames": Resources(
        cpu="4", memory="4Gi", memory_limit="16Gi", timeout_s=12 * HOUR_S, retries=1, uses_claim=True
    ),
    "validate_clips": Resources(cpu="1", memory="2Gi", memory_limit="8Gi", timeout_s=2 * HOUR_S),
    "train_model": Resources(
        cpu="4",
        memory="8Gi",
        memory_limit="32Gi",
        timeout_s=24 * HOUR_S,
        uses_claim=True,
        gpu_type="nvidia.com/gpu",
        gpus=1,
        shared_memory="2Gi",
    ),
    "evaluate_model": Resources(cpu="2", memory="4Gi", memory_limit="16Gi", timeout_s=4 * HOUR_S),
    "push_model": Resources(cpu="1", memory="2Gi", memory_limit="8Gi", timeout_s=HOUR_S, retries=3, uses_claim=True),
}


def give_resources(task: Any) -> None:
    """Give a task, as calling a step's component returns it, what the table says of its step."""
    from kfp import kubernetes  # here, since submitting reads this table without kfp

    given = RESOURCES[task.name.replace("-", "_")]
    task.set_cpu_request(given.cpu).set_memory_request(given.memory).set_memory_limit(given.memory_limit)
    if given.retries:
        task.set_retry(given.retries, RETRY_PAUSE, RETRY_PAUSE_FACTOR, RETRY_PAUSE_AT_MOST)
    kubernetes.set_timeout(task, given.timeout_s)
    kubernetes.add_node_selector(task, *NODE_SELECTOR)
    if given.uses_claim:
        kubernetes.mount_pvc(task, pvc_name=CLAIM, mount_path=CLAIM_FOLDER)
    if given.secrets:
        kubernetes.use_secret_as_env(task, NETWORK_SECRET, dict(given.secrets), optional=True)
    if given.gpus:
        task.set_accelerator_type(given.gpu_type).set_accelerator_limit(given.gpus)
        # clouds taint nodes with accelerators, so that nothing else is put there
        kubernetes.add_toleration(task, key=given.gpu_type, operator="Exists", effect="NoSchedule")
    if given.shared_memory:
        kubernetes.empty_dir_mount(task, "shm", "/dev/shm", medium="Memory", size_limit=given.shared_memory)
