"""The company's topic, landed by two at once."""

import pytest

from gyre.lake import Lake
from gyre.specs import load_use_case

pytestmark = pytest.mark.stack


def test_two_jobs_that_land_the_same_topic_at_once_land_each_message_once(stack, tmp_path):
    import subprocess

    seed = (
        "from datetime import datetime, UTC; from gyre.stack import airflow_settings, postgres; from demo.company import Company; "
        "c = Company(airflow_settings.local_connections(), postgres.superuser_connection()); c.seed(); c.advance(datetime(2013, 1, 8, tzinfo=UTC))"
    )
    subprocess.run([str(stack.settings.venvs / "stack/bin/python"), "-c", seed], env=stack.environment, check=True, timeout=300)
    land = (
        "from gyre.ingest.topic import land; from gyre.lake import Lake; from gyre.specs import load_use_case; u = load_use_case('flight_delay'); "
        f"land('arrivals', u.sources['arrivals'], u.schedule.grid, Lake('file://{tmp_path}', {{}}))"
    )
    python = str(stack.settings.venvs / "tabular/bin/python")
    both = [subprocess.Popen([python, "-c", land], env=stack.environment) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    table = Lake(f"file://{tmp_path}", {}).table("sources", load_use_case("flight_delay").labels.source)
    assert table is not None
    rows = table.to_pyarrow_table(columns=["_partition", "_offset"]).to_pylist()
    assert len(rows) == len({(row["_partition"], row["_offset"]) for row in rows}) > 5000
    rejected = Lake(f"file://{tmp_path}", {}).table("rejected", "arrivals")
    assert rejected is not None
    kept = [(row["_partition"], row["_offset"]) for row in rejected.to_pyarrow_table().to_pylist()]
    assert len(kept) == len(set(kept)) >= 1
