"""What a person writes (`UseCase` and its parts) and what crosses a process boundary (requests and results)."""

from gyre.specs.base import EntryPoint, Spec
from gyre.specs.interval import Grid, Interval, cell_key, parse_instant
from gyre.specs.labels import Facts, People
from gyre.specs.loading import load_use_case, load_use_cases
from gyre.specs.monitoring import Monitoring, Rule
from gyre.specs.requests import Check, DatasetVersion, Gate, IntervalRequest, Request, Result
from gyre.specs.resources import Placement, Resources, Toleration
from gyre.specs.sources import Objects, Source, Table, Topic
from gyre.specs.templates import (
    AudioClassification,
    BoundingBoxes,
    Custom,
    ImageClassification,
    NamedEntities,
    TextClassification,
    Transcription,
)
from gyre.specs.use_case import Features, Promotion, Schedule, Serving, Training, UseCase

__all__ = [
    "AudioClassification",
    "BoundingBoxes",
    "Check",
    "Custom",
    "DatasetVersion",
    "EntryPoint",
    "Facts",
    "Features",
    "Gate",
    "Grid",
    "ImageClassification",
    "Interval",
    "IntervalRequest",
    "Monitoring",
    "NamedEntities",
    "Objects",
    "People",
    "Placement",
    "Promotion",
    "Request",
    "Resources",
    "Result",
    "Rule",
    "Schedule",
    "Serving",
    "Source",
    "Spec",
    "Table",
    "TextClassification",
    "Toleration",
    "Topic",
    "Training",
    "Transcription",
    "UseCase",
    "cell_key",
    "load_use_case",
    "load_use_cases",
    "parse_instant",
]
