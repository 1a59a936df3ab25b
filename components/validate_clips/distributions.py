"""Statistics, schema and anomalies of the clip table, by TensorFlow Data Validation.

It sees the light columns of the table, never pixels, and runs in process: no Beam job is started.
"""

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from components.contract.videos import SPLITS
from components.validate_clips.findings import Finding, Severity

if TYPE_CHECKING:
    import pyarrow

# Names and places are left out: each is another, so a schema inferred from train would refuse every other split.
COLUMNS = (
    "label",
    "label_index",
    "split",
    "codec",
    "fps",
    "duration_s",
    "n_video_frames",
    "video_height",
    "video_width",
    "video_bytes",
    "luma",
    "contrast",
    "sharpness",
    "motion",
)
# The least and greatest value that can be; TFDV infers no range by itself.
_RANGES: Mapping[str, tuple[float, float | None]] = {
    "fps": (0.0, None),
    "duration_s": (0.0, None),
    "n_video_frames": (1, None),
    "video_height": (1, None),
    "video_width": (1, None),
    "video_bytes": (1, None),
    "luma": (0.0, 255.0),
    "contrast": (0.0, 127.5),
    "sharpness": (0.0, None),
    "motion": (0.0, 255.0),
}
# Splits have few groups, so their numbers differ by chance more than those of two runs do.
_LEAST_SKEW = 0.5
_FEWEST_FOR_SKEW = 100  # with 24 clips from one distribution the divergence came to 0.57
_DRIFTING = ("duration_s", "fps", "luma", "contrast", "sharpness", "motion", "video_height", "video_width")


def statistics_of(table: "pyarrow.Table") -> Any:
    """Return the statistics of the clip table: a DatasetFeatureStatisticsList with a dataset named after each split.

    A split without clips has no dataset; a split of another name than train, validation and test comes last.
    """
    import pyarrow.compute
    from tensorflow_metadata.proto.v0 import statistics_pb2

    tfdv = _tfdv()
    present = set(table["split"].to_pylist())
    splits = [*(split for split in SPLITS if split in present), *sorted(present - set(SPLITS))]
    together = statistics_pb2.DatasetFeatureStatisticsList()
    for split in splits:
        rows = table.filter(pyarrow.compute.equal(table["split"], split)).select(COLUMNS)
        dataset = together.datasets.add()
        dataset.CopyFrom(tfdv.generate_statistics_from_dataframe(rows.to_pandas(), n_jobs=1).datasets[0])
        dataset.name = split
    return together


def schema_of(statistics: Any, *, labels: Sequence[str], drift_threshold: float) -> Any:
    """Return the schema inferred from train, with the domains, ranges and thresholds that TFDV cannot know.

    Args:
        statistics: As `statistics_of` gives them.
        labels: The class names that may occur.
        drift_threshold: How far classes and numbers may move.
    """
    from tensorflow_metadata.proto.v0 import schema_pb2

    if not statistics.datasets:
        return schema_pb2.Schema()
    tfdv = _tfdv()
    schema = tfdv.infer_schema(_only(statistics, statistics.datasets[0].name), infer_feature_shape=True)
    _set_domain(schema, "label", labels)
    _set_domain(schema, "split", SPLITS)
    label_index = tfdv.get_feature(schema, "label_index")
    label_index.int_domain.min, label_index.int_domain.max = 0, len(labels) - 1
    for name, (least, greatest) in _RANGES.items():
        _set_range(schema_pb2, tfdv.get_feature(schema, name), least, greatest)
    return with_thresholds(schema, drift_threshold=drift_threshold)


def with_thresholds(schema: Any, *, drift_threshold: float) -> Any:
    """Give the comparators of a schema their thresholds, except where the schema has thresholds of its own."""
    for feature in schema.feature:
        if feature.name == "label":
            _default(feature.drift_comparator.infinity_norm, drift_threshold)
            _default(feature.skew_comparator.infinity_norm, drift_threshold)
        elif feature.name in _DRIFTING:
            _default(feature.drift_comparator.jensen_shannon_divergence, drift_threshold)
            _default(feature.skew_comparator.jensen_shannon_divergence, max(drift_threshold, _LEAST_SKEW))
    return schema


def _default(comparator: Any, threshold: float) -> None:
    if not comparator.HasField("threshold"):
        comparator.threshold = threshold


def anomalies(statistics: Any, schema: Any) -> Iterator[Finding]:
    """Give what breaks the schema in each split, and splits whose mix of classes is not that of train."""
    tfdv = _tfdv()
    present = [dataset.name for dataset in statistics.datasets]
    for split in present:
        train = _only(statistics, "train") if "train" in present and split != "train" else None
        found = tfdv.validate_statistics(_only(statistics, split), schema, serving_statistics=train)
        for feature, reason in _reasons(found):
            kind = _reason_name(reason.type)
            if kind.startswith("COMPARATOR"):
                if feature == "label" or _only(statistics, split).datasets[0].num_examples >= _FEWEST_FOR_SKEW:
                    yield Finding("warning", "skew", _skew(statistics, feature, split, reason))
            else:
                severity: Severity = "warning" if feature == "codec" else "error"
                yield Finding(severity, "schema", f"In {split}, {feature} is not as it should be: {_said(reason)}")


def _skew(statistics: Any, feature: str, split: str, reason: Any) -> str:
    if feature == "label":
        change = _largest_change(_only(statistics, "train"), _only(statistics, split))
        return f"The mix of classes in {split} is not that of train: {change}."
    means = f"mean {_mean(statistics, feature, split):.4g}, in train {_mean(statistics, feature):.4g}"
    return f"{feature} is distributed otherwise in {split} than in train ({means}). {_said(reason)}"


def drift(statistics: Any, schema: Any, *, earlier: Any, version: int) -> Iterator[Finding]:
    """Give what moved in train since the accepted version.

    Args:
        statistics: Of this run.
        schema: With the comparators' thresholds.
        earlier: Statistics of the accepted version.
        version: Its number.
    """
    if not all(any(dataset.name == "train" for dataset in each.datasets) for each in (statistics, earlier)):
        return
    found = _tfdv().validate_statistics(_only(statistics, "train"), schema, previous_statistics=_only(earlier, "train"))
    for feature, reason in _reasons(found):
        if not _reason_name(reason.type).startswith("COMPARATOR"):
            continue
        if feature == "label":
            change = _largest_change(_only(earlier, "train"), _only(statistics, "train"))
            yield Finding("error", "drift", f"The mix of classes in train moved since version {version}: {change}.")
        else:
            means = f"mean {_mean(statistics, feature):.4g}, was {_mean(earlier, feature):.4g}"
            sentence = (
                f"In train, {feature} is distributed otherwise than in version {version} ({means}). {_said(reason)}"
            )
            yield Finding("warning", "drift", sentence)


def statistics_bytes(statistics: Any) -> bytes:
    """Return the statistics as bytes that are the same for the same statistics."""
    return bytes(statistics.SerializeToString(deterministic=True))


def statistics_from_bytes(data: bytes) -> Any:
    """Return the statistics that `statistics_bytes` wrote."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    return statistics_pb2.DatasetFeatureStatisticsList.FromString(data)


def schema_text(schema: Any) -> str:
    """Return the schema as a text that people can read and compare."""
    from google.protobuf import text_format

    return str(text_format.MessageToString(schema))


def _tfdv() -> Any:
    with contextlib.redirect_stderr(io.StringIO()):  # it says that IPython is missing, which only notebooks need
        import tensorflow_data_validation
    return tensorflow_data_validation


def _only(statistics: Any, split: str) -> Any:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    datasets = [dataset for dataset in statistics.datasets if dataset.name == split]
    return statistics_pb2.DatasetFeatureStatisticsList(datasets=datasets)


def _set_domain(schema: Any, feature: str, values: Sequence[str]) -> None:
    tfdv = _tfdv()
    inferred = tfdv.get_feature(schema, feature).domain
    for domain in [domain for domain in schema.string_domain if domain.name == inferred]:
        schema.string_domain.remove(domain)
    schema.string_domain.add(name=feature, value=values)
    tfdv.get_feature(schema, feature).domain = feature


def _set_range(schema_pb2: Any, feature: Any, least: float, greatest: float | None) -> None:
    domain = feature.int_domain if feature.type == schema_pb2.INT else feature.float_domain
    domain.min = least
    if greatest is not None:
        domain.max = greatest


def _reasons(found: Any) -> Iterator[tuple[str, Any]]:
    for feature in sorted(found.anomaly_info):
        for reason in found.anomaly_info[feature].reason:
            yield feature, reason


def _reason_name(number: int) -> str:
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    return str(anomalies_pb2.AnomalyInfo.Type.Name(number))


def _said(reason: Any) -> str:
    return str(reason.description).strip()


def _largest_change(before: Any, after: Any) -> str:
    shares_before, shares_after = _shares(before), _shares(after)
    changes = {
        label: shares_after.get(label, 0.0) - shares_before.get(label, 0.0)
        for label in sorted({*shares_before, *shares_after})
    }
    label = max(changes, key=lambda name: abs(changes[name]))
    return f"{label} is {shares_after.get(label, 0.0):.0%} of the clips, not {shares_before.get(label, 0.0):.0%}"


def _shares(statistics: Any) -> dict[str, float]:
    buckets = _feature(statistics.datasets[0], "label").string_stats.rank_histogram.buckets
    total = sum(bucket.sample_count for bucket in buckets)
    return {bucket.label: bucket.sample_count / total for bucket in buckets}


def _mean(statistics: Any, feature: str, split: str = "train") -> float:
    return float(_feature(_only(statistics, split).datasets[0], feature).num_stats.mean)


def _feature(dataset: Any, name: str) -> Any:
    return next(feature for feature in dataset.features if list(feature.path.step) == [name])
