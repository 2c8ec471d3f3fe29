"""The list of what the stack consists of, in the order in which it is shown."""

from __future__ import annotations

from gyre.stack import airflow, envoy, kafka, label_studio, mlflow, postgres, s3
from gyre.stack.component import Component
from gyre.stack.context import Stack

NAMES = (
    "postgres",
    "s3",
    "kafka",
    "envoy",
    "mlflow",
    "label-studio",
    "airflow-api-server",
    "airflow-scheduler",
    "airflow-dag-processor",
    "airflow-triggerer",
)
ENVIRONMENTS = ("stack", "airflow", "mlflow", "labelstudio")


def components(stack: Stack) -> list[Component]:
    """Every server of a stack."""
    return [
        postgres.component(stack),
        s3.component(stack),
        kafka.component(stack),
        envoy.component(stack),
        mlflow.component(stack),
        label_studio.component(stack),
        *airflow.components(stack),
    ]
