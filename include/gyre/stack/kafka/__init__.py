"""Kafka: Apache's own broker where Java and Maven are found, else librdkafka's in-memory broker. `status` says which."""

from __future__ import annotations

import sys
from typing import Any

from gyre.settings import REPOSITORY
from gyre.stack.component import Component, Program
from gyre.stack.context import Stack
from gyre.stack.kafka import apache

IN_MEMORY = "in-memory broker, kept nowhere"


def bootstrap(stack: Stack) -> str:
    """Address of the broker, `host:port`. The in-memory broker chooses its own port and writes it down."""
    file = stack.layout.home / "kafka" / "bootstrap"
    if not apache.is_fetched(stack) and file.exists():
        return file.read_text().strip()
    return f"{stack.settings.reachable_address}:{stack.settings.port('kafka')}"


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

    def program() -> Program:
        if apache.is_fetched(stack):
            return apache.program(stack, folder)
        python_path = {"PYTHONPATH": str(REPOSITORY / "include")}
        return Program((sys.executable, "-m", "gyre.stack.kafka.in_memory", str(folder / "bootstrap")), folder, python_path)

    return Component(
        name="kafka",
        title="Kafka",
        address=bootstrap(stack),
        program=program,
        problem=lambda _: _problem(stack),
        ports=("kafka", "kafka_controller"),
        prepare=prepare,
        note=lambda: f"Apache Kafka {apache.version()}" if apache.is_fetched(stack) else IN_MEMORY + apache.why_not(stack),
    )
