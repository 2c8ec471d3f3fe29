"""Apache Kafka, one KRaft node, from the jars that Maven resolves."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import uuid
from pathlib import Path
from string import Template

from gyre.errors import StackError
from gyre.layout import write_private
from gyre.stack import steps
from gyre.stack.component import Program
from gyre.stack.context import Stack

HERE = Path(__file__).parent


def version() -> str:
    """The version that `pom.xml` names."""
    found = re.search(r"<kafka.version>(.*)</kafka.version>", (HERE / "pom.xml").read_text())
    return found.group(1) if found else "unknown"


def _libraries(stack: Stack) -> Path:
    # named by the POM's contents: another version is another folder
    name = hashlib.sha256((HERE / "pom.xml").read_bytes()).hexdigest()[:12]
    return stack.settings.venvs / "kafka" / name


def is_fetched(stack: Stack) -> bool:
    """Whether the jars are here, and a Java to run them."""
    return _libraries(stack).exists() and shutil.which("java") is not None


def why_not(stack: Stack) -> str:
    """Why this is not Apache Kafka, in brackets."""
    missing = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    if missing:
        return f" (Apache Kafka needs {' and '.join(missing)})"
    return f" (Maven could not fetch Apache Kafka: {stack.layout.log('kafka-fetch')})"


def prepare(stack: Stack, folder: Path) -> None:
    """Fetch the jars and format the data folder, each once. Without Java, Maven or a network it leaves things as they are."""
    if shutil.which("java") is None or (not is_fetched(stack) and not _fetch(stack)):
        return
    write_private(folder / "server.properties", _properties(stack, folder))
    if not (folder / "data" / "meta.properties").exists():
        shutil.rmtree(folder / "data", ignore_errors=True)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:22].replace("-", "A")
        options = ["-Xmx128m", "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format"]
        steps.run(stack, "kafka-format", [*_java(), *options, "-t", cluster, "-c", folder / "server.properties"], _class_path(stack))


def _fetch(stack: Stack) -> bool:
    if shutil.which("mvn") is None:
        return False
    libraries = _libraries(stack)
    partial = libraries.with_name(f"{libraries.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "pom.xml", partial.parent / "pom.xml")  # Maven may write beside it
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={partial}"]
    try:
        steps.run(stack, "kafka-fetch", ["mvn", "-q", "-B", "-ntp", "-f", partial.parent / "pom.xml", *goal], timeout=300)
    except StackError:
        return False  # no network, say: the in-memory broker takes over, and the status says why
    partial.rename(libraries)
    return True


def _properties(stack: Stack, folder: Path) -> str:
    return Template((HERE / "server.properties").read_text()).substitute(
        bind=stack.settings.bind_address,
        reachable=stack.settings.reachable_address,
        port=stack.settings.port("kafka"),
        controller_port=stack.settings.port("kafka_controller"),
        data=folder / "data",
    )


def _java() -> list[str]:
    java = shutil.which("java") or "java"
    return [java, "-XX:+UseSerialGC", "-Djava.awt.headless=true", f"-Dlog4j2.configurationFile={HERE / 'log4j2.yaml'}"]


def _class_path(stack: Stack) -> dict[str, str]:
    return {"CLASSPATH": f"{_libraries(stack)}/*"}


def program(stack: Stack, folder: Path) -> Program:
    """The broker's command."""
    memory = ["-Xms64m", "-Xmx256m", "-XX:MaxMetaspaceSize=128m", "-XX:+ExitOnOutOfMemoryError"]
    # it ends with 143 after SIGTERM, having flushed its log
    return Program((*_java(), *memory, "kafka.Kafka", str(folder / "server.properties")), folder, _class_path(stack))
