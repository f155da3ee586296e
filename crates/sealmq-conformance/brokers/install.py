"""Where brokers come from: Debian, PyPI and npm, each into a folder of its own, nothing system-wide."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import wraps
from pathlib import Path
from threading import Lock

# What the table was made with. Debian keeps one version of a release, so another one is taken, with
# a word, when the pinned one is gone.
DEBIAN = {
    "mosquitto": "2.0.11-1.2+deb12u2",
    "rabbitmq-server": "3.10.8-1.1+deb12u1",
    "nats-server": "2.9.10-1+b3",
    "ejabberd": "23.01-1",
}
AMQTT = "0.12.1"
AEDES = "1.2.0"

# Of what Debian's packages depend on: what is theirs. The rest, libc and the like, is there.
OWN = r"erlang-|lib(ltdl|odbc|mosquitto|cjson|dlt|yaml-0|wrap)|"


# Of the folder with what is installed.
LOCK = Lock()


class NotInstalled(Exception):
    """Says why."""


def one_at_a_time(installs):
    @wraps(installs)
    def alone(*arguments):
        with LOCK:
            return installs(*arguments)
    return alone


def command(arguments, folder=None, seconds=300):
    """Standard output of a command."""
    try:
        done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, timeout=seconds)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"{arguments[0]}: {error}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise NotInstalled(f"{arguments[0]}: {said[-1]}")
    return done.stdout


def available(package):
    """The version that Debian has."""
    found = re.search(r"Candidate: (\S+)", command(["apt-cache", "policy", package]))
    if not found or found[1] == "(none)":
        raise NotInstalled(f"Debian has no {package} here (apt-get update, or another release)")
    wanted = DEBIAN[package]
    if found[1] != wanted:
        print(f"{package} is {found[1]}, the table was made with {wanted}", file=sys.stderr)
    return found[1]


@one_at_a_time
def debian(package, folder):
    """Extracts a package and what it depends on into a folder; its version."""
    version = available(package)
    root = folder / "root"
    stamp = folder / "installed"
    if stamp.is_file() and stamp.read_text() == version:
        return version
    shutil.rmtree(folder, ignore_errors=True)
    downloads = folder / "packages"
    downloads.mkdir(parents=True)
    # As on a machine where nothing is installed, so that the result is the same everywhere.
    simulated = command(["apt-get", "install", "--simulate", "--no-install-recommends",
                         "-o", "Dir::State::status=/dev/null", f"{package}={version}"])
    needed = re.findall(r"^Inst (\S+)", simulated, re.MULTILINE)
    needed = [name for name in needed if name == package or re.match(OWN + re.escape(package), name)]
    command(["apt-get", "download", "-qq", *needed], downloads)
    for file in sorted(downloads.glob("*.deb")):
        command(["dpkg", "--extract", str(file), str(root)])
    shutil.rmtree(downloads)
    # Debian's Erlang knows one place.
    for file in ["erl", "start"]:
        path = root / "usr/lib/erlang/bin" / file
        if path.is_file():
            path.write_text(path.read_text().replace("ROOTDIR=/usr/lib/erlang", f"ROOTDIR={root}/usr/lib/erlang"))
    stamp.write_text(version)
    return version


@one_at_a_time
def pypi(folder):
    """amqtt in an environment of its own; its version."""
    python = folder / "venv/bin/python"
    stamp = folder / "installed"
    if not (stamp.is_file() and stamp.read_text() == AMQTT):
        shutil.rmtree(folder, ignore_errors=True)
        command([sys.executable, "-m", "venv", str(folder / "venv")])
        command([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"amqtt=={AMQTT}"])
        stamp.write_text(AMQTT)
    return AMQTT


@one_at_a_time
def npm(folder):
    """aedes; its version."""
    stamp = folder / "installed"
    if not (stamp.is_file() and stamp.read_text() == AEDES):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(json.dumps({"private": True, "type": "module"}))
        command(["npm", "install", "--silent", "--no-audit", "--no-fund", f"aedes@{AEDES}"], folder)
        stamp.write_text(AEDES)
    return AEDES


def program(name):
    """A program that the machine has."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return shutil.which(name, path=path)
