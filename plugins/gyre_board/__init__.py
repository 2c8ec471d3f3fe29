"""The board: what each model's life has come to, inside Airflow's own UI."""
