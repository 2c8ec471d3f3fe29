"""Every Airflow asset of the platform, named in one place. Events start a run soon and draw the lineage; nothing depends on them."""

from __future__ import annotations

from airflow.sdk import Asset

from gyre.specs import UseCase


def _asset(use_case: UseCase, name: str) -> Asset:
    return Asset(name=f"{use_case.name}/{name}", uri=f"gyre://{use_case.name}/{name}", group="gyre")


def validated(use_case: UseCase) -> Asset:
    """A partition of validated rows was published."""
    return _asset(use_case, "validated")


def labelled(use_case: UseCase) -> Asset:
    """Rows were given labels."""
    return _asset(use_case, "labelled")


def retrain_request(use_case: UseCase) -> Asset:
    """Monitoring asked for a new model."""
    return _asset(use_case, "retrain_request")


def challenger(use_case: UseCase) -> Asset:
    """A model version was registered as challenger."""
    return _asset(use_case, "challenger")


def champion(use_case: UseCase) -> Asset:
    """A model version serves."""
    return _asset(use_case, "champion")
