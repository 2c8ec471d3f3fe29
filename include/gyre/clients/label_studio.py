"""Label Studio: projects, the tasks in them, and what people answered.

Every task carries its content key in its data (`gyre_key`); what has been created is known by reading the keys, never by trusting that an answer
came. Files stay where they are and are linked (`label_studio_links.py`); a whole project is read by `label_studio_export.py`.

What Label Studio does, found by asking a 1.23 server:
- Deleting an annotation moves its task's `updated_at`, from a task's page and from the Data Manager alike: `changed` sees it. Deleting a *user*, or a task,
  does not; `export` and `count_tasks` show what is there.
- A task's `overlap` may be set in the open-source server too, and the label stream then offers the task to as many different people.
- Listing tasks costs it a query a task (`comment_authors`) unless `include` names what is wanted: then it is four times as fast.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gyre.clients import label_studio_export, label_studio_links
from gyre.clients.label_studio_listing import Listing
from gyre.clients.label_studio_records import KEY, REASON, Annotation, Guess, NewTask, Project, Task, Token, chunks
from gyre.clients.label_studio_server import Server
from gyre.connections import Connection
from gyre.errors import LabelStudioRefused

__all__ = ["KEY", "REASON", "Annotation", "Guess", "LabelStudio", "NewTask", "Project", "Task", "Token", "chunks"]

TITLE_AT_MOST = 50
DELETED_AT_ONCE = 1000


@dataclass(frozen=True)
class LabelStudio:
    """One Label Studio server, as the person whose token the connection holds."""

    server: Server

    @classmethod
    def of(cls, conn_id: str) -> LabelStudio:
        """Open the server of a connection this process was given."""
        return cls(Server.of(conn_id))

    def token(self) -> Token:
        """Say what signs in, whose it is and when it expires; see `Server.token` for what can go wrong."""
        return self.server.token()

    # projects

    def check_config(self, config: str) -> None:
        """Check a labelling config without asking the server.

        Raises:
            LabelStudioRefused: If it is none, with the parser's word.
        """
        from label_studio_sdk.label_interface.interface import LabelInterface

        try:
            LabelInterface(config).validate()  # type: ignore[no-untyped-call]
        except Exception as error:
            raise LabelStudioRefused(f"The labelling config is not one that Label Studio takes: {error}") from error

    def find(self, name: str) -> Project | None:
        """Find the project of that name."""
        twins = self._twins(name)
        return self._project(twins[0], created=False) if twins else None

    def project(self, name: str, config: str, instructions: str, annotators: int) -> Project:
        """Find or create the project of that name, and bring it up to date. Two who create it at once end with the older.

        Raises:
            LabelStudioRefused: If Label Studio does not take the config, or not any more, because of annotations made with the one before.
        """
        settings: dict[str, Any] = {
            "label_config": config,
            "expert_instruction": instructions,
            "show_instruction": bool(instructions),
            "maximum_annotations": annotators,
        }
        title = title_of(name)
        created = not self._twins(name)
        if created:
            self.server.ask(f"create project '{title}'", lambda sdk: sdk.projects.create(title=title, **settings), again=False)
        first, *others = self._twins(name)
        for other in others:
            if not other["task_number"]:
                self._remove_project(other["id"])
        if any(first[key] != value for key, value in settings.items()):
            self.server.ask(f"bring project '{title}' up to date", lambda sdk: sdk.projects.update(first["id"], **settings))
        return self._project(first, created)

    def _twins(self, name: str) -> list[dict[str, Any]]:
        title = title_of(name)
        found = self.server.get("list the projects", "api/projects/", title=title, page_size=1000)["results"]
        return sorted((each for each in found if each["title"] == title), key=lambda each: int(each["id"]))

    def _remove_project(self, project: int) -> None:
        from label_studio_sdk.core.api_error import ApiError

        def remove(sdk: Any) -> None:
            try:
                sdk.projects.delete(project)
            except ApiError as error:
                if error.status_code != 404:  # whoever made it was quicker
                    raise

        self.server.ask(f"remove the empty project {project}, made at the same time as another", remove)

    def _project(self, found: Mapping[str, Any], created: bool) -> Project:
        return Project(id=int(found["id"]), url=f"{self.server.conn.http_url}/projects/{found['id']}/data", created=created)

    def link_files(self, project: int, bucket: str, store: Connection, minutes: int) -> None:
        """Let people see `s3://bucket/...` of a task's data by links that work for so many minutes; see `label_studio_links.link`."""
        label_studio_links.link(self.server, project, bucket, store, minutes)

    def webhook(self, project: int, url: str, headers: Mapping[str, str]) -> None:
        """Let Label Studio call an address whenever an annotation comes, changes or goes; it calls once, and may forget."""
        label_studio_links.webhook(self.server, project, url, headers)

    # tasks

    def count_tasks(self, project: int) -> int:
        """Count the tasks there are; deleted ones are none."""
        return Listing(self.server, project).count()

    def newest_tasks(self, project: int, after: int) -> Iterator[tuple[int, str]]:
        """Give id and key of each task with a greater id, in order; a task that Gyre did not make has the key ''."""
        yield from Listing(self.server, project).keys(after)

    def create_tasks(self, project: int, tasks: Sequence[NewTask]) -> list[int]:
        """Create tasks in one request, all or none; give their ids in order. Never repeated here: only who knows the keys can tell whether to.

        Raises:
            LabelStudioUnreachable: If no answer came. They may have been created.
        """
        if not tasks:
            return []
        body: Any = [task.body() for task in tasks]
        answer: Any = self.server.ask(
            f"create {len(tasks)} tasks in project {project}",
            lambda sdk: sdk.projects.import_tasks(project, request=body, return_task_ids=True),
            again=False,
        )
        return [int(each) for each in answer.task_ids or []]

    def delete_tasks(self, project: int, ids: Sequence[int]) -> None:
        """Delete tasks and their annotations."""
        for start in range(0, len(ids), DELETED_AT_ONCE):
            self._delete(project, ids[start : start + DELETED_AT_ONCE])

    def _delete(self, project: int, ids: Sequence[int]) -> None:
        selected: Any = {"all": False, "included": list(ids)}
        what = f"delete {len(ids)} tasks of project {project}"
        self.server.ask(what, lambda sdk: sdk.actions.create(id="delete_tasks", project=project, selected_items=selected))

    def ask_again(self, project: int, tasks: Mapping[int, int]) -> None:
        """Let each task have so many opinions, of different people: the label stream offers it again until it has them."""
        for task, opinions in tasks.items():
            self._ask_about(project, task, opinions)

    def _ask_about(self, project: int, task: int, opinions: int) -> None:
        what = f"ask again about task {task} of project {project}"
        self.server.ask(what, lambda sdk: sdk.tasks.update(str(task), overlap=opinions, is_labeled=False))

    # answers

    def count_changed(self, project: int, since: datetime) -> int:
        """Count the tasks that changed since then."""
        return Listing(self.server, project).count(since)

    def changed(self, project: int, since: datetime) -> Iterator[Task]:
        """Give each task that changed since then, oldest change first, with every annotation it has now.

        A task that changes while this goes on may come again; none is missed.
        """
        yield from Listing(self.server, project).changed(since)

    def export(self, project: int) -> Iterator[Task]:
        """Give every task with its annotations, from a snapshot; survives a proxy's time-out."""
        listing = Listing(self.server, project)
        yield from map(listing.task, label_studio_export.tasks_of(self.server, project))


def title_of(name: str) -> str:
    """Title of a use case's project, in the 50 characters that Label Studio takes."""
    title = f"gyre: {name}"
    if len(title) <= TITLE_AT_MOST:
        return title
    return f"{title[: TITLE_AT_MOST - 9]}~{hashlib.sha256(name.encode()).hexdigest()[:8]}"
