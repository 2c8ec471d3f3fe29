"""Write Label Studio's XML: the parts that templates are put together from."""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

IMAGE = '<Image name="image" value="$image" zoom="true"/>'  # below the answers: it takes the whole width, and would push them off the screen


def view(header: str, *parts: str) -> str:
    """Put parts below a header into one view."""
    head = f"<Header value={quoteattr(header)}/>" if header else ""
    return "<View>\n" + "\n".join(f"  {part}" for part in (head, *parts) if part) + "\n</View>"


def text(linked: bool) -> str:
    """Show a text, or the text at an address."""
    return '<Text name="text" value="$text" valueType="url"/>' if linked else '<Text name="text" value="$text"/>'


def choices(about: str, choices: list[str]) -> str:
    """Let one of several answers be chosen."""
    keys = all(len(choice) == 1 for choice in choices)  # else Label Studio counts: the key 1 would choose the first, which may be "0"
    inside = "".join(f"<Choice value={quoteattr(choice)}{f' hotkey={quoteattr(choice)}' if keys else ''}/>" for choice in choices)
    return f'<Choices name="answer" toName="{escape(about)}" choice="single" required="true" showInline="true">{inside}</Choices>'


def labels(tag: str, about: str, labels: list[str], more: str = "") -> str:
    """Let regions be marked and named."""
    inside = "".join(f"<Label value={quoteattr(label)}/>" for label in labels)
    return f'<{tag} name="answer" toName="{escape(about)}"{more}>{inside}</{tag}>'
