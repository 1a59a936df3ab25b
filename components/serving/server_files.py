"""What servers are told: TF Serving's model config, and KServe's InferenceService."""

import json
import re
from pathlib import PurePosixPath


def tf_serving_config(base_path: str, *, version: int, name: str | None = None) -> bytes:
    """Return TF Serving's config that names one version of a base path (`specific` policy), as a text proto.

    A server reads it with `--model_config_file=… --model_config_file_poll_wait_seconds=30` and loads that version and
    no other (https://www.tensorflow.org/tfx/serving/serving_config).

    Args:
        base_path: Folder or gs:// address of the versions, as the server sees it.
        version: The served one.
        name: Of the model in requests; the base path's last name where nothing is said.
    """
    lines = (
        "model_config_list {",
        "  config {",
        f"    name: {json.dumps(name or model_name(base_path))}",
        f"    base_path: {json.dumps(base_path)}",
        '    model_platform: "tensorflow"',
        f"    model_version_policy {{ specific {{ versions: {version} }} }}",
        "  }",
        "}",
    )
    return ("\n".join(lines) + "\n").encode()


def kserve_manifest(base_path: str, *, version: int, name: str | None = None) -> str:
    """Return a KServe InferenceService that serves one version of a base path with TF Serving.

    KServe's TF Serving runtime reads /mnt/models, where a version is a folder named by its number; `storageUris` puts
    that one version there (https://kserve.github.io/website/docs/model-serving/storage/multiple-storage-uris).

    Args:
        base_path: gs:// address of the versions, or pvc://claim/path.
        version: The served one.
        name: Of the service; the base path's last name where nothing is said.
    """
    service = re.sub("[^a-z0-9-]+", "-", (name or model_name(base_path)).lower()).strip("-")
    lines = (
        "apiVersion: serving.kserve.io/v1beta1",
        "kind: InferenceService",
        "metadata:",
        f"  name: {service}",
        "spec:",
        "  predictor:",
        "    model:",
        "      modelFormat:",
        "        name: tensorflow",
        "      storageUris:",
        f"        - uri: {json.dumps(f'{base_path}/{version}')}",
        f"          mountPath: /mnt/models/{version}",
    )
    return "\n".join(lines) + "\n"


def model_name(base_path: str) -> str:
    """Return the name that a base path gives its model."""
    return PurePosixPath(base_path).name
