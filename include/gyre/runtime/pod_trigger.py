"""Watches a job's pod from the triggerer: streams its log, and says why it waits. Waiting for a GPU is waiting, never failing.

The provider's trigger has two clocks: until the pod has a node, and from then on until it runs. The first one is set so far away that it
does not count (a queue may be long, a node may have to be bought); while it runs, this trigger tells the task's log the scheduler's
reason and who holds, or waits for, the same kind of GPU.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from airflow.providers.cncf.kubernetes.triggers.pod import ContainerState, KubernetesPodTrigger

from gyre.runtime.pod_ending import is_finished, why_it_waits
from gyre.runtime.pod_labels import GPU_LABEL, GPU_RESOURCE, KILLED_LABEL, RUN_ID, USE_CASE_LABEL

LOOK_EVERY_S = 5
REPEAT_EVERY = 60  # looks: a wait of hours is told every five minutes, not every five seconds


class JobPodTrigger(KubernetesPodTrigger):
    """The provider's trigger, with a word on waiting."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say how to make it again in the triggerer."""
        _, kwargs = super().serialize()
        return f"{type(self).__module__}.{type(self).__qualname__}", kwargs

    async def _wait_for_pod_start(self) -> ContainerState:
        telling = asyncio.create_task(self._tell_why_it_waits())
        try:
            return await super()._wait_for_pod_start()
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling

    async def on_kill(self) -> None:
        """End the pod by a deadline that is over, when a person ends its task: it lets go of all it holds, and how long it held it can still be read.

        A pod that has no node yet has nothing to tell, and is deleted.
        """
        from kubernetes_asyncio import client

        if self._fired_event:
            return
        change = {"metadata": {"labels": {KILLED_LABEL: "true"}}, "spec": {"activeDeadlineSeconds": 1}}
        async with self.hook.get_conn() as api:
            core = client.CoreV1Api(api)
            try:
                pod = await core.read_namespaced_pod(self.pod_name, self.pod_namespace)
                if pod.spec.node_name:
                    self.log.info("Its task was ended: ending pod %s.", self.pod_name)
                    await core.patch_namespaced_pod(self.pod_name, self.pod_namespace, change, _content_type="application/merge-patch+json")  # type: ignore[call-arg]
                    return
            except client.ApiException as error:
                self.log.warning("Pod %s cannot be ended softly (%s %s); deleting it.", self.pod_name, error.status, error.reason)
        await super().on_kill()

    async def _tell_why_it_waits(self) -> None:
        told, looks = None, 0
        while True:
            why = await self._why()
            if why is not None and (why != told or looks % REPEAT_EVERY == 0):
                self.log.info("Waiting, which costs no try and has no time limit: %s", why)
            elif why is None and told is not None:
                self.log.info("The pod has a node now.")
            told, looks = why, looks + 1
            await asyncio.sleep(LOOK_EVERY_S)

    async def _why(self) -> str | None:
        """Give the reason, and what is ahead; None if it does not wait, or cannot be asked about now."""
        from kubernetes_asyncio import client

        async with self.hook.get_conn() as api:
            try:
                core = client.CoreV1Api(api)
                pod = api.sanitize_for_serialization(await core.read_namespaced_pod(self.pod_name, self.pod_namespace))
                why = why_it_waits(pod)
                if why is None or GPU_LABEL not in pod["metadata"].get("labels", {}):
                    return why
                others = api.sanitize_for_serialization(await core.list_namespaced_pod(self.pod_namespace, label_selector=GPU_LABEL))
            except client.ApiException as error:
                self.log.warning("Why the pod waits cannot be seen: %s %s", error.status, error.reason)
                return None
        return f"{why.rstrip('.')}. {ahead(pod, others['items'])}"


def ahead(pod: dict[str, Any], others: list[dict[str, Any]]) -> str:
    """Say who holds the same kind of GPU, and who has waited for it longer."""
    kind = pod["metadata"]["annotations"].get(GPU_RESOURCE)
    same = [o for o in others if o["metadata"].get("annotations", {}).get(GPU_RESOURCE) == kind and o["metadata"]["name"] != pod["metadata"]["name"]]
    alive = [o for o in same if not is_finished(o)]
    holding = [o for o in alive if o["spec"].get("nodeName")]
    waiting = [o for o in alive if not o["spec"].get("nodeName") and o["metadata"]["creationTimestamp"] < pod["metadata"]["creationTimestamp"]]
    told = [f"{kind} is held by {_names(holding)}" if holding else f"no job of this namespace holds {kind}"]
    if waiting:
        told.append(f"{len(waiting)} wait longer: {_names(waiting)}")
    return "; ".join(told)


def _names(pods: list[dict[str, Any]]) -> str:
    named = [f"{p['metadata']['labels'].get(USE_CASE_LABEL)} ({p['metadata'].get('annotations', {}).get(RUN_ID) or p['metadata']['name']})" for p in pods[:5]]
    return ", ".join(named) + (f" and {len(pods) - 5} more" if len(pods) > 5 else "")
