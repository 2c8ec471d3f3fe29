"""What many use cases cost Airflow: parse and serialize the DAG folder, and the one DAG that a task's process builds.

Run: PYTHONPATH=include .venvs/airflow/bin/python benchmarks/parse.py 1 50 500
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from gyre.settings import REPOSITORY

TEMPLATE = REPOSITORY / "include" / "gyre" / "templates" / "facts"
PARSE = """
import resource, time
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
import gyre.runtime
began = time.perf_counter()
bag = DagBag()
parsed = time.perf_counter()
for dag in bag.dags.values():
    DagSerialization.to_dict(dag)
serialized = time.perf_counter()
assert not bag.import_errors, bag.import_errors
print(f"{len(bag.dags):5} DAGs: parse {parsed - began:6.2f} s, serialize {serialized - parsed:6.2f} s, ", end="")
print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB", end="")
from airflow.sdk.definitions._internal.dag_parsing_context import _airflow_parsing_context_manager as only
import runpy, sys
with only(dag_id=f"copy_000__train", task_id="train"):
    began = time.perf_counter()
    runpy.run_path(sys.argv[1])
    print(f"; one task's DAG file {1000 * (time.perf_counter() - began):.0f} ms")
"""


def write(root: Path, count: int) -> Path:
    """Write so many copies of the template."""
    for number in range(count):
        folder = root / "use_cases" / f"copy_{number:03d}"
        folder.mkdir(parents=True)
        for path in TEMPLATE.glob("*.py"):
            (folder / path.name).write_text(path.read_text().replace("$name", folder.name))
    return root / "use_cases"


def main() -> None:
    """Measure each count in a process of its own."""
    for count in map(int, sys.argv[1:] or ["1", "50", "500"]):
        with tempfile.TemporaryDirectory() as folder:
            environment = os.environ | {
                "AIRFLOW_HOME": folder,
                "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
                "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300",
                "GYRE_USE_CASES": str(write(Path(folder), count)),
            }
            sys.stdout.write(f"{count:4} use cases, ")
            sys.stdout.flush()
            subprocess.run([sys.executable, "-W", "ignore", "-c", PARSE, str(REPOSITORY / "dags" / "train.py")], check=True, env=environment)


if __name__ == "__main__":
    main()
