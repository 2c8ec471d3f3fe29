"""A use case's code as one file."""

from __future__ import annotations

from pathlib import Path

import pytest

from gyre import code_bundle
from gyre.errors import InvalidUseCase


@pytest.fixture
def use_cases(tmp_path: Path) -> Path:
    for path, text in {
        "churn/use_case.py": "",
        "churn/training.py": "def train(): ...",
        "churn/sql/rows.sql": "SELECT 1",
        "churn/data/rows.csv": "too,large",
        "churn/__pycache__/training.pyc": "",
        "other/use_case.py": "",
        "other/training.py": "",
        "shared/money.py": "EURO = 1",
        "dates.py": "",
    }.items():
        (tmp_path / "use_cases" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "use_cases" / path).write_text(text)
    return tmp_path / "use_cases"


def unpacked(packed: bytes, folder: Path) -> set[str]:
    code_bundle.unpack(packed, folder)
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_it_holds_the_use_case_and_what_is_shared_and_no_other_one(use_cases, tmp_path):
    files = unpacked(code_bundle.pack(use_cases, "churn"), tmp_path / "there")
    assert files == {"churn/use_case.py", "churn/training.py", "churn/sql/rows.sql", "shared/money.py", "dates.py"}


def test_the_same_code_has_the_same_name_and_a_changed_one_another(use_cases):
    before = code_bundle.digest(code_bundle.pack(use_cases, "churn"))
    (use_cases / "churn" / "training.py").touch()
    assert code_bundle.digest(code_bundle.pack(use_cases, "churn")) == before
    (use_cases / "shared" / "money.py").write_text("EURO = 2")
    assert code_bundle.digest(code_bundle.pack(use_cases, "churn")) != before


def test_data_in_the_folder_is_refused_by_name(use_cases):
    (use_cases / "churn" / "weights.bin").write_bytes(b"0" * 50_000_001)
    with pytest.raises(InvalidUseCase, match=r"more than 50 MB of code \(.*weights.bin is the file too many\). Fix: keep data in a source"):
        code_bundle.pack(use_cases, "churn")
