"""Gyre: the whole life of a model, on Apache Airflow 3."""
