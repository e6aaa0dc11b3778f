"""The commit of a campaign's results, made on top of the remote branch and pushed, while others may push too.

The commit is made from the added files alone, with an index of its own. So the branch of the checkout, what is staged
and what is edited are neither part of it nor changed by it, and each try begins anew.
"""

from __future__ import annotations

import os
import random
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from runners.record import (
    EVIDENCE_FOLDER,
    InvalidError,
    NothingToDoError,
    RtsiteError,
    UsageError,
    as_command,
    is_identifier,
    is_result_file,
)

ATTEMPTS = 5
_WAIT_S = 2.0
"""The mean wait in seconds before the second attempt. It doubles before each later attempt."""
_TIMEOUT_S = 300.0
_AUTHOR = ("rtsite", "rtsite@users.noreply.github.com")
_OF_ANOTHER_REPOSITORY = (
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX", "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE",
)  # fmt: skip
"""Variables that point git to another place. A git hook or an alias that calls us sets them."""
_REGULAR = "100644"


class PushError(RtsiteError):
    """The results could not be pushed. They are unchanged in their folder, and so is the checkout."""


def commit(
    root: Path,
    campaign: str,
    *,
    branch: str = "main",
    remote: str = "origin",
    chance: random.Random | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> str:
    """Add the files of ``results/<campaign>`` that a remote branch lacks, in one commit; returns that commit.

    If somebody else pushes first, the next try makes a commit on top of theirs. Raises `NothingToDoError` if nothing is
    new, `InvalidError` if the branch has another content of a file, and `PushError` after `ATTEMPTS` refusals.
    """
    chance = chance or random.Random()
    files = _result_files(root, campaign)
    git = _Git(root)
    here = _store(git, files)
    refusal = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            sleep(chance.uniform(0.5, 1.5) * _WAIT_S * 2 ** (attempt - 1))
        base = _fetch(git, remote, branch)
        added = _added(git, here, base, campaign, f"{remote}/{branch}")
        if not added and attempt:
            return base  # an earlier push got through, although its answer did not
        if not added:
            raise NothingToDoError(
                f"everything in results/{campaign} is already committed on {remote}/{branch}; nothing was pushed"
            )
        made = _make_commit(git, base, added, campaign)
        pushed = git.run(
            "push", "--quiet", "--no-signed", "--no-follow-tags", "--recurse-submodules=no",
            remote, f"{made}:refs/heads/{branch}",
            settings={f"remote.{remote}.mirror": "false"},
        )  # fmt: skip
        if pushed.returncode == 0:
            return made
        refusal = _one_line(pushed.stderr)
    raise PushError(
        f"{remote} refused the push to {branch} {ATTEMPTS} times: {refusal[:500]}. The results are still in"
        f" results/{campaign}; run `{as_command('ci', 'commit', '--campaign-id', campaign, '--branch', branch)}` again"
    )


def run_git(
    root: Path,
    *words: str,
    given: str = "",
    more: Mapping[str, str] | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
    timeout_s: float = _TIMEOUT_S,
) -> subprocess.CompletedProcess[str]:
    """Run git in a folder, without prompts and hooks, and with messages in English. ``given``: its input. ``more``:
    environment variables. ``settings``: values of git's configuration.

    Raises `RtsiteError` if git cannot be started, or does not end in time.
    """
    variables = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER_REPOSITORY}
    variables |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **(more or {})}
    shown = f"`git {' '.join(words)[:60]}`"
    configured = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    try:
        return subprocess.run(
            ["git", "-c", f"core.hooksPath={os.devnull}", *configured, *words],
            cwd=root, env=variables, input=given, capture_output=True, text=True, errors="replace", check=False,
            timeout=timeout_s,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise RtsiteError(
            f"{shown} did not end within {error.timeout:g} s in {root}; check the network and the remote, then run the"
            " command again"
        ) from None
    except OSError as error:
        raise RtsiteError(
            f"{shown} cannot be started in {root}: {error.strerror}; install git, and put its folder on the PATH"
        ) from None


class _Git:
    """Git in one repository; its failures are errors."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def run(
        self,
        *words: str,
        given: str = "",
        more: Mapping[str, str] | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> subprocess.CompletedProcess[str]:
        return run_git(self._root, *words, given=given, more=more, settings=settings)

    def __call__(self, *words: str, given: str = "", more: Mapping[str, str] | None = None) -> str:
        """The output of git; raises `RtsiteError` with its message."""
        done = self.run(*words, given=given, more=more)
        if done.returncode != 0:
            raise RtsiteError(f"`git {words[0]}` failed in {self._root}: {_one_line(done.stderr or done.stdout)[:500]}")
        return done.stdout


def _result_files(root: Path, campaign: str) -> list[Path]:
    """The result files of a campaign, relative to the root; other files are not committed.

    Raises `InvalidError` for a link, because what it points to is not a result.
    """
    if not is_identifier(campaign):
        raise UsageError(f"{campaign!r} is not a campaign ID: use only letters, digits, dots, dashes and underscores")
    folder = root / "results" / campaign
    found = []
    for path in sorted(folder.glob("*/*.yml")):
        relative = path.relative_to(root)
        if not is_result_file(path.parent.name, path.name):
            continue
        if any(part.is_symlink() for part in (folder, path.parent, path)) or not stat.S_ISREG(path.lstat().st_mode):
            raise InvalidError(f"{relative} is a link or not a file; replace it by the result file itself")
        found.append(relative)
    if not found:
        raise NothingToDoError(
            f"{folder} contains no result files; expected <run>/run.yml. Run `rtsite ci collect` first"
        )
    return found


def _store(git: _Git, files: list[Path]) -> dict[str, str]:
    """Add the files to git's objects, unchanged by filters; returns each object's name by path."""
    names = [path.as_posix() for path in files]
    objects = git("hash-object", "-w", "--no-filters", "--stdin-paths", given="".join(f"{name}\n" for name in names))
    return dict(zip(names, objects.split(), strict=True))


def _fetch(git: _Git, remote: str, branch: str) -> str:
    """The commit that the remote branch is at, with its objects."""
    name = f"refs/heads/{branch}"
    listed = (line.split("\t", 1) for line in git("ls-remote", "--", remote, name).splitlines())
    tip = next((commit for commit, found in listed if found == name), None)
    if tip is None:
        raise UsageError(f"{remote} has no branch {branch}; choose an existing one with --branch")
    git("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no", "--", remote, name)
    return tip


def _added(git: _Git, here: Mapping[str, str], base: str, campaign: str, where: str) -> dict[str, str]:
    """The files that a commit lacks. Raises `InvalidError` for a file that it has with another content."""
    listed = git("ls-tree", "-r", "-z", "--full-tree", base, "--", f"results/{campaign}/")
    there = {path: about.split()[2] for about, path in (line.split("\t", 1) for line in listed.split("\0") if line)}
    if changed := [path for path, content in here.items() if there.get(path, content) != content]:
        raise InvalidError(
            f"{changed[0]} is on {where} with another content, and results are never replaced; move the run to a"
            f" campaign of its own, or delete it here. Files that differ: {len(changed)}"
        )
    return {path: content for path, content in here.items() if path not in there}


def _make_commit(git: _Git, base: str, added: Mapping[str, str], campaign: str) -> str:
    """A commit with these files on top of another commit."""
    name, address = _AUTHOR
    author = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", name), ("EMAIL", address))
    }
    with tempfile.TemporaryDirectory(prefix="rtsite-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git("read-tree", base, more=index)
        lines = "".join(f"{_REGULAR} {content}\t{path}\n" for path, content in added.items())
        git("update-index", "--add", "--index-info", given=lines, more=index)
        tree = git("write-tree", more=index).strip()
    _check_only_added(git, base, tree)
    return git("commit-tree", tree, "-p", base, "-F", "-", given=_message(added, campaign), more=author).strip()


def _check_only_added(git: _Git, base: str, tree: str) -> None:
    """Raise `InvalidError` if a tree changes or removes a file of the commit, as a file in the place of a folder."""
    listed = git("diff-tree", "-r", "-z", "--no-renames", "--name-only", "--diff-filter=a", base, tree)
    if changed := [path for path in listed.split("\0") if path]:
        raise InvalidError(
            f"{changed[0]} on the branch is in the place of results; results are only added, so remove it there first"
        )


def _message(added: Mapping[str, str], campaign: str) -> str:
    """The commit message, with the number of added runs; the campaign may already have others."""
    files = [Path(name) for name in added]
    runs = sum(file.name == "run.yml" for file in files)
    evidence = sum(file.parent.name == EVIDENCE_FOLDER for file in files)
    return f"Results of campaign {campaign}\n\n{runs} run(s) and the evidence of {evidence} framework(s).\n"


def _one_line(text: str) -> str:
    return " ".join(text.split())
