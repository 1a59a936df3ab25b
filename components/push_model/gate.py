"""Whether a model is pushed, and the record of what was done."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from components.contract.accepted import Accepted, run_fingerprint
from components.contract.errors import StepError
from components.contract.files import emptied, write_json
from components.contract.finished import finish
from components.contract.model import TrainedModel, read_model
from components.contract.statistics import read_statistics
from components.contract.verdict import Verdict, read_verdict
from components.push_model import bucket_publication, folder_publication
from components.serving.directory import ServingDirectory
from components.serving.place import Folder

KIND = "pushed"
PUSHED_NAME = "pushed.json"


@dataclass(frozen=True)
class Candidate:
    """A judged model, verified.

    Attributes:
        folder: The model's folder.
        model: What it holds.
        verdict: The verdict about this model.
        statistics: Folder of the statistics of its clips.
        statistics_digest: Their digest.
    """

    folder: Path
    model: TrainedModel
    verdict: Verdict
    statistics: Path
    statistics_digest: str


@dataclass(frozen=True)
class Pushed:
    """What was done.

    Attributes:
        pushed: Whether a new version is served.
        version: The version that serves this model, or None.
        reason: A sentence for a person.
        digest: Content digest of the record.
    """

    pushed: bool
    version: int | None
    reason: str
    digest: str

    @property
    def metrics(self) -> dict[str, float]:
        """Numbers for the UI; the version only where there is one."""
        pushed = {"pushed": float(self.pushed)}
        return pushed if self.version is None else {**pushed, "version": float(self.version)}


def read_candidate(
    *, model: Path, model_digest: str, evaluation: Path, evaluation_digest: str, statistics: Path
) -> Candidate:
    """Read and verify everything that a push needs.

    Raises:
        StepError: If a part is unfinished, damaged, or about another model or other clips.
    """
    trained = read_model(model, digest=model_digest)
    verdict = read_verdict(evaluation, digest=evaluation_digest)
    stored = read_statistics(statistics)
    if verdict.model_digest != trained.digest:
        raise StepError(
            f"The verdict is about the model {verdict.model_digest[:12]}, not about {trained.digest[:12]}.",
            remedy="Evaluate this model, then push it.",
        )
    if stored.properties["clips_digest"] != verdict.clips_digest:
        raise StepError(
            f"The statistics are of the clips {stored.properties['clips_digest'][:12]}, "
            f"the verdict is on {verdict.clips_digest[:12]}.",
            remedy="Give the statistics of the clips that the model was judged on.",
        )
    return Candidate(
        folder=model, model=trained, verdict=verdict, statistics=statistics, statistics_digest=stored.digest
    )


def push(
    candidate: Candidate, *, serving_dir: str, run_key: str, folder: Path, check: Callable[[Path], object]
) -> Pushed:
    """Publish the model if its verdict allows it and it is not served already; write the record into `folder`.

    Args:
        candidate: The model with its verdict.
        serving_dir: Folder, or gs:// address, that versions are served from.
        run_key: Says which run this is.
        folder: Receives the record of what was done.
        check: Raises a StepError where the model's folder cannot be served from; asked only of what will be.
    """
    directory = ServingDirectory(serving_dir)
    emptied(folder)
    done = partial(_recorded, folder, directory.uri, candidate)
    if not candidate.verdict.may_push:
        reasons = " ".join(rule.sentence for rule in candidate.verdict.rules if not rule.passed)
        return done(pushed=False, version=None, reason=f"Not pushed. {reasons}")
    _tidy_up(directory)
    served = directory.served(warn=print)
    if served is not None and served.model_digest == candidate.model.digest:
        return done(pushed=False, version=served.version, reason=f"Already served as version {served.version}.")
    for version, why in directory.withdrawn().items():
        if _holds(directory, version, candidate.model.digest):
            reason = f"Not pushed. This model is version {version}, which was rolled back: {why}"
            return done(pushed=False, version=None, reason=reason)
    check(candidate.folder)
    version = _published(candidate, directory, run_key=run_key)
    directory.serve(version, by="push", why=_why(candidate.verdict))
    return done(pushed=True, version=version, reason=f"Version {version} is served from {directory.uri}.")


def _tidy_up(directory: ServingDirectory) -> None:
    """Finish or remove what pushes left that died."""
    if isinstance(directory.records, Folder):
        folder_publication.finish_interrupted(directory.records.path)
    else:
        bucket_publication.remove_abandoned(directory)
    directory.finish_interrupted()


def _published(candidate: Candidate, directory: ServingDirectory, *, run_key: str) -> int:
    accepted = partial(_accepted, candidate, run_key=run_key)
    if isinstance(directory.models, Folder) and isinstance(directory.records, Folder):
        return folder_publication.publish(
            candidate.folder,
            statistics=candidate.statistics,
            serving=directory.models.path,
            records=directory.records.path,
            accepted=accepted,
        )
    return bucket_publication.publish(
        candidate.folder, statistics=candidate.statistics, directory=directory, accepted=accepted
    )


def _holds(directory: ServingDirectory, version: int, model_digest: str) -> bool:
    return version in directory.complete_versions() and directory.record(version).model_digest == model_digest


def _why(verdict: Verdict) -> str:
    accuracy = verdict.scores.get("accuracy")
    scored = f"accuracy {accuracy:.3f} on test; " if isinstance(accuracy, float) else ""
    beaten = f"better than version {verdict.baseline_version}" if verdict.baseline_version else "nothing was served"
    return f"The gate let it through: {scored}{beaten}."


def _accepted(candidate: Candidate, version: int, *, run_key: str) -> Accepted:
    model, verdict = candidate.model, candidate.verdict
    return Accepted(
        version=version,
        model=model.model,
        model_digest=model.digest,
        clips_digest=verdict.clips_digest,
        statistics_digest=candidate.statistics_digest,
        labels=model.labels,
        geometry=model.geometry,
        preparation=model.preparation,
        verdict=asdict(verdict),
        run_fingerprint=run_fingerprint(run_key),
        baseline_version=verdict.baseline_version,
        pushed_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )


def _recorded(
    folder: Path, serving_dir: str, candidate: Candidate, *, pushed: bool, version: int | None, reason: str
) -> Pushed:
    record = {
        "pushed": pushed,
        "version": version,
        "reason": reason,
        "serving_dir": serving_dir,
        "model_digest": candidate.model.digest,
        "clips_digest": candidate.verdict.clips_digest,
        "verdict": asdict(candidate.verdict),
        "parameters": {"training": candidate.model.training, "preparation": candidate.model.preparation},
    }
    write_json(folder / PUSHED_NAME, record)
    finished = finish(folder, kind=KIND, properties={"pushed": pushed, "version": version})
    return Pushed(pushed=pushed, version=version, reason=reason, digest=finished.digest)
