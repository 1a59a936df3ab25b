"""Schemas that people review like code: read, inferred from clips, compared."""

from pathlib import Path
from typing import Any

from components.contract import buckets
from components.contract.clips import read_clip_table, read_clips
from components.contract.errors import StepError
from components.validate_clips.distributions import schema_of, schema_text, statistics_of


def inferred_text(clips: Path, *, drift_threshold: float) -> str:
    """Return the schema of a finished folder of clips as text, to review and to give to validation."""
    held = read_clips(clips, checksums=False)
    statistics = statistics_of(read_clip_table(clips))
    return schema_text(schema_of(statistics, labels=held.labels, drift_threshold=drift_threshold))


def read_schema(uri: str) -> Any:
    """Read a schema, a TFMD Schema in protobuf's text format, from a path or gs://.

    Raises:
        StepError: If it cannot be read or is no schema.
    """
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    remedy = "Make one with `reelflow schema infer CLIPS -o schema.pbtxt`."
    try:
        data = buckets.read_bytes(uri) if buckets.is_bucket_uri(uri) else Path(uri).read_bytes()
        schema = text_format.Parse(data.decode(), schema_pb2.Schema())
    except OSError as error:
        raise StepError(f"The schema {uri} cannot be read ({error.strerror}).", remedy=remedy) from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise StepError(f"{uri} is no schema ({error}).", remedy=remedy) from error
    if not schema.feature:
        raise StepError(f"{uri} is a schema without features.", remedy=remedy)
    return schema


def schema_changes(before: Any, after: Any) -> list[dict[str, str]]:
    """Return where two schemas differ: rows of feature, what, before and after, in the order of features."""
    earlier, later = _facts(before), _facts(after)
    return [
        {"feature": key[0], "what": key[1], "before": earlier.get(key, "-"), "after": later.get(key, "-")}
        for key in sorted({*earlier, *later})
        if earlier.get(key) != later.get(key)
    ]


def _facts(schema: Any) -> dict[tuple[str, str], str]:
    domains = {domain.name: list(domain.value) for domain in schema.string_domain}
    facts: dict[tuple[str, str], str] = {}
    for feature in schema.feature:
        facts[feature.name, "type"] = (
            type(feature).DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number[feature.type].name
        )
        for value in domains.get(feature.domain, ()):
            facts[feature.name, f"value {value}"] = "allowed"
        for field, value in feature.ListFields():
            if field.name not in ("name", "type", "domain"):
                facts[feature.name, field.name] = " ".join(str(value).split())
    return facts
