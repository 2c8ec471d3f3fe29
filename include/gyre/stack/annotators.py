"""Accounts for the people who label, made as they would make them: by Label Studio's sign-up link."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass, field

import httpx

from gyre.errors import StackError
from gyre.stack.context import Stack

PAUSES_S = (0.5, 1, 2, 4)


@dataclass(frozen=True)
class Annotator:
    """One account of the local Label Studio."""

    email: str
    password: str = field(repr=False)
    token: str = field(repr=False)


def sign_up_link(stack: Stack) -> str:
    """The page at which anyone who has this link can make an account."""
    address = stack.settings.url("label_studio")
    invite = _get(httpx.Client(base_url=address, trust_env=False, headers={"Authorization": f"Token {stack.secrets.label_studio_token}"}), "/api/invite")
    return f"{address}{invite['invite_url']}"


def add_annotator(email: str, stack: Stack | None = None) -> Annotator:
    """Make an account, or find it again: its password follows from the e-mail and a secret of this stack.

    Args:
        email: Of the person. Label Studio sends nothing to it.
        stack: Whose Label Studio; by default the one of this process's `GYRE_HOME`.

    Raises:
        StackError: If Label Studio does not answer, refuses the e-mail, or has an account of that name with another password.
    """
    stack = stack or Stack.open()
    email = email.strip().lower()
    digest = hmac.new(stack.secrets.label_studio_annotators.encode(), email.encode(), hashlib.sha256).digest()
    password = base64.urlsafe_b64encode(digest[:12]).decode()
    link = sign_up_link(stack)
    with httpx.Client(base_url=stack.settings.url("label_studio"), trust_env=False, timeout=30) as browser:
        if not (_send_form(browser, link, email, password) or _send_form(browser, "/user/login/", email, password)):
            raise StackError(
                f"Label Studio makes no account '{email}': it is no e-mail address, or that account exists with another password. "
                f"Fix: give another address; someone who has an account signs in at {browser.base_url} with their own password."
            )
        return Annotator(email, password, str(_get(browser, "/api/current-user/token")["token"]))


def _send_form(browser: httpx.Client, page: str, email: str, password: str) -> bool:
    """Fill in a page's form; Label Studio answers with another page if it took it, else with the same one."""
    try:
        browser.get(page).raise_for_status()
        form = {"email": email, "password": password, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        answer = browser.post(page, data=form, headers={"Referer": str(browser.base_url)})
    except httpx.HTTPError as error:
        raise StackError(f"Label Studio does not answer ({type(error).__name__}: {error}). Fix: see `gyre status`.") from error
    return answer.is_redirect


def _get(client: httpx.Client, path: str) -> dict[str, str]:
    try:
        answer = client.get(path)
        for pause in PAUSES_S:  # its SQLite has one writer: on a busy machine an answer may be 500
            if not answer.is_server_error:
                break
            time.sleep(pause)
            answer = client.get(path)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise StackError(f"Label Studio does not answer as it should ({type(error).__name__}: {error}). Fix: see `gyre status`.") from error
    return dict(answer.json())
