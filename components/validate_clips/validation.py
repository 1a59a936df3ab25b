"""Validation of clips from end to end: statistics, findings, page; and whether the run stops."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from components.contract.accepted import STATISTICS_FOLDER, Accepted, Baseline
from components.contract.clips import read_clip_table, read_clips
from components.contract.errors import StepError
from components.contract.files import emptied, write_bytes, write_json
from components.contract.statistics import (
    FINDINGS_NAME,
    SCHEMA_NAME,
    STATISTICS_NAME,
    finish_statistics,
    read_statistics,
)
from components.contract.videos import SPLITS
from components.validate_clips.contact_sheet import contact_sheet
from components.validate_clips.distributions import (
    anomalies,
    drift,
    schema_of,
    schema_text,
    statistics_bytes,
    statistics_from_bytes,
    statistics_of,
    with_thresholds,
)
from components.validate_clips.findings import Finding, Severity, named, table_findings
from components.validate_clips.near_duplicates import near_duplicates
from components.validate_clips.page import page_text
from components.validate_clips.reviewed_schema import read_schema

if TYPE_CHECKING:
    import pyarrow

_STOPPING: dict[str, tuple[Severity, ...]] = {"error": ("error",), "warning": ("error", "warning"), "never": ()}
_NAMED = 5


@dataclass(frozen=True)
class Validation:
    """What came of it.

    Attributes:
        findings: Errors first.
        n_clips: Number of clips per split.
        digest: Content digest of the statistics.
    """

    findings: tuple[Finding, ...]
    n_clips: dict[str, int]
    digest: str

    @property
    def metrics(self) -> dict[str, float]:
        """Numbers for the UI."""
        severities = [finding.severity for finding in self.findings]
        clips = {f"{split}_clips": float(self.n_clips[split]) for split in SPLITS}
        return {**clips, "errors": float(severities.count("error")), "warnings": float(severities.count("warning"))}


def stopping_severities(fail_on: str) -> tuple[Severity, ...]:
    """Return the severities that stop the run.

    Raises:
        StepError: If `fail_on` is none of error, warning and never.
    """
    if fail_on not in _STOPPING:
        raise StepError(f"fail_on is {fail_on!r}.", remedy=f"Give one of {', '.join(_STOPPING)}.")
    return _STOPPING[fail_on]


def stop_on(findings: Sequence[Finding], stopping: Sequence[Severity]) -> None:
    """Raise a StepError that names the findings of these severities, if there are any."""
    serious = [finding.sentence for finding in findings if finding.severity in stopping]
    if not serious:
        return
    rest = f" And {len(serious) - _NAMED} more." if len(serious) > _NAMED else ""
    raise StepError(
        f"The clips do not pass validation. {' '.join(serious[:_NAMED])}{rest}",
        remedy="The page of validate_clips shows it all. Mend the data, or set fail_on to never to go on regardless.",
    )


def validate(
    clips: Path,
    *,
    clips_digest: str,
    baseline: Baseline,
    statistics: Path,
    page: Path,
    drift_threshold: float,
    near_duplicate_distance: int = 10,
    schema_uri: str = "",
) -> Validation:
    """Write statistics, schema, findings and the page of a finished folder of clips.

    Args:
        clips: Finished folder of clips; only its table is read.
        clips_digest: The digest that was promised.
        baseline: The accepted version to compare with, or none.
        statistics: Folder that receives statistics, schema and findings.
        page: File that receives the page.
        drift_threshold: See `schema_of`.
        near_duplicate_distance: See `near_duplicates`.
        schema_uri: A reviewed schema, a path or gs://; empty to infer one.
    """
    held = read_clips(clips, digest=clips_digest, checksums=False)
    table = read_clip_table(clips)
    computed = statistics_of(table)
    if schema_uri:
        schema = with_thresholds(read_schema(schema_uri), drift_threshold=drift_threshold)
    else:
        schema = schema_of(computed, labels=held.labels, drift_threshold=drift_threshold)
    findings = [
        *table_findings(table, held.labels),
        *near_duplicates(table, distance=near_duplicate_distance),
        *anomalies(computed, schema),
    ]
    if baseline.accepted is not None:
        findings += _changed_classes(held.labels, baseline.accepted)
        findings += drift(computed, schema, earlier=_earlier_statistics(baseline), version=baseline.accepted.version)
    findings.sort(key=lambda finding: get_args(Severity).index(finding.severity))
    n_clips = _n_clips(table)
    emptied(statistics)
    write_bytes(statistics / STATISTICS_NAME, statistics_bytes(computed))
    write_bytes(statistics / SCHEMA_NAME, schema_text(schema).encode())
    write_json(statistics / FINDINGS_NAME, [asdict(finding) for finding in findings])
    finished = finish_statistics(statistics, clips_digest=held.digest, n_clips=n_clips)
    strips = contact_sheet(clips, table, held.labels)
    text = page_text(table, labels=held.labels, findings=findings, accepted=baseline.accepted, strips=strips)
    write_bytes(page, text.encode())
    return Validation(findings=tuple(findings), n_clips=n_clips, digest=finished.digest)


def _n_clips(table: "pyarrow.Table") -> dict[str, int]:
    splits: list[str] = table["split"].to_pylist()
    return {split: splits.count(split) for split in SPLITS}


def _changed_classes(labels: Sequence[str], accepted: Accepted) -> list[Finding]:
    new = sorted(set(labels) - set(accepted.labels))
    gone = sorted(set(accepted.labels) - set(labels))
    changes = [*([f"new: {named(new)}"] if new else []), *([f"gone: {named(gone)}"] if gone else [])]
    if not changes:
        return []
    sentence = f"The classes are not those of version {accepted.version} ({'; '.join(changes)})."
    return [Finding("warning", "classes", sentence)]


def _earlier_statistics(baseline: Baseline) -> object:
    folder = baseline.folder / STATISTICS_FOLDER
    read_statistics(folder)
    return statistics_from_bytes((folder / STATISTICS_NAME).read_bytes())
