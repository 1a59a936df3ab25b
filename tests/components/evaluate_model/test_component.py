import csv
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from kfp import dsl

from components.contract.clips import Reject
from components.contract.errors import StepError
from components.contract.model import MODEL_SUMMARY_NAME
from components.contract.verdict import read_verdict
from components.evaluate_model.component import evaluate_model
from components.evaluate_model.evaluation import Inputs, Settings, evaluate
from components.evaluate_model.gate import Demands
from components.evaluate_model.layers import read_layers
from components.evaluate_model.scoring import score_split

LABELS = ("Bow", "Clap", "Dive", "Jump", "Run", "Wave")
WRONG_ONCE = [0, 1, 2, 3, 4, 0]
WRONG_TWICE = [0, 1, 2, 3, 0, 0]


def run(lab, out, *, clips, model, baseline, **parameters):
    folder = lab.root / out
    artifacts = {
        "evaluation": dsl.Artifact(uri=str(folder / "evaluation")),
        "page": dsl.HTML(uri=str(folder / "page.html")),
        "report": dsl.Metrics(uri=str(folder / "report")),
        "confusion": dsl.ClassificationMetrics(uri=str(folder / "confusion")),
        "record": dsl.Artifact(uri=str(folder / "record")),
    }
    digest = evaluate_model.python_func(
        clips=dsl.Dataset(uri=str(clips[0])),
        clips_digest=clips[1],
        rejects=dsl.Dataset(uri=str(lab.rejects())),
        model=dsl.Model(uri=str(model[0])),
        model_digest=model[1],
        baseline=dsl.Artifact(uri=str(baseline[0])),
        baseline_digest=baseline[1],
        **artifacts,
        **parameters,
    )
    return digest, folder


def test_a_perfect_model_reads_100_percent_in_both_matrices_and_leaves_every_output(lab):
    inputs = {"clips": lab.clips(), "model": lab.model(), "baseline": lab.baseline()}

    digest, folder = run(lab, "out", **inputs)
    again, second = run(lab, "again", **inputs)

    verdict = read_verdict(folder / "evaluation", digest=digest)
    scores = json.loads((folder / "evaluation/scores.json").read_text())
    step = json.loads((folder / "record/step.json").read_text())
    assert verdict.may_push
    for split in ("train", "test"):
        assert scores[split]["confusion"] == [[4 * (row == column) for column in range(6)] for row in range(6)]
        assert scores[split]["n_clips"] == 48
    assert json.loads((folder / "report").read_text())["accuracy"] == 1.0
    assert json.loads((folder / "confusion").read_text())["rows_are_true"][0] == [4, 0, 0, 0, 0, 0]
    assert step["status"] == "succeeded"
    assert "<dd>3 s</dd>" in (folder / "page.html").read_text()
    assert step["outputs"]["evaluation"]["digest"] == digest == again
    assert (folder / "page.html").read_bytes() == (second / "page.html").read_bytes()


def test_the_metrics_that_matter_most_come_first(lab):
    inputs = Inputs(*lab.clips(), lab.rejects(), *lab.model(), *lab.baseline())

    evaluation = evaluate(
        inputs,
        evaluation_dir=lab.root / "evaluation",
        page_path=lab.root / "page.html",
        settings=Settings(Demands(), 0.95, 100, 32, 1),
    )

    assert list(evaluation.metrics) == [
        "accuracy", "accuracy_low", "accuracy_high", "macro_f1", "n_test_videos", "n_test_groups", "train_accuracy",
        "top_5_accuracy", "calibration_error", "still_accuracy", "shuffled_accuracy",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "may_push"), [(WRONG_TWICE, False), (WRONG_ONCE, False), (range(6), True)], ids=str
)
def test_worse_and_equal_are_refused_and_better_is_let_through(lab, answers, may_push):
    clips, model = lab.clips(), lab.model(answers=answers)

    digest, folder = run(lab, "out", clips=clips, model=model, baseline=lab.baseline(version=3, answers=WRONG_ONCE))

    verdict = read_verdict(folder / "evaluation", digest=digest)
    assert verdict.may_push is may_push
    assert verdict.baseline_version == 3


@pytest.mark.parametrize(
    "served", [{"labels": ("Bow", "Clap")}, {"factor": float("nan")}], ids=["other classes", "answers NaN"]
)
def test_a_served_model_that_cannot_be_asked_is_not_compared_and_the_verdict_says_so(lab, served):
    baseline = lab.baseline(version=3, **served)

    digest, folder = run(lab, "out", clips=lab.clips(), model=lab.model(answers=WRONG_TWICE), baseline=baseline)

    rule = read_verdict(folder / "evaluation", digest=digest).rules[1]
    assert rule.passed
    assert "cannot be compared" in rule.sentence


def test_a_model_of_other_labels_is_refused(lab):
    with pytest.raises(StepError, match="labels are not those of the clips"):
        run(lab, "out", clips=lab.clips(), model=lab.model(labels=tuple("abcdef")), baseline=lab.baseline())


def test_a_model_that_answers_nan_is_refused(lab):
    with pytest.raises(StepError, match="NaN"):
        run(lab, "out", clips=lab.clips(), model=lab.model(factor=float("nan")), baseline=lab.baseline())


def test_frames_can_be_changed_before_the_model_sees_them(lab):
    (clips, _), (model, _) = lab.clips(), lab.model()

    scored = score_split(model / "saved_model", clips, "test", transform=lambda frames: frames * 0 + 20)

    assert set(scored.probabilities.argmax(axis=1).tolist()) == {0}
    assert sorted(set(scored.label_index.tolist())) == [0, 1, 2, 3, 4, 5]


def test_the_page_needs_nothing_from_outside_and_opens_in_a_browser_with_hostile_names_escaped(lab, tmp_path):
    labels = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "Dive", "Jump", "Run", "Wave")
    clips, model = lab.clips(labels=labels), lab.model(labels=labels, answers=WRONG_ONCE)
    _, folder = run(lab, "out", clips=clips, model=model, baseline=lab.baseline())

    page = (folder / "page.html").read_text()

    assert "<script" not in page
    assert "<img" not in page
    assert not re.search(r"(src|href)=|url\((?!data:)|https?://", page.replace("&lt;img src=x", ""))
    assert len(page) < 4_000_000
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium here: install chromium to open the page in a browser")
    switches = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    switches += ["--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}"]
    opened = subprocess.run(
        [chromium, *switches, "--enable-logging=stderr", "--dump-dom", (folder / "page.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert "CONSOLE" not in opened.stderr
    assert "This model may be pushed." in opened.stdout
    assert opened.stdout.count("data:image/jpeg;base64,") == 1 + 5
    assert Path(folder / "page.html").is_file()


def test_the_page_lists_the_models_layers_with_shapes_parameters_and_operations(lab):
    _, folder = run(lab, "out", clips=lab.clips(), model=lab.model(), baseline=lab.baseline())

    page = (folder / "page.html").read_text()

    assert "1 x 3 x 16 x 24 x 3" in page
    assert "&lt;b&gt;reader&lt;/b&gt;" in page
    assert page.count("1,234,567") == 2  # of the layer, and of the model
    assert "more than 0: some cannot be counted" in page


@pytest.mark.parametrize("damage", ["", "[]", '{"layers": [{"name": "clips"}]}'])
def test_a_summary_that_cannot_be_read_is_refused(tmp_path, damage):
    (tmp_path / MODEL_SUMMARY_NAME).write_text(damage)

    with pytest.raises(StepError, match="is no summary of a model"):
        read_layers(tmp_path)


def test_a_model_whose_labels_come_in_another_order_is_scored_by_name(lab):
    order = (5, 3, 1, 0, 2, 4)
    labels = tuple(LABELS[place] for place in order)
    model = lab.model(labels=labels, answers=[order.index(index) for index in range(6)])
    champion = lab.baseline(version=3, answers=WRONG_ONCE)

    digest, folder = run(lab, "out", clips=lab.clips(), model=model, baseline=champion)

    verdict = read_verdict(folder / "evaluation", digest=digest)
    assert verdict.scores["accuracy"] == 1.0
    assert verdict.baseline_version == 3
    assert verdict.may_push
    assert json.loads((folder / "confusion").read_text())["labels"] == list(labels)


def test_a_class_that_got_worse_is_named_and_refused_where_asked(lab):
    clips = lab.clips(n_groups=12)
    inputs = {
        "clips": clips,
        "model": lab.model(answers=[0, 1, 2, 3, 4, 4]),
        "baseline": lab.baseline(version=3, answers=[1, 0, 2, 3, 3, 5]),
    }

    digest, folder = run(lab, "out", **inputs, max_class_drop=0.5)

    verdict = read_verdict(folder / "evaluation", digest=digest)
    refused = [rule for rule in verdict.rules if not rule.passed]
    assert [rule.name for rule in refused] == ["max_class_drop"]
    assert "The recall of Wave changed most for the worse, by -100.0 points" in refused[0].sentence


def test_each_test_videos_answer_and_the_model_card_stand_beside_the_verdict(lab):
    reject = Reject("broken.avi", "/videos/broken.avi", "Bow", "train", "unreadable", "It ends in the middle.")
    rejects = lab.rejects(rejects=[reject])

    _, folder = run(lab, "out", clips=lab.clips(), model=lab.model(answers=WRONG_ONCE), baseline=lab.baseline())

    rows = list(csv.DictReader((folder / "evaluation/predictions.csv").read_text().splitlines()))
    card = (folder / "evaluation/model_card.md").read_text()
    assert rejects.is_dir()
    assert len(rows) == 24
    assert {row["predicted"] for row in rows if row["true"] == "Wave"} == {"Bow"}
    assert "| Accuracy | 83.3%" in card
    assert "Videos that gave no clip: 1." in card
    assert "broken.avi" in (folder / "page.html").read_text()


def test_a_model_of_single_frames_is_found_out_by_the_controls(lab):
    _, folder = run(lab, "out", clips=lab.clips(), model=lab.model(), baseline=lab.baseline())

    controls = json.loads((folder / "evaluation/scores.json").read_text())["controls"]
    assert controls == {"accuracy": 1.0, "shuffled_accuracy": 1.0, "still_accuracy": 1.0}
    assert "appearance alone decides" in (folder / "page.html").read_text()
