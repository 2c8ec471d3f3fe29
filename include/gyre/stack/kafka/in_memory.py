"""librdkafka's in-memory broker as a process: `python -m gyre.stack.kafka.in_memory FILE` writes its address into FILE.

It speaks the real protocol, and keeps the last few megabytes of each partition in memory, nothing on disk.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from gyre.layout import write_private


def main(file: Path) -> None:
    """Run until told to end."""
    from confluent_kafka import Producer

    cluster = Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1})
    broker = next(iter(cluster.list_topics(timeout=10).brokers.values()))
    write_private(file, f"{broker.host}:{broker.port}\n")
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    # blocked before librdkafka starts its threads, or one of those would take the signal
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main(Path(sys.argv[1]))
