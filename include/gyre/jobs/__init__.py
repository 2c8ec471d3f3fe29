"""The heavy work's entry points: `python -m gyre.jobs.<name> --request URI`, in the use case's environment, without Airflow."""
