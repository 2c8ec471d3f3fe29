"""Which use cases a DAG file is to build: all of them, or the one whose task is about to run."""

from __future__ import annotations

from airflow.sdk import get_parsing_context

from gyre.specs import UseCase, load_use_cases


def use_cases() -> list[UseCase]:
    """Load the use cases a DAG file builds DAGs for; broken ones are left to `dags/broken_use_cases.py`.

    A task's process parses its DAG file again; it then loads its own use case alone, however many there are.
    """
    dag_id = get_parsing_context().dag_id
    loaded, _ = load_use_cases(only=dag_id.partition("__")[0] if dag_id else None)
    return loaded
