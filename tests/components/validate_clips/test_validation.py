import json
from dataclasses import replace

import pytest
from kfp import dsl

from components.contract.errors import StepError
from components.contract.statistics import read_statistics
from components.validate_clips.component import validate_clips
from components.validate_clips.distributions import statistics_from_bytes
from components.validate_clips.validation import stop_on, stopping_severities


def found(result) -> list[tuple[str, str]]:
    return [(finding.severity, finding.check) for finding in result.findings]


def test_clean_clips_give_no_finding(rows, check):
    result = check(rows)

    assert result.findings == ()
    assert result.n_clips == {"train": 72, "validation": 24, "test": 24}


def test_group_in_two_splits_is_an_error_that_names_it(rows, change, check):
    leaked = change(rows, lambda row: row.video == "v_Sit_g7_c1.avi", group="Sit/g0")

    result = check(leaked)

    assert found(result) == [("error", "leakage")]
    assert "Sit/g0 (train, validation)" in result.findings[0].sentence


def test_class_missing_in_a_split_is_an_error_that_names_both(rows, check):
    result = check([row for row in rows if (row.split, row.label) != ("test", "Walk")])

    assert ("error", "missing class") in found(result)
    assert "The test split has no clip of Walk." in [finding.sentence for finding in result.findings]


@pytest.mark.parametrize("empty", ["train", "validation", "test"])
def test_empty_split_is_an_error(rows, check, empty):
    result = check([row for row in rows if row.split != empty])

    assert result.findings[0].severity == "error"
    assert result.findings[0].sentence == f"The {empty} split has no clip."


def test_no_clips_at_all_give_findings_and_not_a_crash(check, tmp_path):
    result = check([])

    assert [finding.check for finding in result.findings] == ["empty split"] * 3
    assert (tmp_path / "page.html").exists()


def test_same_video_in_two_splits_is_an_error_that_names_both_names(rows, change, check):
    twin = next(row for row in rows if row.video == "v_Run_g0_c0.avi")
    doubled = change(rows, lambda row: row.video == "v_Run_g9_c3.avi", video_digest=twin.video_digest)

    result = check(doubled)

    assert found(result) == [("error", "duplicate videos")]
    assert "v_Run_g0_c0.avi = v_Run_g9_c3.avi" in result.findings[0].sentence


def test_label_that_is_no_class_is_an_anomaly(rows, change, check):
    mislabelled = change(rows, lambda row: row.video == "v_Run_g9_c3.avi", label="Rnu")

    result = check(mislabelled)

    assert found(result) == [("error", "schema")]
    assert "In test, label" in result.findings[0].sentence
    assert "Rnu" in result.findings[0].sentence


def test_unknown_split_is_an_anomaly(rows, change, check):
    stray = change(rows, lambda row: row.group == "Run/g9", split="holdout")

    result = check(stray)

    assert any(f.severity == "error" and "In holdout, split" in f.sentence for f in result.findings)


def test_number_that_cannot_be_is_an_anomaly(rows, change, check):
    result = check(change(rows, lambda row: row.video == "v_Run_g6_c0.avi", luma=300.0))

    assert found(result) == [("error", "schema")]
    assert "In validation, luma" in result.findings[0].sentence


def test_missing_number_is_an_anomaly(rows, change, check):
    result = check(change(rows, lambda row: row.group == "Run/g6", fps=float("nan")))

    assert ("error", "schema") in found(result)


def test_codec_that_train_never_saw_is_a_warning(rows, change, check):
    result = check(change(rows, lambda row: row.split == "test", codec="h264"))

    assert found(result) == [("warning", "schema")]
    assert "h264" in result.findings[0].sentence


def test_split_with_another_mix_of_classes_is_a_warning(rows, check):
    skewed = [row for row in rows if row.split != "test" or row.label == "Run" or row.group.endswith("g9")]
    skewed = [row for row in skewed if row.split != "test" or row.label == "Run" or row.video.endswith("c0.avi")]

    result = check(skewed)

    assert found(result) == [("warning", "skew")]
    assert "Run is 80% of the clips, not 33%" in result.findings[0].sentence


def test_class_much_larger_than_another_is_a_warning(rows, check):
    few = [row for row in rows if row.split != "train" or row.label == "Run" or row.video.endswith("g0_c0.avi")]

    result = check(few)

    assert ("warning", "class imbalance") in found(result)
    assert "Run has 24 times the clips of" in " ".join(finding.sentence for finding in result.findings)


def test_black_and_still_clips_are_warnings_that_name_them(rows, change, check):
    dull = change(rows, lambda row: row.video == "v_Run_g0_c0.avi", luma=2.0, motion=0.0)

    result = check(dull)

    assert found(result) == [("warning", "black clips"), ("warning", "still clips")]
    assert "1 clip is black (luma below 8): v_Run_g0_c0.avi." in result.findings[0].sentence


def test_same_clips_as_the_accepted_version_have_not_drifted(rows, check, accepted_baseline):
    baseline = accepted_baseline(rows)

    result = check(rows, baseline=baseline)

    assert result.findings == ()


def test_other_mix_of_classes_than_in_the_accepted_version_is_drift(rows, check, accepted_baseline):
    baseline = accepted_baseline(rows)
    moved = [row for row in rows if row.label == "Run" or not row.video.endswith(("c0.avi", "c1.avi", "c2.avi"))]

    result = check(moved, baseline=baseline)

    assert found(result) == [("error", "drift")]
    assert "since version 3: Run is 67% of the clips, not 33%" in result.findings[0].sentence


def test_higher_threshold_lets_the_same_drift_pass(rows, check, accepted_baseline):
    baseline = accepted_baseline(rows)
    moved = [row for row in rows if row.label == "Run" or not row.video.endswith(("c0.avi", "c1.avi", "c2.avi"))]

    result = check(moved, baseline=baseline, drift_threshold=0.5)

    assert result.findings == ()


def test_darker_clips_than_in_the_accepted_version_are_a_warning(rows, check, accepted_baseline):
    baseline = accepted_baseline(rows)

    result = check([replace(row, luma=row.luma / 3) for row in rows], baseline=baseline)

    assert found(result) == [("warning", "drift")]
    assert "luma" in result.findings[0].sentence


def test_new_class_since_the_accepted_version_is_a_warning(rows, check, accepted_baseline):
    baseline = accepted_baseline([row for row in rows if row.label != "Walk"], ("Run", "Sit"))

    result = check(rows, baseline=baseline, drift_threshold=0.5)

    assert found(result) == [("warning", "classes")]
    assert "new: Walk" in result.findings[0].sentence


def test_same_clips_give_the_same_bytes(rows, check, tmp_path):
    written = ("statistics/statistics.pb", "statistics/schema.pbtxt", "statistics/findings.json", "page.html")
    first = check(rows)
    before = [(tmp_path / name).read_bytes() for name in written]

    second = check(rows)

    assert [(tmp_path / name).read_bytes() for name in written] == before
    assert first.digest == second.digest


def test_statistics_hold_one_dataset_per_split(rows, check, tmp_path):
    check(rows)

    stored = statistics_from_bytes((tmp_path / "statistics" / "statistics.pb").read_bytes())
    assert [(dataset.name, dataset.num_examples) for dataset in stored.datasets] == [
        ("train", 72),
        ("validation", 24),
        ("test", 24),
    ]


@pytest.mark.parametrize(
    ("fail_on", "what", "stops"),
    [
        ("error", {"luma": 300.0}, True),
        ("error", {"luma": 2.0}, False),
        ("warning", {"luma": 2.0}, True),
        ("never", {"luma": 300.0}, False),
    ],
)
def test_fail_on_says_which_findings_stop_the_run(rows, change, check, fail_on, what, stops):
    result = check(change(rows, lambda row: row.video == "v_Run_g0_c0.avi", **what))

    try:
        stop_on(result.findings, stopping_severities(fail_on))
        stopped = False
    except StepError as error:
        stopped = "luma" in error.found

    assert stopped is stops


def test_unknown_fail_on_is_refused_with_the_choices():
    with pytest.raises(StepError, match="Give one of error, warning, never"):
        stopping_severities("sometimes")


def run_step(tmp_path, clips, digest, baseline, **options) -> str:
    return validate_clips.python_func(
        clips=dsl.Dataset(uri=str(clips)),
        clips_digest=digest,
        baseline=dsl.Artifact(uri=str(baseline.folder)),
        baseline_digest=baseline.digest,
        statistics=dsl.Artifact(uri=str(tmp_path / "out" / "statistics")),
        page=dsl.HTML(uri=str(tmp_path / "out" / "page")),
        report=dsl.Metrics(uri=str(tmp_path / "out" / "report")),
        record=dsl.Artifact(uri=str(tmp_path / "out" / "record")),
        **options,
    )


def test_step_gives_the_digest_of_the_clips_it_let_through(rows, write_clips, no_baseline, tmp_path):
    clips, digest = write_clips(rows)

    returned = run_step(tmp_path, clips, digest, no_baseline)

    assert returned == digest
    assert read_statistics(tmp_path / "out" / "statistics").properties["clips_digest"] == digest
    assert json.loads((tmp_path / "out" / "report").read_text())["train_clips"] == 72
    stored = json.loads((tmp_path / "out" / "record" / "step.json").read_text())
    assert stored["status"] == "succeeded"


def test_step_that_stops_the_run_has_written_everything_first(rows, change, write_clips, no_baseline, tmp_path):
    clips, digest = write_clips(change(rows, lambda row: row.video == "v_Sit_g7_c1.avi", group="Sit/g0"))

    with pytest.raises(StepError, match="Sit/g0"):
        run_step(tmp_path, clips, digest, no_baseline)

    read_statistics(tmp_path / "out" / "statistics")
    findings = json.loads((tmp_path / "out" / "statistics" / "findings.json").read_text())
    assert findings[0]["check"] == "leakage"
    assert "Sit/g0" in (tmp_path / "out" / "page").read_text()
    assert json.loads((tmp_path / "out" / "report").read_text())["errors"] == 1
    stored = json.loads((tmp_path / "out" / "record" / "step.json").read_text())
    assert stored["error"]["type"] == "StepError"


def test_step_refuses_clips_other_than_promised(rows, write_clips, no_baseline, tmp_path):
    clips, _ = write_clips(rows)

    with pytest.raises(StepError, match="not the promised"):
        run_step(tmp_path, clips, "0" * 64, no_baseline)
