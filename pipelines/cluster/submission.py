"""Submit a run: check everything here, upload the pipeline where it is new, create the run."""

import copy
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from components import __version__
from components.contract.errors import StepError
from pipelines.cluster.client import Api, equals
from pipelines.parameters import COMPILED, check, declared, read_specs
from pipelines.registry import RegistryError, pinned
from pipelines.resources import CLAIM_FOLDER
from pipelines.workspace import new_name

EXPERIMENT = "reelflow"
_DIGITS_OF_DIGEST = 12


@dataclass(frozen=True)
class Changes:
    """What a cluster may want otherwise than the compiled pipeline says.

    Attributes:
        image: The image that every step runs in, by digest or by tag; empty keeps the compiled one.
        gpus: Accelerators of each step that asks for some; None keeps the compiled number, 0 asks for none.
    """

    image: str = ""
    gpus: int | None = None


@dataclass(frozen=True)
class Placement:
    """Where a run belongs and what it runs as.

    Attributes:
        experiment: KFP's group of runs; made where it is absent.
        pipeline_root: Where artifacts go, e.g. `s3://bucket/folder`; empty for the cluster's default.
        service_account: What the pods run as; empty for the cluster's default.
    """

    experiment: str = EXPERIMENT
    pipeline_root: str = ""
    service_account: str = ""


@dataclass(frozen=True)
class Prepared:
    """All that is sent for a run, checked.

    Attributes:
        pipeline: The pipeline's name in KFP.
        version: The version's name: Reelflow's version and the digest's first digits.
        digest: SHA-256 of the text.
        text: The compiled pipeline, as it is uploaded.
        images: The images that the steps run in.
        parameters: Those given, and the folders on the claim; the others have their defaults in the text.
        unknown_digest: Why the image still has a tag in place of its digest, or "".
    """

    pipeline: str
    version: str
    digest: str
    text: str
    images: tuple[str, ...]
    parameters: dict[str, Any]
    unknown_digest: str = ""


@dataclass(frozen=True)
class Uploaded:
    """A version of the pipeline that the cluster has.

    Attributes:
        pipeline_id: KFP's id of the pipeline.
        version_id: KFP's id of the version.
        is_new: Whether this call uploaded it.
    """

    pipeline_id: str
    version_id: str
    is_new: bool


def cluster_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a run on a cluster: the given ones, and the claim's folders where none are given."""
    folders = {"store_dir": f"{CLAIM_FOLDER}/store", "serving_dir": f"{CLAIM_FOLDER}/serving/video_classifier"}
    return {**folders, **given}


def prepare(
    given: Mapping[str, Any], *, changes: Changes, compiled: Path = COMPILED, digest_may_be_unknown: bool = False
) -> Prepared:
    """Check the parameters and the versions, and return what would be sent; nothing is.

    An image that is given by its tag goes by the digest that its registry holds now: a tag may mean another image when
    the step starts, and KFP's cache knows images by their names.

    Args:
        given: The parameters.
        changes: What the cluster wants otherwise.
        compiled: The compiled pipeline.
        digest_may_be_unknown: Whether the tag stays where the registry does not tell its digest.

    Raises:
        ParameterError: If the parameters do not fit.
        StepError: If the compiled pipeline or the image is of another version.
        RegistryError: If the image's registry does not tell its digest.
    """
    specs = read_specs(compiled)
    _refuse_other_sdk(specs[0]["sdkVersion"])
    parameters = check(declared(specs[0]["root"].get("inputDefinitions", {})), cluster_parameters(given))
    for image in [changes.image] if changes.image else _images(specs):
        _refuse_other_image(image)
    changes, unknown_digest = _by_digest(changes, may_be_unknown=digest_may_be_unknown)
    specs = _changed(specs, changes)
    text = yaml.dump_all(specs, sort_keys=False, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Prepared(
        pipeline=specs[0]["pipelineInfo"]["name"],
        version=f"{__version__}-{digest[:_DIGITS_OF_DIGEST]}",
        digest=digest,
        text=text,
        images=tuple(_images(specs)),
        parameters=parameters,
        unknown_digest=unknown_digest,
    )


def upload(api: Api, prepared: Prepared) -> Uploaded:
    """Return the cluster's version of the pipeline; it is uploaded only where no version has its digest."""
    pipeline, _ = api.made_once(
        lambda: named(api, "pipelines", "pipelines", prepared.pipeline, namespace=api.namespace),
        lambda: api.create(
            "pipelines", _filled(name=prepared.pipeline, display_name=prepared.pipeline, namespace=api.namespace)
        ),
    )
    pipeline_id = pipeline["pipeline_id"]
    version, is_new = api.made_once(
        lambda: named(api, f"pipelines/{pipeline_id}/versions", "pipeline_versions", prepared.version),
        lambda: api.create(
            "pipelines/upload_version",
            file=(f"{prepared.pipeline}.yaml", prepared.text.encode()),
            name=prepared.version,
            pipelineid=pipeline_id,
            description=f"sha256:{prepared.digest}",
        ),
    )
    return Uploaded(pipeline_id=pipeline_id, version_id=version["pipeline_version_id"], is_new=is_new)


def experiment_id(api: Api, name: str) -> str:
    """Return KFP's id of the experiment of that name, which is made where it is absent."""
    experiment, _ = api.made_once(
        lambda: named(api, "experiments", "experiments", name, namespace=api.namespace),
        lambda: api.create("experiments", _filled(display_name=name, namespace=api.namespace)),
    )
    return str(experiment["experiment_id"])


def create_run(
    api: Api,
    version: Mapping[str, Any],
    *,
    experiment: str,
    parameters: Mapping[str, Any],
    placement: Placement,
    pipeline: str,
) -> dict[str, Any]:
    """Create a run, once, and return it.

    Args:
        api: The API.
        version: KFP's reference of the pipeline's version.
        experiment: KFP's id of the experiment.
        parameters: Checked.
        placement: What it runs as.
        pipeline: The pipeline's name, from which the run's is made.
    """
    name = f"{pipeline} {new_name()}"  # no other run has it: so a run whose answer got lost is found again
    body = run_body(name, version, experiment=experiment, parameters=parameters, placement=placement)
    run, _ = api.made_once(
        lambda: named(api, "runs", "runs", name, experiment_id=experiment), lambda: api.create("runs", body)
    )
    return dict(run)


def run_body(
    name: str, version: Mapping[str, Any], *, experiment: str, parameters: Mapping[str, Any], placement: Placement
) -> dict[str, Any]:
    """Return what runs and recurring runs have in common, as the API takes it."""
    return _filled(
        display_name=name,
        experiment_id=experiment,
        pipeline_version_reference=dict(version),
        runtime_config=_filled(parameters=dict(parameters), pipeline_root=placement.pipeline_root),
        service_account=placement.service_account,
    )


def reference(uploaded: Uploaded) -> dict[str, str]:
    """Return KFP's reference of an uploaded version."""
    return {"pipeline_id": uploaded.pipeline_id, "pipeline_version_id": uploaded.version_id}


def named(api: Api, path: str, key: str, name: str, **query: str) -> dict[str, Any] | None:
    """Return the entry of a list that has that display name, or None.

    The filter is the one that kfp.Client 2.17.0 sends.
    """
    found = api.listed(path, key, filter=equals("display_name", name), **query)
    return next((entry for entry in found if entry.get("display_name") == name), None)


def _filled(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in ("", None)}


def _images(specs: list[dict[str, Any]]) -> list[str]:
    return sorted({executor["container"]["image"] for executor in specs[0]["deploymentSpec"]["executors"].values()})


def _by_digest(changes: Changes, *, may_be_unknown: bool) -> tuple[Changes, str]:
    """Return the changes with the image's digest for its tag, and why that could not be, or ""."""
    try:
        return replace(changes, image=pinned(changes.image)), ""
    except RegistryError as error:
        if not may_be_unknown:
            raise
        return changes, error.found


def _changed(specs: list[dict[str, Any]], changes: Changes) -> list[dict[str, Any]]:
    specs = copy.deepcopy(specs)
    for executor in specs[0]["deploymentSpec"]["executors"].values():
        container = executor["container"]
        if changes.image:
            container["image"] = changes.image
        accelerator = container.get("resources", {}).get("accelerator")
        if accelerator and changes.gpus:
            accelerator |= {"count": str(changes.gpus), "resourceCount": str(changes.gpus)}
        elif accelerator and changes.gpus == 0:
            del container["resources"]["accelerator"]
    return specs


def _refuse_other_sdk(compiled_by: str) -> None:
    installed = f"kfp-{metadata.version('kfp')}"
    if compiled_by.split(".")[:2] != installed.split(".")[:2]:
        raise StepError(
            f"The pipeline was compiled by {compiled_by}, and {installed} is installed.",
            remedy="Run `reelflow compile`, or install the locked requirements.",
        )


def _refuse_other_image(image: str) -> None:
    """An image that is named by its digest alone may hold anything; its name cannot tell."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    if tag != __version__ and not (digest and not tag):
        found = f"of version {tag}" if tag else "without a version"
        raise StepError(
            f"The image {image} is {found}; this is Reelflow {__version__}.",
            remedy=f"Give one whose tag is {__version__}, or name it by its digest (NAME@sha256:…).",
        )
