from pathlib import Path
from typing import Any

import pytest

from pipelines.parameters import (
    Parameter,
    ParameterError,
    by_step,
    check,
    from_file,
    from_settings,
    pipeline_parameters,
)


def parameter(name: str, kind: str, *, required: bool = False) -> Parameter:
    return Parameter(name=name, kind=kind, required=required, default=None, meaning=f"What {name} is.")


DECLARED = {
    each.name: each
    for each in (
        parameter("source", "STRING", required=True),
        parameter("epochs", "NUMBER_INTEGER"),
        parameter("rate", "NUMBER_DOUBLE"),
        parameter("flip", "BOOLEAN"),
        parameter("classes", "LIST"),
    )
}


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("source=a=b", "a=b"),
        ("source=", ""),
        ("epochs=3", 3),
        ("rate=1e-3", 0.001),
        ("rate=2", 2),
        ("flip=False", False),
        ("classes=SitDown, StandUp", ["SitDown", "StandUp"]),
        ('classes=["SitDown"]', ["SitDown"]),
        ("classes=", []),
    ],
)
def test_setting_is_parsed_by_the_type_of_its_parameter(setting: str, value: Any) -> None:
    parsed = from_settings([setting], DECLARED)

    assert list(parsed.values()) == [value]
    assert check(DECLARED, {"source": "x", **parsed})[setting.partition("=")[0]] == value


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs", "not name=value"),
        ("epochs=three", "epochs must be a whole number, not 'three'"),
        ("flip=maybe", "flip must be a true or false"),
        ("epoch=3", "Did you mean epochs?"),
        ("zzz=3", "`reelflow params` lists them"),
    ],
)
def test_wrong_setting_is_refused_with_a_hint(setting: str, message: str) -> None:
    with pytest.raises(ParameterError) as refusal:
        from_settings([setting], DECLARED)

    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value"), [("epochs", 1.5), ("epochs", True), ("rate", "1"), ("flip", 1), ("classes", "SitDown")]
)
def test_value_of_another_type_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ParameterError, match=f"{name} must be"):
        check(DECLARED, {"source": "x", name: value})


@pytest.mark.parametrize(("name", "value"), [("source", "{{$.inputs}}"), ("classes", ["a", "{{$}}"])])
def test_value_that_kfp_would_expand_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ParameterError, match="placeholder"):
        check(DECLARED, {"source": "x", name: value})


def test_numbers_become_the_kind_that_kfp_wants() -> None:
    checked = check(DECLARED, {"source": "x", "epochs": 3.0, "rate": 1})

    assert checked == {"source": "x", "epochs": 3, "rate": 1.0}
    assert isinstance(checked["epochs"], int)
    assert isinstance(checked["rate"], float)


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text", "1: 2\n", "a: [\n"])
def test_parameter_file_that_is_no_flat_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.yaml").write_text(text)

    with pytest.raises(ParameterError, match=r"p\.yaml"):
        from_file(tmp_path / "p.yaml")


def test_every_parameter_of_the_pipeline_says_what_it_means() -> None:
    silent = [each.name for each in pipeline_parameters().values() if not each.meaning]

    assert silent == []


def test_every_parameter_stands_once_under_the_first_step_that_takes_it() -> None:
    grouped = by_step()

    names = [parameter.name for parameters in grouped.values() for parameter in parameters]
    assert sorted(names) == sorted(pipeline_parameters())
    assert next(iter(grouped)) == "ingest_videos"
    assert [*grouped][-1] == "push_model"
    assert "epochs" in [parameter.name for parameter in grouped["train_model"]]
    assert "serving_dir" in [parameter.name for parameter in grouped["find_baseline"]]
