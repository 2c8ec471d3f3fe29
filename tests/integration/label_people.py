"""People who sign up at a Label Studio server and answer as its pages let them; and a proxy that cuts every answer off."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from gyre.clients.label_studio import LabelStudio

CHOICES = """<View>
  <Image name="image" value="$image"/>
  <Choices name="label" toName="image" choice="single"><Choice value="yes"/><Choice value="no"/></Choices>
</View>"""


def answer(choice: str) -> list[dict]:
    """Write a choice as Label Studio does."""
    return [{"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [choice]}}]


@dataclass(frozen=True)
class Person:
    """Somebody with an account of their own."""

    email: str
    http: httpx.Client

    @classmethod
    def sign_up(cls, studio: LabelStudio, email: str) -> Person:
        """Follow the invitation link, as a new colleague does."""
        url = studio.server.conn.http_url
        http = httpx.Client(base_url=url, headers={"Referer": url}, timeout=60)
        invitation = studio.server.get("invite", "api/invite")["invite_url"]
        http.get(invitation).raise_for_status()
        form = {"email": email, "password": "a long password 1", "csrfmiddlewaretoken": http.cookies["csrftoken"]}
        signed_up = http.post(invitation, data=form)
        assert signed_up.status_code == 302, signed_up.text[:500]
        http.headers["X-CSRFToken"] = http.cookies["csrftoken"]
        return cls(email, http)

    def next_task(self, project: int) -> int | None:
        """Take the next task of the label stream; None if there is none for them."""
        offered = self.http.get(f"/api/projects/{project}/next")
        return None if offered.status_code == 404 else offered.raise_for_status().json()["id"]

    def annotate(self, task: int, choice: str) -> int:
        """Submit an answer; give its id."""
        made = self.http.post(f"/api/tasks/{task}/annotations/", json={"result": answer(choice), "lead_time": 3.5})
        return made.raise_for_status().json()["id"]

    def skip(self, task: int) -> int:
        """Skip a task."""
        made = self.http.post(f"/api/tasks/{task}/annotations/", json={"result": [], "was_cancelled": True})
        return made.raise_for_status().json()["id"]

    def change(self, annotation: int, choice: str) -> None:
        """Change an answer."""
        self.http.patch(f"/api/annotations/{annotation}/", json={"result": answer(choice)}).raise_for_status()

    def delete(self, annotation: int) -> None:
        """Delete an answer."""
        self.http.delete(f"/api/annotations/{annotation}/").raise_for_status()


@contextlib.contextmanager
def cutting_proxy(host: str, port: int, seconds: float) -> Iterator[int]:
    """Pass connections on to a server, and cut each so long after its request came; give the proxy's port."""
    listening = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, target: socket.socket, rate: int | None = None) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(rate or 65536):
                target.sendall(chunk)
                if rate:
                    time.sleep(0.05)

    def serve(client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, socket.create_connection((host, port)) as server:
            for pair in ((client, server), (server, client, 20_000)):
                threading.Thread(target=pump, args=pair, daemon=True).start()
            time.sleep(seconds)
            for each in (client, server):
                each.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listening.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.close()
