"""Images: one for each folder of docker/ that holds a Dockerfile, built and checked with whatever Docker or Podman is here.

What an image is called is a setting (`Settings.image`), so that what is built here is what a cluster is told to run. Nothing is pushed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from gyre import __version__
from gyre.errors import StackError, did_you_mean
from gyre.settings import REPOSITORY, Settings

ENGINES = ("docker", "podman")
SECRETS = ("pip.conf", "uv.toml", "ca.pem")
CHECK = Path(__file__).with_name("image_check.py")
# as a careful cluster would run it: no network, nothing writable but /tmp, no privilege to gain
CONFINED = ("--read-only", "--tmpfs", "/tmp:mode=1777", "--network", "none", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")  # noqa: S108


@dataclass(frozen=True)
class Engine:
    """A program that builds and runs images: `docker`, `podman`, or what else takes their arguments."""

    program: str

    @classmethod
    def of(cls, settings: Settings) -> Engine:
        """The one that `GYRE_IMAGE_ENGINE` names, else the first on the PATH.

        Raises:
            StackError: If there is none.
        """
        given = settings.environ.get("GYRE_IMAGE_ENGINE")
        found = next(filter(None, map(shutil.which, [given] if given else ENGINES)), None)
        if found is None:
            raise StackError(
                f"No program to build images with: {given or ' or '.join(ENGINES)} is not on the PATH. "
                "Fix: install Docker or Podman, or name another program in GYRE_IMAGE_ENGINE."
            )
        return cls(found)

    def problem(self) -> str | None:
        """Why it cannot be used, or None."""
        done = self.run("version")
        return None if done.returncode == 0 else done.stderr.strip() or f"`{self.program} version` ends with {done.returncode}"

    def run(self, *words: str, told: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of it to its end, and keep what it says."""
        return subprocess.run([self.program, *words], input=told, capture_output=True, text=True, errors="replace", check=False)

    def show(self, *words: str) -> int:
        """Run a command whose output a person reads meanwhile; give its exit status."""
        return subprocess.run([self.program, *words], env=os.environ | {"DOCKER_BUILDKIT": "1"}, check=False).returncode


def known(settings: Settings) -> list[str]:
    """The images that can be built, each after those it is made from."""
    return _in_order(settings, sorted(each.parent.name for each in settings.environments.glob("*/Dockerfile")))


def _in_order(settings: Settings, names: Iterable[str]) -> list[str]:
    ordered: list[str] = []
    for name in names:
        ordered += [each for each in [*sorted(made_from(settings, name)), name] if each not in ordered]
    return ordered


def made_from(settings: Settings, name: str) -> dict[str, str]:
    """Other environments' images that a Dockerfile takes parts of: the build argument that names one, by environment."""
    given = re.findall(r"^ARG (GYRE_IMAGE_([A-Z0-9_]+))=", _dockerfile(settings, name).read_text(), re.MULTILINE)
    return {environment.lower(): argument for argument, environment in given}


def _dockerfile(settings: Settings, name: str) -> Path:
    file = settings.environments / name / "Dockerfile"
    if not file.exists():
        there = (each.parent.name for each in settings.environments.glob("*/Dockerfile"))
        raise StackError(f"No image '{name}': {file} does not exist.{did_you_mean(name, there)}")
    return file


def build_command(settings: Settings, name: str, revision: str) -> list[str]:
    """The words that build an image, after the engine's own name."""
    arguments = {"VERSION": __version__, "REVISION": revision}
    if base := settings.environ.get("GYRE_IMAGE_BASE"):
        arguments["BASE"] = base
    arguments |= {argument: settings.image(environment) for environment, argument in made_from(settings, name).items()}
    words = ["build", "--file", str(_dockerfile(settings, name)), "--tag", settings.image(name)]
    words += [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
    return [*words, *_secrets(settings), str(REPOSITORY)]


def _secrets(settings: Settings) -> list[str]:
    """Those files of the folder `GYRE_IMAGE_SECRETS` that an installation may need; they are in no layer of an image."""
    given = settings.environ.get("GYRE_IMAGE_SECRETS")
    if not given:
        return []
    files = [Path(given).absolute() / name for name in SECRETS]
    there = [file for file in files if file.is_file()]
    if not there:
        raise StackError(f"GYRE_IMAGE_SECRETS is '{given}', and none of {', '.join(SECRETS)} is in that folder. Fix: put them there, or unset it.")
    return [word for file in there for word in ("--secret", f"id={file.name},src={file}")]


def revision() -> str:
    """The commit that an image is made of, marked where files differ from it; `unknown` outside of git."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    words = [git, "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def build(settings: Settings, names: list[str], say: Callable[[str], None]) -> None:
    """Build images, and those that they are made from, and check each.

    Raises:
        StackError: If there is no engine, or it fails, or an image cannot do what it is for.
    """
    engine = Engine.of(settings)
    if problem := engine.problem():
        raise StackError(f"{engine.program} cannot be used: {problem}")
    commit = revision()
    for name in _in_order(settings, names):
        began = time.monotonic()
        say(f"image {settings.image(name)}: building")
        status = engine.show(*build_command(settings, name, commit))
        if status != 0:
            raise StackError(f"Cannot build the image '{name}': `{engine.program} build` ended with {status}, its output is above.")
        said = check(settings, engine, name)
        say(f"image {settings.image(name)}: {said}, {size_mb(engine, settings.image(name)):.0f} MB, {time.monotonic() - began:.0f} s")


def check(settings: Settings, engine: Engine, name: str) -> str:
    """Import, in the confined image, all that its environment is for; say what was tried.

    Raises:
        StackError: With the end of what it said.
    """
    confined = ("run", "--rm", "--interactive", *CONFINED, settings.image(name), "python", "-", *wanted(settings, name))
    done = engine.run(*confined, told=CHECK.read_text())
    if done.returncode != 0:
        end = "\n".join(f"  {line}" for line in (done.stdout + done.stderr).strip().splitlines()[-12:])
        raise StackError(f"The image {settings.image(name)} does not do what it is for:\n{end}")
    return done.stdout.strip()


def wanted(settings: Settings, name: str) -> list[str]:
    """Names of the packages that an environment asks for itself."""
    file = settings.environments / name / "requirements.in"
    lines = file.read_text().splitlines() if file.exists() else []
    return [re.split(r"[\[<>=!~ ;]", line.strip(), maxsplit=1)[0].lower() for line in lines if line.strip() and not line.startswith(("#", "-"))]


def size_mb(engine: Engine, image: str) -> float:
    """What an image takes on the disk, unpacked, in MB (10^6 bytes)."""
    done = engine.run("image", "inspect", "--format", "{{.Size}}", image)
    return int(done.stdout) / 1e6 if done.returncode == 0 else float("nan")
