"""Bring Label Studio's database up to date and give it its account. Runs in Label Studio's environment; imports nothing of Gyre's.

What it is told comes on its standard input (a password must not be an argument): one JSON object with `email`, `password`, `token`
and `pristine`, a file to keep a copy of the migrated database in before there is an account in it, or null.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Migrate, then make the account or bring it up to date. Safe to run again after an interruption."""
    given = json.load(sys.stdin)
    if given["pristine"]:
        os.nice(5)  # a minute of computing is before it, while the rest of the stack starts on the same cores
    import label_studio

    sys.path.insert(0, str(Path(label_studio.__file__).parent))  # its parts import one another from there
    import django
    from django.core.management import call_command
    from django.db import connection

    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True)
    if given["pristine"]:
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [given["pristine"]])
    ensure_account(given)
    connection.close()


def ensure_account(given: dict[str, Any]) -> None:
    """The user with this e-mail has this password and this token, and owns or joins the one organisation; both kinds of token work."""
    from django.db import transaction
    from organizations.models import Organization
    from rest_framework.authtoken.models import Token
    from users.models import User

    with transaction.atomic():
        user = User.objects.filter(email=given["email"]).first() or User.objects.create_user(given["email"], given["password"])
        if not user.check_password(given["password"]):
            user.set_password(given["password"])
        user.is_staff = user.is_superuser = True
        organization = Organization.objects.first() or Organization.create_organization(created_by=user, title="Gyre")
        organization.add_user(user)
        user.active_organization = organization
        user.save()
        Token.objects.filter(user=user).exclude(key=given["token"]).delete()
        Token.objects.get_or_create(user=user, defaults={"key": given["token"]})
        organization.jwt.api_tokens_enabled = organization.jwt.legacy_api_tokens_enabled = True
        organization.jwt.save()


if __name__ == "__main__":
    main()
