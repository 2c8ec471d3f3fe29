"""What people see in the labelling system, and which of their answers is the label."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from xml.etree import ElementTree

from pydantic import Field, field_validator, model_validator

from gyre.specs import studio_xml as xml_of
from gyre.specs.base import EntryPoint, Spec

Names = Annotated[list[str], Field(min_length=1)]
Share = Annotated[float, Field(gt=0, le=1)]


class ImageClassification(Spec):
    """One choice for a picture.

    Attributes:
        image: Column that holds the address of each picture, `s3://bucket/key`.
        choices: The answers, in the order they are shown.
    """

    kind: Literal["image_classification"] = "image_classification"
    image: str
    choices: Annotated[list[str], Field(min_length=2)]

    @property
    def shown(self) -> dict[str, str]:
        """Variable of a task's data -> column."""
        return {"image": self.image}

    def config(self, header: str) -> str:
        """Write the Label Studio configuration."""
        return xml_of.view(header, xml_of.choices("image", self.choices), xml_of.IMAGE)


class BoundingBoxes(Spec):
    """Rectangles on a picture, each with a name.

    Attributes:
        image: Column that holds the address of each picture.
        labels: What a rectangle may be.
        label: `(results: list[dict]) -> label`: what one person's regions (Label Studio's JSON) mean to the model; None for no answer.
        overlap: Intersection over union from which two people's rectangles of one name are the same. They agree if all are, or if the labels are equal.
    """

    kind: Literal["bounding_boxes"] = "bounding_boxes"
    image: str
    labels: Names
    label: EntryPoint
    overlap: Share = 0.5

    @property
    def shown(self) -> dict[str, str]:
        """Variable of a task's data -> column."""
        return {"image": self.image}

    def config(self, header: str) -> str:
        """Write the Label Studio configuration."""
        boxes = xml_of.labels("RectangleLabels", "image", self.labels, ' canRotate="false"')
        return xml_of.view(header, boxes, xml_of.IMAGE)


class TextClassification(Spec):
    """One choice for a text.

    Attributes:
        text: Column that holds the text, or its address where `linked`.
        choices: The answers, in the order they are shown.
        linked: Whether the column holds addresses of text files.
    """

    kind: Literal["text_classification"] = "text_classification"
    text: str
    choices: Annotated[list[str], Field(min_length=2)]
    linked: bool = False

    @property
    def shown(self) -> dict[str, str]:
        """Variable of a task's data -> column."""
        return {"text": self.text}

    def config(self, header: str) -> str:
        """Write the Label Studio configuration."""
        return xml_of.view(header, xml_of.text(self.linked), xml_of.choices("text", self.choices))


class NamedEntities(Spec):
    """Named stretches of a text.

    Attributes:
        text: Column that holds the text, or its address where `linked`.
        labels: What a stretch may be.
        label: As in `BoundingBoxes`.
        linked: Whether the column holds addresses of text files.
        overlap: As in `BoundingBoxes`, of stretches.
    """

    kind: Literal["named_entities"] = "named_entities"
    text: str
    labels: Names
    label: EntryPoint
    overlap: Share = 0.5
    linked: bool = False

    @property
    def shown(self) -> dict[str, str]:
        """Variable of a task's data -> column."""
        return {"text": self.text}

    def config(self, header: str) -> str:
        """Write the Label Studio configuration."""
        return xml_of.view(header, xml_of.labels("Labels", "text", self.labels), xml_of.text(self.linked))


class AudioClassification(Spec):
    """One choice for a sound.

    Attributes:
        audio: Column that holds the address of each sound.
        choices: The answers, in the order they are shown.
    """

    kind: Literal["audio_classification"] = "audio_classification"
    audio: str
    choices: Annotated[list[str], Field(min_length=2)]

    @property
    def shown(self) -> dict[str, str]:
        """Variable of a task's data -> column."""
        return {"audio": self.audio}

    def config(self, header: str) -> str:
        """Write the Label Studio configuration."""
        return xml_of.view(header, '<Audio name="audio" value="$audio"/>', xml_of.choices("audio", self.choices))


class Transcription(Spec):
    """What is said in a sound, as text.

    Attributes:
        audio: Column that holds the address of each sound.
        label: As in `BoundingBoxes`.
    """

    kind: Literal["transcription"] = "transcription"
    audio: str
    label: EntryPoint

    @property
    def shown(self) -> dict[str, str]:
        """Variable of a task's data -> column."""
        return {"audio": self.audio}

    def config(self, header: str) -> str:
        """Write the Label Studio configuration."""
        answer = '<TextArea name="answer" toName="audio" rows="4" editable="true" maxSubmissions="1" required="true"/>'
        return xml_of.view(header, '<Audio name="audio" value="$audio"/>', answer)


class Custom(Spec):
    """A Label Studio configuration of one's own.

    Attributes:
        xml: The configuration; checked here for its form and its variables, and by Label Studio's own parser before the first task is sent.
        columns: Variable of the configuration (`$photo` is `photo`) -> column.
        linked: Variables whose columns hold addresses of files.
        label: As in `BoundingBoxes`.
    """

    kind: Literal["custom"] = "custom"
    xml: str
    columns: dict[str, str] = Field(min_length=1)
    linked: list[str] = []
    label: EntryPoint

    @property
    def shown(self) -> dict[str, str]:
        """Variable of a task's data -> column."""
        return self.columns

    @field_validator("xml")
    @classmethod
    def _is_a_view(cls, value: str) -> str:
        try:
            root = ElementTree.fromstring(value)  # noqa: S314 - the author of the folder runs code anyway
        except ElementTree.ParseError as error:
            raise ValueError(f"xml is not well formed: {error}") from error
        if root.tag != "View":
            raise ValueError(f"xml begins with <{root.tag}>. Fix: put everything into one <View>")
        if not any("toName" in element.attrib for element in root.iter()):
            raise ValueError("xml has no control (no element with toName): there is nothing that people could answer")
        return value

    @model_validator(mode="after")
    def _every_variable_has_a_column(self) -> Custom:
        used = {name for element in ElementTree.fromstring(self.xml).iter() for name in _variables(element.attrib.values())}  # noqa: S314
        if used != set(self.columns):
            raise ValueError(f"xml uses the variables {sorted(used)}, columns names {sorted(self.columns)}. Fix: make them the same")
        if unknown := sorted(set(self.linked) - used):
            raise ValueError(f"linked names {unknown}, which are none of the variables {sorted(used)}")
        return self

    def config(self, header: str) -> str:  # noqa: ARG002 - it brings its own
        """Give it as it is."""
        return self.xml


Template = Annotated[
    ImageClassification | BoundingBoxes | TextClassification | NamedEntities | AudioClassification | Transcription | Custom,
    Field(discriminator="kind"),
]


def choices_of(template: Template) -> list[str] | None:
    """Give the answers people choose from, one an item; None if an answer is something else (regions, a text)."""
    return getattr(template, "choices", None)


def linked_in(template: Template) -> frozenset[str]:
    """Name the variables whose values are addresses of files, opened by the browser through short-lived links."""
    if isinstance(template, Custom):
        return frozenset(template.linked)
    if isinstance(template, TextClassification | NamedEntities):
        return frozenset({"text"} if template.linked else ())
    return frozenset(template.shown)


def _variables(values: object) -> list[str]:
    return [name for value in values for name in re.findall(r"\$(\w+)", value)]  # type: ignore[attr-defined]
