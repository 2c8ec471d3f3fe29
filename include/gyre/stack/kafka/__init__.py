"""Kafka: Apache's own broker where Java and Maven are found, else librdkafka's in-memory broker. `status` says which."""

from __future__ import annotations

import sys
from typing import Any

from gyre.layout import write_private
from gyre.settings import REPOSITORY
from gyre.stack.component import Component, Program
from gyre.stack.context import Stack
from gyre.stack.kafka import apache

IN_MEMORY = "in-memory broker, kept nowhere"


def bootstrap(stack: Stack) -> str:
    """Address of the broker, `host:port`, as it was written down: the in-memory broker chooses its own port."""
    file = stack.layout.home / "kafka" / "bootstrap"
    return file.read_text().strip() if file.exists() else f"{stack.settings.reachable_address}:{stack.settings.port('kafka')}"


def which(stack: Stack) -> str:
    """Which broker was started."""
    file = stack.layout.home / "kafka" / "which"
    return file.read_text().strip() if file.exists() else ""


def _problem(stack: Stack) -> str | None:
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    quiet: dict[str, Any] = {"log_level": 0, "socket.timeout.ms": 2000, "error_cb": lambda _: None}
    try:
        brokers = AdminClient({"bootstrap.servers": bootstrap(stack), **quiet}).list_topics(timeout=3).brokers
    except KafkaException as error:
        return str(error.args[0].str())
    return None if brokers else "it has no live broker"


def component(stack: Stack) -> Component:
    """The broker."""
    folder = stack.layout.home / "kafka"

    def prepare() -> None:
        folder.mkdir(exist_ok=True)
        apache.prepare(stack, folder)
        # written down, for those who ask from another PATH than the one that decided
        if apache.is_fetched(stack):
            write_private(folder / "bootstrap", f"{stack.settings.reachable_address}:{stack.settings.port('kafka')}\n")
        write_private(folder / "which", f"Apache Kafka {apache.version()}" if apache.is_fetched(stack) else IN_MEMORY + apache.why_not(stack))

    def program() -> Program:
        if apache.is_fetched(stack):
            return apache.program(stack, folder)
        python_path = {"PYTHONPATH": str(REPOSITORY / "include")}
        return Program((sys.executable, "-m", "gyre.stack.kafka.in_memory", str(folder / "bootstrap")), folder, python_path)

    return Component(
        name="kafka",
        title="Kafka",
        address=lambda: bootstrap(stack),
        program=program,
        problem=lambda _: _problem(stack),
        ports=("kafka", "kafka_controller"),
        prepare=prepare,
        note=lambda: which(stack),
    )
