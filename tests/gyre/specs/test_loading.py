"""A use case that cannot work is refused with the field, the value and a cure, and takes no other down."""

from pathlib import Path

import pytest

from gyre.errors import InvalidUseCase
from gyre.settings import REPOSITORY, Settings
from gyre.specs import load_use_case, load_use_cases

TEMPLATE = REPOSITORY / "include" / "gyre" / "templates" / "facts"


def write(root: Path, name: str, change: tuple[str, str] = ("", "")) -> Settings:
    """Write the template's folder under a name, with one text replaced by another."""
    folder = root / "use_cases" / name
    folder.mkdir(parents=True)
    for path in TEMPLATE.glob("*.py"):
        text = path.read_text().replace("$name", name)
        (folder / path.name).write_text(text.replace(*change) if change[0] and path.name == "use_case.py" else text)
    return Settings({"GYRE_USE_CASES": str(root / "use_cases")})


def test_the_template_loads(tmp_path: Path):
    assert load_use_case("spec_ok", write(tmp_path, "spec_ok")).features.columns == ["amount", "hour", "channel"]


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("spec_typo", ("event_time=", "event_tiem="), r"event_tiem: there is no such field.*Did you mean 'event_time'"),
        ("spec_deep_typo", ("min_rows=500", "min_row=500"), r"training.min_row: there is no such field.*Did you mean 'min_rows'"),
        ("spec_missing", ('    keys=["id"],\n', ""), r"keys: is missing"),
        ("spec_env", ('task="binary"', 'task="binary", environment="tabluar"'), r"no folder docker/tabluar. Did you mean 'tabular'"),
        ("spec_label", ('source="outcomes"', 'source="outcome"'), r"labels.source 'outcome' is none of the sources. Did you mean 'outcomes'"),
        ("spec_metric", ('metric="log_loss"', 'metric="rmse"'), r"promotion.metric 'rmse' does not fit a binary task"),
        ("spec_function", ("training:train", "training:trian"), r"no function 'trian' in training.py. Did you mean 'train'"),
        ("spec_module", ("training:train", "trainnig:train"), r"training.function: .* names trainnig.py, which is not in"),
        ("spec_zone", ('timezone="UTC"', 'timezone="Mars/Olympus"'), r"timezone 'Mars/Olympus' is not known"),
        ("spec_name", ('name="spec_name"', 'name="other"'), r"name is 'other', its folder 'spec_name'"),
        ("spec_uri", ("{start:%Y-%m-%d}", "{day}"), r"cannot be filled in"),
        ("spec_syntax", ("task=", "task=("), r"use_case.py fails: SyntaxError"),
        ("spec_k_of_n", ("k=3, n=3", "k=4, n=3"), r"k=4 of n=3 can never be reached"),
    ],
)
def test_a_wrong_spec_is_refused_with_field_value_and_cure(tmp_path: Path, name: str, change: tuple[str, str], problem: str):
    with pytest.raises(InvalidUseCase, match=problem):
        load_use_case(name, write(tmp_path, name, change))


def test_a_broken_use_case_takes_no_other_down(tmp_path: Path):
    write(tmp_path, "spec_good")
    where = write(tmp_path, "spec_bad", ("task=", "tsak="))
    loaded, broken = load_use_cases(where=where)
    assert [u.name for u in loaded] == ["spec_good"]
    assert [e.use_case for e in broken] == ["spec_bad"]


def test_an_unknown_use_case_names_the_known_ones(tmp_path: Path):
    with pytest.raises(InvalidUseCase, match=r"Did you mean 'spec_there'"):
        load_use_case("spec_their", write(tmp_path, "spec_there"))
