"""Ask a Label Studio server: sign in, try again what may be tried again, and say what went wrong in words that help."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from gyre.clients.label_studio_records import Token
from gyre.connections import Connection, connection
from gyre.errors import GyreError, LabelStudioRefused, LabelStudioUnreachable

if TYPE_CHECKING:
    from label_studio_sdk import LabelStudio as Sdk
    from label_studio_sdk.core.api_error import ApiError

log = logging.getLogger("gyre.label_studio")

T = TypeVar("T")
SECONDS = 60.0
WAITS = (0.5, 2.0, 5.0)


@dataclass(frozen=True)
class Server:
    """One Label Studio server. Nothing is remembered from one `of` to the next, so that a rotated token is used at once.

    Attributes:
        conn: Where it is; `password` is a legacy token or a personal access token.
    """

    conn: Connection

    @classmethod
    def of(cls, conn_id: str) -> Server:
        """Open the server of a connection this process was given."""
        return cls(connection(conn_id))

    @cached_property
    def sdk(self) -> Sdk:
        """Label Studio's own client; it changes a personal access token for a short-lived one as needed."""
        from label_studio_sdk import LabelStudio as Sdk

        if not self.conn.password:
            raise LabelStudioRefused(f"Connection '{self.conn.conn_id}' has no token. Fix: {self._cure}")
        # It would try everything again, creations too: `ask` decides instead.
        return Sdk(base_url=self.conn.http_url, api_key=self.conn.password, timeout=SECONDS, max_retries=0)  # type: ignore[no-untyped-call]

    @property
    def claims(self) -> dict[str, Any] | None:
        """What a personal access token says of itself, unverified; None of a legacy token."""
        import jwt

        try:
            return dict(jwt.decode(self.conn.password or "", options={"verify_signature": False}))
        except jwt.InvalidTokenError:
            return None

    def token(self) -> Token:
        """Ask the server whose token this is.

        Raises:
            LabelStudioRefused: If it does not take the token.
            LabelStudioUnreachable: If there is no answer.
        """
        user = self.ask("ask whose token this is", lambda sdk: sdk.users.whoami())
        claims = self.claims
        expires = claims.get("exp") if claims else None
        kind = "legacy" if claims is None else "personal access"
        return Token(kind=kind, expires=datetime.fromtimestamp(expires, UTC) if expires else None, user=str(user.email))

    def version(self) -> str:
        """Version of the server."""
        answer = self.get("ask for the version", "api/version/")
        return str(answer.get("release", "unknown"))

    def get(self, what: str, path: str, **params: Any) -> Any:
        """Read JSON through the SDK's transport, without its models: they take as long to build as the server takes to answer."""
        from label_studio_sdk.core.api_error import ApiError

        def read(sdk: Sdk) -> Any:
            response = sdk._client_wrapper.httpx_client.request(path, method="GET", params=params)
            if response.is_success:
                return response.json()
            raise ApiError(status_code=response.status_code, body=response.text)

        return self.ask(what, read)

    def ask(self, what: str, request: Callable[[Sdk], T], again: bool = True) -> T:
        """Make a request.

        Args:
            what: Purpose of the request, for an error's text: "list the projects".
            request: Makes it, given the SDK.
            again: Whether it may be repeated when no good answer comes; never for what creates something.
        """
        import httpx
        from label_studio_sdk.core.api_error import ApiError

        waits = list(WAITS) if again else []
        while True:
            try:
                return request(self.sdk)
            except (ApiError, httpx.HTTPError, json.JSONDecodeError) as error:
                problem = self._problem(what, error) if isinstance(error, ApiError) else self._unreachable(what, f"{type(error).__name__}: {error}")
                if not waits or isinstance(problem, LabelStudioRefused):
                    raise problem from error
            log.info("%s Trying again in %g s.", problem, waits[0])
            time.sleep(waits.pop(0))

    def _problem(self, what: str, error: ApiError) -> Exception:
        words = error.body if isinstance(error.body, str) else json.dumps(error.body, default=str)
        words = " ".join(words.split())[:600]
        where = f"Label Studio at {self.conn.http_url}"
        status = error.status_code
        if status in (401, 403):
            kind = "legacy" if self.claims is None else "personal access"
            return LabelStudioRefused(
                f"{where} does not let the {kind} token of connection '{self.conn.conn_id}' {what} ({status}: {words}). Fix: {self._cure}"
            )
        if status is None or status >= 500 or status in (408, 425, 429):
            return self._unreachable(what, f"{status}: {words}")
        return LabelStudioRefused(f"{where} refuses to {what} ({status}): {words}")

    def _unreachable(self, what: str, problem: str) -> LabelStudioUnreachable:
        return LabelStudioUnreachable(
            f"Label Studio at {self.conn.http_url} (connection '{self.conn.conn_id}') cannot be asked to {what} now: {problem}. "
            "If this stays so: is the server running, and are host and port right?"
        )

    @property
    def _cure(self) -> str:
        return (
            f"sign in at {self.conn.http_url}/user/account, copy a token (legacy or personal access; the organization's settings say which are allowed), "
            f"and put it in as password of '{self.conn.conn_id}'."
        )


def main() -> None:
    """Test a connection: print who signs in, or end with what is wrong."""
    server = Server.of(sys.argv[1])
    try:
        token, version = server.token(), server.version()
    except (GyreError, LabelStudioUnreachable) as error:
        sys.exit(str(error))
    until = f"expires {token.expires:%Y-%m-%d %H:%M} UTC" if token.expires else "never expires"
    sys.stdout.write(f"Label Studio {version} at {server.conn.http_url}: {token.user}, {token.kind} token, {until}\n")


if __name__ == "__main__":
    main()
