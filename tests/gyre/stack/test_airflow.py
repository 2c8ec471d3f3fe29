"""What Airflow's health report means."""

from gyre.stack.airflow import problem

HEALTHY = {"scheduler": {"status": "healthy", "latest_scheduler_heartbeat": "2026-01-01T00:00:10+00:00"}, "metadatabase": {"status": "healthy"}}
AT_TEN_SECONDS = 1767225610.0


def test_a_heartbeat_since_the_start_is_health():
    assert problem(HEALTHY, "scheduler", AT_TEN_SECONDS - 5) is None


def test_a_heartbeat_from_before_the_start_is_that_of_the_process_before():
    assert problem(HEALTHY, "scheduler", AT_TEN_SECONDS + 5) == "no heartbeat yet"


def test_a_part_without_heartbeats_needs_only_its_status():
    assert problem(HEALTHY, "metadatabase", AT_TEN_SECONDS) is None


def test_what_the_report_lacks_is_a_problem():
    assert problem(HEALTHY, "triggerer", 0) == "Airflow says nothing"


def test_an_airflow_that_does_not_answer_says_so():
    assert problem("http://x does not answer", "scheduler", 0) == "http://x does not answer"
