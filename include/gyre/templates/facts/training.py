"""Fit the model: a pandas frame in, a fitted model out."""

from typing import Any

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def train(train: pd.DataFrame, validation: pd.DataFrame, parameters: dict[str, Any]) -> Pipeline:  # noqa: ARG001 - for early stopping
    """Fit on `train`; `validation` is later in time. Both hold the feature columns and `label`."""
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["channel"]),
        (StandardScaler(), ["amount", "hour"]),
    )
    model = make_pipeline(columns, LogisticRegression(**parameters))
    return model.fit(train.drop(columns="label"), train["label"])
