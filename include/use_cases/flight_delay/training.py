"""Will a flight land 15 minutes late or more? Boosted trees, with logistic regression beside them.

Late flights share their day's weather, so leaves are kept large (`min_child_weight`): smaller ones learn single days by heart and predict
no better on the next (train AUC .91 for the same held-out AUC).
"""

from typing import Any

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from xgboost import XGBClassifier

LABEL = "label"


def train(train: pd.DataFrame, validation: pd.DataFrame, parameters: dict[str, Any]) -> Pipeline:
    """Fit the trees; the validation rows are watched for the learning curve and never learned from."""
    x, y = train.drop(columns=LABEL), train[LABEL]
    numeric, categorical = _columns(x)
    encode = ColumnTransformer(
        [
            ("categorical", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, min_frequency=20), categorical),
            ("numeric", "passthrough", numeric),
        ],
        verbose_feature_names_out=False,
    )
    encoded, watched = encode.fit_transform(x), encode.transform(validation.drop(columns=LABEL))
    # One thread: on a busy machine of few cores several wait for each other longer than they work.
    trees = XGBClassifier(**parameters, n_jobs=1, eval_metric="logloss")
    trees.fit(encoded, y, eval_set=[(encoded, y), (watched, validation[LABEL])], verbose=False)
    return Pipeline([("encode", encode), ("trees", trees)])


def baselines(train: pd.DataFrame) -> dict[str, Any]:
    """Fit the simple model that the trees must beat."""
    x, y = train.drop(columns=LABEL), train[LABEL]
    numeric, categorical = _columns(x)
    encode = ColumnTransformer(
        [
            ("categorical", OneHotEncoder(handle_unknown="ignore", min_frequency=20), categorical),
            ("numeric", make_pipeline(SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True), StandardScaler()), numeric),
        ]
    )
    return {"logistic_regression": make_pipeline(encode, LogisticRegression(max_iter=300)).fit(x, y)}


def _columns(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Tell numeric columns from categorical ones."""
    numeric = frame.select_dtypes("number").columns.tolist()
    return numeric, [column for column in frame.columns if column not in numeric]
