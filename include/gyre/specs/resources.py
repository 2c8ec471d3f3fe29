"""What a job asks of the machine it runs on, and where on a cluster it may run. A laptop takes of it what it can: the number of CPUs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gyre.specs.base import Spec

MEMORY_GROWTH = 4  # without `max_memory_mb`: how many times its memory a job may be given after it ran out of it


class Toleration(Spec):
    """A taint of nodes that a job puts up with, in Kubernetes' own words."""

    key: str | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None


class Placement(Spec):
    """Where on a cluster a job may run.

    Attributes:
        node_selector: Labels a node must have.
        tolerations: Taints it may have.
        runtime_class: Kubernetes RuntimeClass, `nvidia` on some clusters.
        priority_class: Who may push whom out.
        queue: Kueue's LocalQueue that admits the job; the cluster's default (GYRE_KUEUE_QUEUE) if none is named.
    """

    node_selector: dict[str, str] = {}
    tolerations: list[Toleration] = []
    runtime_class: str | None = None
    priority_class: str | None = None
    queue: str | None = None


class Resources(Spec):
    """What a job asks for.

    Attributes:
        cpu: CPUs; also how many threads its libraries start.
        memory_mb: Memory it is given, and may not exceed on a cluster.
        max_memory_mb: A job that runs out of memory is tried again with twice as much, up to this; four times `memory_mb` if not given.
        gpu: GPUs, on each node.
        gpu_profile: What kind: `gpu` (whole ones, `nvidia.com/gpu`), a MIG slice such as `mig-1g.10gb`, or a resource's whole name (`amd.com/gpu`).
        cpu_fallback: Whether it may run without a GPU on a cluster none of whose nodes has one.
        nodes: Machines that train one model together, as torchrun's processes.
    """

    cpu: float = Field(default=1, gt=0)
    memory_mb: int = Field(default=2048, ge=128)
    max_memory_mb: int | None = None
    gpu: int = Field(default=0, ge=0)
    gpu_profile: str = "gpu"
    cpu_fallback: bool = False
    nodes: int = Field(default=1, ge=1)
    placement: Placement = Placement()

    @model_validator(mode="after")
    def _room_to_grow(self) -> Resources:
        if self.max_memory_mb is not None and self.max_memory_mb < self.memory_mb:
            raise ValueError(f"max_memory_mb {self.max_memory_mb} is less than memory_mb {self.memory_mb}. Fix: leave it out, or make it larger")
        return self

    @property
    def most_memory_mb(self) -> int:
        """The most memory that a try after an out-of-memory one is given."""
        return self.max_memory_mb or MEMORY_GROWTH * self.memory_mb

    @property
    def gpu_resource(self) -> str:
        """Kubernetes' name of the kind of GPU."""
        return self.gpu_profile if "/" in self.gpu_profile else f"nvidia.com/{self.gpu_profile}"

    def memory_after(self, out_of_memory: int) -> int:
        """Memory in MB for a try, after so many that ran out of it."""
        return min(self.memory_mb << out_of_memory, self.most_memory_mb)
