"""Gyre: the whole life of a model, on Apache Airflow 3."""

__version__ = "0.1.0"
