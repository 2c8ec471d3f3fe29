"""Every DAG file parses, serializes the same twice, is short, and explains itself to the one on call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gyre.settings import REPOSITORY

DAGS = REPOSITORY / "dags"
PHASES = ["ingest", "label", "train", "deploy", "monitor"]

# A process of its own: Airflow reads its settings when it is imported, and must not share a test's environment.
PARSE = """
import json, sys, time
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
began = time.perf_counter()
bag = DagBag(sys.argv[1])
took = time.perf_counter() - began
def told(dag):
    return {
        "file": dag.fileloc, "doc": dag.doc_md, "tags": sorted(dag.tags), "runs": dag.max_active_runs, "catchup": dag.catchup,
        "params": {k: dag.params.get_param(k).schema | {"description": dag.params.get_param(k).description} for k in dag.params},
        "tasks": {t.task_id: {"retries": t.retries, "owner": t.owner} for t in dag.tasks},
        "serialized": DagSerialization.to_dict(dag),
    }
heavy = sorted(m for m in sys.argv[2].split(",") if m in sys.modules)
dags = {d.dag_id: told(d) for d in bag.dags.values()}
print("@@" + json.dumps({"errors": bag.import_errors, "took": took, "dags": dags, "heavy": heavy}, default=str, sort_keys=True))
"""
HEAVY = "pandas,polars,pyarrow,torch,great_expectations,mlflow,evidently,sklearn,xgboost,bentoml,deltalake"


def parse(home: Path, **given: str) -> dict:
    environment = os.environ | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__DAG_PROCESSOR__DAG_VERSION_INFLATION_CHECK_LEVEL": "error",
        "PYTHONPATH": str(REPOSITORY / "include"),
        **given,
    }
    done = subprocess.run([sys.executable, "-c", PARSE, str(DAGS), HEAVY], capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert "@@" in done.stdout, done.stdout[-2000:] + done.stderr[-3000:]
    return json.loads(done.stdout.partition("@@")[2])


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return parse(tmp_path_factory.mktemp("airflow"))


def test_every_file_parses(parsed: dict):
    assert parsed["errors"] == {}


def test_each_use_case_has_its_five_dags(parsed: dict):
    names = sorted(path.parent.name for path in (REPOSITORY / "include" / "use_cases").glob("*/use_case.py"))
    assert names
    assert sorted(parsed["dags"]) == sorted([f"{name}__{phase}" for name in names for phase in PHASES] + ["gyre__reconcile"])


def test_parsing_imports_nothing_heavy(parsed: dict):
    assert parsed["heavy"] == []


def test_two_parses_give_the_same_serialization(parsed: dict, tmp_path: Path):
    again = parse(tmp_path)
    assert {k: v["serialized"] for k, v in again["dags"].items()} == {k: v["serialized"] for k, v in parsed["dags"].items()}


@pytest.fixture(scope="module")
def on_cluster(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return parse(tmp_path_factory.mktemp("airflow"), GYRE_RUNTIME="kubernetes")


def test_a_cluster_has_the_same_dags_and_a_janitor(parsed: dict, on_cluster: dict):
    assert on_cluster["errors"] == {}
    assert on_cluster["heavy"] == []
    assert set(on_cluster["dags"]) - set(parsed["dags"]) == {"gyre__janitor"}


def test_each_dag_explains_itself_to_the_one_on_call(on_cluster: dict):
    for dag_id, dag in on_cluster["dags"].items():
        assert "Triage" in (dag["doc"] or ""), f"{dag_id}: doc_md must say what to do when it is red, in a line that begins with 'Triage'"
        assert dag["tags"], f"{dag_id} has no tags"


def test_each_task_is_tried_again_after_a_machines_failure(on_cluster: dict):
    for dag_id, dag in on_cluster["dags"].items():
        for task_id, task in dag["tasks"].items():
            assert task["retries"] >= 1, f"{dag_id}.{task_id} has no retries: a killed worker would orphan its job"


def test_each_parameter_explains_itself_in_the_trigger_form(parsed: dict):
    for dag_id, dag in parsed["dags"].items():
        for name, schema in dag["params"].items():
            assert schema.get("type"), f"{dag_id}, parameter {name}: no type, so a bad value is not refused before the run"
            assert schema.get("title"), f"{dag_id}, parameter {name}: no title"
            assert schema.get("description"), f"{dag_id}, parameter {name}: no description"


def test_runs_do_not_overlap_and_the_past_is_not_caught_up(on_cluster: dict):
    for dag_id, dag in on_cluster["dags"].items():
        assert (dag["runs"], dag["catchup"]) == (1, False), dag_id


@pytest.mark.parametrize("path", sorted(DAGS.glob("*.py")), ids=lambda path: path.name)
def test_a_dag_file_stays_under_sixty_lines(path: Path):
    assert len(path.read_text().splitlines()) < 60


def test_a_dag_file_names_no_use_case():
    names = [path.parent.name for path in (REPOSITORY / "include" / "use_cases").glob("*/use_case.py")]
    for path in DAGS.glob("*.py"):
        assert not [name for name in names if name in path.read_text()], path


def write_use_cases(root: Path, count: int) -> str:
    template = REPOSITORY / "include" / "gyre" / "templates" / "facts"
    for number in range(count):
        folder = root / "use_cases" / f"copy_{number:02d}"
        folder.mkdir(parents=True)
        for path in template.glob("*.py"):
            (folder / path.name).write_text(path.read_text().replace("$name", folder.name))
    return str(root / "use_cases")


def test_fifty_use_cases_parse_without_error(tmp_path: Path):
    many = parse(tmp_path / "home", GYRE_USE_CASES=write_use_cases(tmp_path, 50))
    assert many["errors"] == {}
    assert len(many["dags"]) == 251


def test_a_broken_use_case_is_an_import_error_of_its_own_and_the_others_stay(tmp_path: Path):
    where = write_use_cases(tmp_path, 2)
    spec = Path(where) / "copy_00" / "use_case.py"
    spec.write_text(spec.read_text().replace("min_rows=500", "min_row=500"))
    parsed = parse(tmp_path / "home", GYRE_USE_CASES=where)
    assert [Path(name).name for name in parsed["errors"]] == ["broken_use_cases.py"]
    assert "training.min_row" in next(iter(parsed["errors"].values()))
    assert "copy_01__train" in parsed["dags"]
    assert "copy_00__train" not in parsed["dags"]
