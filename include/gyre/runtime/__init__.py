"""How work is started from Airflow: as a local subprocess, or as a pod. Chosen by settings, never by a DAG."""

from gyre.runtime.connections import journal
from gyre.runtime.operator import JobOperator
from gyre.runtime.tasks import DecisionOperator
from gyre.runtime.use_cases import use_cases

__all__ = ["DecisionOperator", "JobOperator", "journal", "use_cases"]
