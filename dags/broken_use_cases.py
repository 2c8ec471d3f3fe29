"""Show a use case that cannot be loaded as an import error, where people look, without taking the others' DAGs down.

Triage: the text of the import error names the use case, the field, its value, and a cure.
"""

from airflow.sdk import get_parsing_context

from gyre.errors import InvalidUseCase
from gyre.specs import load_use_cases

if get_parsing_context().dag_id is None:  # a task's process builds its own DAG alone
    _, broken = load_use_cases()
    if broken:
        raise InvalidUseCase(", ".join(error.use_case for error in broken), "\n".join(str(error) for error in broken))
