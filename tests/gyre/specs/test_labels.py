"""Asking people is written down in one typed spec; a wrong one is refused with the field, the value and a cure."""

from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest
from pydantic import ValidationError

from gyre.specs import (
    AudioClassification,
    BoundingBoxes,
    Custom,
    Features,
    ImageClassification,
    NamedEntities,
    Objects,
    People,
    Promotion,
    Schedule,
    TextClassification,
    Training,
    Transcription,
    UseCase,
)
from gyre.specs.templates import choices_of, linked_in

LABEL = "use_cases.x.labels:label"
TEMPLATES = [
    ImageClassification(image="uri", choices=["a", "b"]),
    BoundingBoxes(image="uri", labels=["a"], label=LABEL),
    TextClassification(text="text", choices=["a", "b"]),
    NamedEntities(text="text", labels=["a"], label=LABEL),
    AudioClassification(audio="uri", choices=["a", "b"]),
    Transcription(audio="uri", label=LABEL),
]
TWO_PARTS = '<View><Text name="t" value="$text"/><Rating name="stars" toName="t"/></View>'


def use_case(labels: People, **change: Any) -> UseCase:
    given: dict[str, Any] = {
        "name": "shown",
        "task": "multiclass",
        "keys": ["id"],
        "event_time": "at",
        "sources": {"rows": Objects(uri="file:///rows/{start:%Y-%m-%d}.parquet")},
        "schedule": Schedule(start=datetime(2026, 1, 1, tzinfo=UTC)),
        "features": Features(function="use_cases.shown.features:features", binary=["image"], carried=["uri", "text"]),
        "expectations": "use_cases.shown.expectations:suites",
        "labels": labels,
        "training": Training(function="use_cases.shown.training:train"),
        "promotion": Promotion(metric="log_loss"),
    }
    return UseCase(**{**given, **change})


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.kind)
def test_a_template_shows_its_column_and_names_the_control_whose_answer_counts(template: Any):
    root = ElementTree.fromstring(template.config('Which "one" & why?'))
    assert [e.get("value") for e in root.iter("Header")] == ['Which "one" & why?']
    assert {e.get("value") for e in root.iter() if str(e.get("value")).startswith("$")} == {f"${name}" for name in template.shown}
    assert [e.get("toName") for e in root.iter() if e.get("name") == "answer"] == list(template.shown)


def test_choices_are_written_as_they_are_even_with_signs_that_xml_knows():
    template = TextClassification(text="text", choices=['<5"', "R&D"])
    assert [e.get("value") for e in ElementTree.fromstring(template.config("")).iter("Choice")] == ['<5"', "R&D"]


def test_a_choice_of_one_sign_is_chosen_by_its_own_key():
    config = ImageClassification(image="i", choices=["0", "1"]).config("")
    assert '<Choice value="0" hotkey="0"/><Choice value="1" hotkey="1"/>' in config
    assert "hotkey" not in ImageClassification(image="i", choices=["0", "10"]).config("")


def test_the_answers_stand_above_the_picture_which_may_fill_the_screen():
    config = ImageClassification(image="i", choices=["a", "b"]).config("")
    assert config.index("<Choices") < config.index("<Image")


def test_pictures_and_sounds_are_linked_and_texts_only_where_the_spec_says_so():
    assert linked_in(TEMPLATES[0]) == {"image"}
    assert linked_in(TEMPLATES[2]) == frozenset()
    assert linked_in(TextClassification(text="uri", choices=["a", "b"], linked=True)) == {"text"}
    assert choices_of(TEMPLATES[1]) is None


@pytest.mark.parametrize(
    ("xml", "columns", "problem"),
    [
        ("<View>", {"text": "text"}, r"xml is not well formed"),
        ("<Text/>", {"text": "text"}, r"begins with <Text>. Fix: put everything into one <View>"),
        ('<View><Text name="t" value="$text"/></View>', {"text": "text"}, r"nothing that people could answer"),
        (TWO_PARTS, {"body": "text"}, r"uses the variables \['text'\], columns names \['body'\]"),
    ],
)
def test_a_configuration_of_ones_own_is_checked(xml: str, columns: dict[str, str], problem: str):
    with pytest.raises(ValidationError, match=problem):
        Custom(xml=xml, columns=columns, label=LABEL)


def test_a_configuration_of_ones_own_is_kept_word_for_word():
    assert Custom(xml=TWO_PARTS, columns={"text": "text"}, label=LABEL).config("ignored") == TWO_PARTS


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"sampling": {"random": 0.5, "uncertain": 0.2}}, r"sum to 1; they sum to 0.7"),
        ({"agreement": 0.7}, r"agreement needs two opinions on a task. Fix: annotators=2"),
        ({"annotators": 3, "opinions_at_most": 2}, r"opinions_at_most=2 is less than annotators=3"),
        ({"values": {"a": 1}}, r"values has \['a'\], the template's choices are \['a', 'b'\]"),
        ({"files": None}, r"Fix: name in `files` the connection"),
        ({"budget": 0}, r"greater than or equal to 1"),
    ],
)
def test_a_way_of_asking_that_cannot_work_is_refused(change: dict[str, Any], problem: str):
    with pytest.raises(ValidationError, match=problem):
        People(**{"template": TEMPLATES[0], "files": "bucket", **change})


@pytest.mark.parametrize(
    ("template", "change", "problem"),
    [
        (ImageClassification(image="url", choices=["a", "b"]), {}, r"shows the column 'url' as 'image', and the rows have none. Did you mean 'uri'"),
        (ImageClassification(image="image", choices=["a", "b"]), {}, r"shows 'image', which holds bytes. Fix: show a column of `features.carried`"),
        (TEMPLATES[0], {"task": "binary"}, r"labels.values must give each choice of a binary task 0 or 1"),
        (TEMPLATES[0], {"task": "regression", "promotion": Promotion(metric="mae")}, r"must give each choice of a regression task a number"),
    ],
)
def test_people_must_be_shown_what_there_is_and_answer_what_the_task_needs(template: Any, change: dict[str, Any], problem: str):
    with pytest.raises(ValidationError, match=problem):
        use_case(People(template=template, files="bucket"), **change)


def test_choices_with_values_make_a_binary_label():
    people = People(template=TEMPLATES[2], values={"a": 0, "b": 1})
    assert use_case(people, task="binary").labels == people
