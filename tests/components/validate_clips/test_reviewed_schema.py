import json

import pytest
from click.testing import CliRunner

from components.contract.errors import StepError
from components.validate_clips.reviewed_schema import read_schema
from components.validate_clips.validation import validate
from pipelines.cli import main


def reelflow(*arguments):
    return CliRunner().invoke(main, ["schema", *map(str, arguments)])


def test_inferred_schema_has_no_difference_from_itself_and_names_what_differs(rows, write_clips, tmp_path):
    clips, _ = write_clips(rows)
    first, second = tmp_path / "first.pbtxt", tmp_path / "second.pbtxt"

    assert reelflow("infer", clips, "-o", first).exit_code == 0
    second.write_text(first.read_text().replace("max: 255.0", "max: 235.0", 1).replace('value: "Walk"', 'value: "Jog"'))
    same, other = reelflow("diff", first, first), reelflow("diff", first, second, "--json")

    assert (same.exit_code, same.output.strip()) == (0, "No difference.")
    assert other.exit_code == 1
    changes = {(row["feature"], row["what"]): (row["before"], row["after"]) for row in json.loads(other.output)}
    assert changes["label", "value Walk"] == ("allowed", "-")
    assert changes["label", "value Jog"] == ("-", "allowed")
    assert len(changes) == 3


@pytest.mark.parametrize("place", ["path", "bucket"])
def test_given_schema_is_the_one_that_clips_are_held_to(rows, write_clips, no_baseline, tmp_path, gcs_bucket, place):
    from components.contract import buckets

    clips, digest = write_clips(rows)
    reviewed = tmp_path / "schema.pbtxt"
    reelflow("infer", clips, "-o", reviewed)
    reviewed.write_text(reviewed.read_text().replace('value: "Walk"', 'value: "Jog"'))
    uri = str(reviewed)
    if place == "bucket":
        uri = f"{gcs_bucket}/schema.pbtxt"
        buckets.write_bytes(uri, reviewed.read_bytes())

    result = validate(
        clips,
        clips_digest=digest,
        baseline=no_baseline,
        statistics=tmp_path / "statistics",
        page=tmp_path / "page.html",
        drift_threshold=0.3,
        schema_uri=uri,
    )

    assert {(finding.severity, finding.check) for finding in result.findings} == {("error", "schema")}
    assert "Walk" in result.findings[0].sentence
    assert "Jog" in (tmp_path / "statistics" / "schema.pbtxt").read_text()


@pytest.mark.parametrize("content", [None, b"", b"feature { nonsense", b"\xff\xfe"])
def test_file_that_is_no_schema_is_refused_with_the_way_to_make_one(tmp_path, content):
    path = tmp_path / "schema.pbtxt"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(StepError, match="reelflow schema infer"):
        read_schema(str(path))
