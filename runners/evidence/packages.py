"""The packages of a framework: their metadata, releases and size."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name
from uv import find_uv_bin

from runners import process
from runners.record import Finding, RtsiteError, supports_python
from runners.revision import ROOT, package_day
from runners.serving.environment import HOME, Environment
from runners.subjects.catalog import Framework

_CLIENT = "socket.io-client@4"
_TIMEOUT_S = 600
_INSTALLERS = {"pip", "setuptools", "wheel"}
"""Packages that install other packages. They are not counted. Whether an environment has them depends on the tool that
created it and on old packages, not on what the application uses."""
_LEFT_OUT = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "VIRTUAL_ENV")
"""Variables that a tool does not inherit: they are for the Python of this process."""
_FIRST_DAY = dt.date(2008, 1, 1)
"""A day before the oldest release of any package measured here."""
_METADATA = """
import importlib.metadata as m, json, sys
found = m.distribution(sys.argv[1])
files = found.files or []
print(json.dumps({
    "requires_python": found.metadata.get("Requires-Python"),
    "licence": found.metadata.get("License-Expression") or found.metadata.get("License"),
    "classifiers": found.metadata.get_all("Classifier") or [],
    "typed": any(path.name == "py.typed" for path in files),
}))
"""


def metadata_findings(framework: Framework, environment: Environment) -> list[Finding]:
    """What the metadata of the framework's installed package declares."""
    declared = json.loads(_output([environment.bin / "python", "-I", "-c", _METADATA, framework.package]))
    pythons = _pythons(_named_versions(declared), declared["requires_python"])
    return [
        _typed(framework, is_typed=bool(declared["typed"])),
        pythons,
        _recent_python(pythons, dt.datetime.now(dt.UTC).date()),
        _licence(declared),
    ]


def _typed(framework: Framework, *, is_typed: bool) -> Finding:
    other = framework.evidence.types
    if is_typed or other is None:
        return Finding(item="typed", value=is_typed)
    value = other.value if other.value != "no" else False
    return Finding(item="typed", value=value, note=other.how, documented=other.documented)


def client_library(framework: Framework) -> Finding:
    """The size of the library that a browser must load to speak the framework's protocol."""
    if framework.protocol == "websocket":
        included = "EventSource" if framework.only_streams else "WebSocket"
        return Finding(item="client-library-kb", value=0.0, note=f"browsers include {included}")
    npm = shutil.which("npm")
    if npm is None:
        return Finding(item="client-library-kb", note="npm, which downloads the client, is not installed")
    with tempfile.TemporaryDirectory(prefix="rtsite-") as folder:
        done = run_tool([npm, "pack", _CLIENT, "--silent", "--pack-destination", folder], folder=Path(folder))
        found = list(Path(folder).glob("*.tgz"))
        if done.returncode != 0 or not found:
            return Finding(item="client-library-kb", note=f"npm could not download {_CLIENT}: {done.stderr[:300]}")
        with tarfile.open(found[0]) as archive:
            member = archive.extractfile("package/dist/socket.io.min.js")
            assert member is not None
            size = len(gzip.compress(member.read(), 9))
        return Finding(item="client-library-kb", value=round(size / 1e3, 1), note=found[0].stem)


def variant_findings(environment: Environment) -> list[Finding]:
    """The number and the size of the packages that a variant needs."""
    installed = sorted(
        (name for name in environment.packages if canonicalize_name(name) not in _INSTALLERS), key=str.lower
    )
    (site,) = environment.folder.glob("lib/python*/site-packages")
    size = sum(
        path.stat().st_size
        for path in site.rglob("*")
        if path.is_file() and not path.is_symlink() and path.suffix != ".pyc"
        if path.relative_to(site).parts[0].split("-")[0] not in _INSTALLERS
    )
    return [
        Finding(item="packages", value=len(installed), note=", ".join(installed)),
        Finding(item="installed-mb", value=round(size / 1e6, 2)),
    ]


def _named_versions(declared: Mapping[str, object]) -> list[int]:
    """The minor versions of Python 3 that classifiers name, in ascending order."""
    classifiers = declared["classifiers"]
    assert isinstance(classifiers, list)
    found = (re.fullmatch(r"Programming Language :: Python :: 3\.(\d+)", one) for one in classifiers)
    return sorted(int(one[1]) for one in found if one)


def _pythons(named: Sequence[int], required: str | None) -> Finding:
    if named:
        listed: list[str] = [f"3.{minor}" for minor in named]
        return Finding(item="pythons", value=listed, note=f"requires {required or 'nothing'}")
    if required:
        return Finding(item="pythons", value=required, note="it names no versions; this is what it requires")
    return Finding(item="pythons", note="its metadata names none")


def _recent_python(pythons: Finding, today: dt.date) -> Finding:
    """``pythons``: the finding on the versions that the package supports."""
    recent = recent_minor(today)
    if isinstance(pythons.value, list):
        why = f"the newest named is {pythons.value[-1]}"
    elif pythons.value is not None:
        why = f"it names no versions, and requires {pythons.value}"
    else:
        why = "its metadata names none"
    is_supported = supports_python(pythons.value, f"3.{recent}")
    return Finding(item="recent-python", value=is_supported, note=f"3.{recent} is a year old; {why}")


def recent_minor(today: dt.date) -> int:
    """The minor version of the newest Python 3 that has been out for a year: 3.9 came in October 2020, and a version
    follows each October (PEP 602).
    """
    return today.year - 2012 - (today.month < 11)


def _licence(declared: Mapping[str, object]) -> Finding:
    words = str(declared["licence"] or "").strip()
    if words and "\n" not in words and len(words) < 80:
        return Finding(item="licence", value=words)
    classifiers = declared["classifiers"]
    assert isinstance(classifiers, list)
    named = [one.rsplit(" :: ", 1)[1] for one in classifiers if one.startswith("License :: ")]
    if named:
        return Finding(item="licence", value=", ".join(named))
    return Finding(item="licence", note="its metadata names none")


def release_findings(package: str, packages: Mapping[str, str]) -> list[Finding]:
    """The days of the release that was measured and of the newest one that the index had on our package day."""
    measured = installed_version(package, packages)
    last = dt.date.fromisoformat(package_day()[:10]) - dt.timedelta(days=1)  # the index as it was when that day began
    found = _day_finding("released", package, measured, last)
    newest = _newest_version(package, last)
    if newest is None:
        return [found, Finding(item="latest-released", note="the package index does not say what is newest")]
    if newest == measured:
        return [found, found.model_copy(update={"item": "latest-released"})]
    return [found, _day_finding("latest-released", package, newest, last)]


def _day_finding(item: str, package: str, version: str, last: dt.date) -> Finding:
    day = first_day(package, version, last)
    if day is None:
        return Finding(item=item, note="the package index does not filter by date")
    return Finding(item=item, value=day.isoformat(), note=f"version {version}")


def _newest_version(package: str, day: dt.date) -> str | None:
    """The newest release that the index had on a day, for any version of Python; ``None`` if it does not say."""
    done = _resolve(package, day)
    found = re.search(rf"^{re.escape(canonicalize_name(package))}==(\S+)", done.stdout, re.MULTILINE)
    return found[1] if done.returncode == 0 and found else None


def _resolve(requirement: str, day: dt.date) -> process.Finished:
    """Resolve a requirement, without what it depends on, as on a day and for the newest Python."""
    command = [
        find_uv_bin(), "pip", "compile", "--quiet", "--no-config", "--no-deps", "--no-header", "--no-annotate",
        # It only resolves for that Python, so it must not download it.
        "--universal", "--python-version", f"3.{recent_minor(dt.datetime.now(dt.UTC).date())}", "--no-python-downloads",
        "--exclude-newer", f"{day + dt.timedelta(days=1)}T00:00:00Z", "-",
    ]  # fmt: skip
    return run_tool(command, folder=ROOT, stdin=f"{requirement}\n")


def installed_version(package: str, packages: Mapping[str, str]) -> str:
    """The version of an installed package. Names are compared as in PEP 503, so any spelling is accepted."""
    normalized = {canonicalize_name(name): version for name, version in packages.items()}
    return normalized[canonicalize_name(package)]


def first_day(package: str, version: str, today: dt.date) -> dt.date | None:
    """The first day on which a release can be resolved; ``None`` if the index has no dates for it."""

    def known_after(day: dt.date) -> bool:
        return _resolve(f"{package}=={version}", day).returncode == 0

    low, high = _FIRST_DAY, today
    if known_after(low) or not known_after(high):
        return None
    while (high - low).days > 1:
        middle = low + (high - low) // 2
        low, high = (low, middle) if known_after(middle) else (middle, high)
    return high


def _output(command: Sequence[str | Path]) -> str:
    done = run_tool([str(word) for word in command], folder=ROOT)
    if done.returncode != 0:
        words = " ".join(done.stderr.split())
        raise RtsiteError(f"{command[0]}: ended with status {done.returncode}: {words[-500:]}")
    return done.stdout


def run_tool(command: list[str], *, folder: Path, stdin: str = "") -> process.Finished:
    # Another thread may remove a variable meanwhile.
    wanted = ((name, os.environ.get(name)) for name in list(os.environ) if name not in _LEFT_OUT)
    environment = {name: value for name, value in wanted if value is not None}
    # Nothing is written to the folder. uv makes a tool's environment once, so what Python compiles is worth keeping.
    environment["PYTHONPYCACHEPREFIX"] = str(HOME.resolve() / "bytecode")
    if "--exclude-newer" not in command:
        # Test tools and type checker come from the same day as this tool's own packages.
        environment["UV_EXCLUDE_NEWER"] = package_day()
    return process.run(
        Path(command[0]).name, command, folder=folder, environment=environment, timeout_s=_TIMEOUT_S, stdin=stdin
    )
