from pathlib import Path

import pytest

from components.contract import buckets
from components.contract.errors import StepError
from components.serving.prediction import Predictor, local_model


def test_videos_are_answered_in_their_order_and_an_unreadable_one_with_its_reason(saved_model, write_video, tmp_path):
    bright, dark = write_video("bright.avi", 240), write_video("dark.avi", 20)
    broken = tmp_path / "broken.avi"
    broken.write_bytes(bright.read_bytes()[:2000])

    answers = list(Predictor(saved_model).predict_all([str(bright), str(broken), str(dark)], workers=2))

    assert [Path(answer.video).name for answer in answers] == ["bright.avi", "broken.avi", "dark.avi"]
    assert [answer.label for answer in answers] == ["day", None, "night"]
    assert answers[0].probabilities["day"] == pytest.approx(240 / 255, abs=0.02)
    assert answers[1].reason
    assert answers[1].probabilities == {}


def test_video_in_a_bucket_is_answered_like_the_file(saved_model, write_video, gcs_bucket):
    bright = write_video("bright.avi", 200)
    buckets.upload_file(bright, f"{gcs_bucket}/new/bright.avi")
    predictor = Predictor(saved_model)

    answer = predictor.predict(f"{gcs_bucket}/new/bright.avi")

    assert answer.probabilities == predictor.predict(str(bright)).probabilities


def test_model_is_found_in_a_model_folder_and_in_a_bucket(saved_model, gcs_bucket):
    for path in sorted(path for path in saved_model.rglob("*") if path.is_file()):
        buckets.upload_file(path, f"{gcs_bucket}/model/{path.relative_to(saved_model)}")

    with local_model(str(saved_model.parent)) as local, local_model(f"{gcs_bucket}/model") as fetched:
        assert local == saved_model
        assert Predictor(fetched).served.labels == ("day", "night")


def test_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(StepError, match="holds no model"), local_model(str(tmp_path)):
        pass


def test_model_that_does_not_say_what_it_takes_is_refused(saved_model, tmp_path):
    import shutil

    copy = shutil.copytree(saved_model, tmp_path / "copy")
    (copy / "assets.extra/reelflow.json").unlink()

    with pytest.raises(StepError, match=r"no readable assets\.extra/reelflow\.json"):
        Predictor(copy)
