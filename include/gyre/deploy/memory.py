"""A place that serves nothing, and a registry that is a dict: for tests of what the deployment decides."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gyre.deploy.serving import Instance
from gyre.errors import PromotionFailed
from gyre.specs.deploy_messages import BentoFile
from gyre.specs.use_case import UseCase


@dataclass
class MemoryPlace:
    """Remembers what should run and what is routed; `broken` versions cannot be started."""

    instances: dict[int, Instance] = field(default_factory=dict)
    to: int | None = None
    broken: set[int] = field(default_factory=set)
    ready_s: float = 1
    poll_s: float = 0.01
    lacking: str | None = None

    def start(self, use_case: UseCase, version: int, bento: BentoFile) -> Instance:  # noqa: ARG002
        """Have it run."""
        if version in self.broken:
            raise PromotionFailed(f"version {version} is broken")
        self.instances[version] = Instance(version, f"memory://{version}", bento.sha256, alive=True, intact=True)
        return self.instances[version]

    def stop(self, use_case: UseCase, version: int) -> None:  # noqa: ARG002
        """Have it run no more."""
        self.instances.pop(version, None)

    def running(self, use_case: UseCase) -> dict[int, Instance]:  # noqa: ARG002
        """Tell what runs."""
        return dict(self.instances)

    def why_dead(self, use_case: UseCase, version: int) -> str | None:  # noqa: ARG002
        """Tell whether it died."""
        return None if self.instances[version].alive else "it died"

    def lack(self, use_case: UseCase, version: int) -> str | None:  # noqa: ARG002
        """Tell what it was told."""
        return self.lacking

    def last_words(self, use_case: UseCase, version: int) -> str:  # noqa: ARG002
        """Give nothing."""
        return ""

    def route(self, use_case: UseCase, version: int) -> str:
        """Send requests to it."""
        self.to = version
        return f"memory://{use_case.name}/predict"

    def unroute(self, use_case: UseCase) -> None:  # noqa: ARG002
        """Send requests nowhere."""
        self.to = None

    def routed(self, use_case: UseCase) -> int | None:  # noqa: ARG002
        """Tell where requests go."""
        return self.to

    def kill(self, version: int) -> None:
        """Let a process die."""
        self.instances[version] = replace(self.instances[version], alive=False)


@dataclass
class MemoryRegistry:
    """Aliases of one model."""

    names: dict[str, int] = field(default_factory=dict)

    def aliases(self, name: str) -> dict[str, int]:  # noqa: ARG002
        """Say which version each alias names."""
        return dict(self.names)

    def set_alias(self, name: str, alias: str, version: int) -> None:  # noqa: ARG002
        """Let an alias name a version."""
        self.names[alias] = version

    def delete_alias(self, name: str, alias: str) -> None:  # noqa: ARG002
        """Take an alias away."""
        self.names.pop(alias, None)

    def version_url(self, name: str, number: int) -> str:
        """Page of a version."""
        return f"memory://{name}/{number}"
