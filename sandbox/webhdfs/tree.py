"""The namespace of a name node: files and folders by path, and what each operation does to them.

Apache Hadoop 3, "The Hadoop FileSystem API Definition" (create, rename, delete, listStatus) and "WebHDFS REST API".
A file that is being written is there with what was received so far; renaming onto a file changes nothing.
"""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass, field
from typing import Any


class HdfsRefusal(Exception):  # noqa: N818 - an answer
    """An exception of Hadoop's, by its Java name."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status, self.name, self.message = status, name, message


@dataclass
class HdfsFile:
    """One file."""

    file_id: int
    content: bytes = b""
    modified_ms: int = field(default_factory=lambda: int(time.time() * 1000))


class NameTree:
    """Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._numbers = itertools.count(16_386)
        self.files: dict[str, HdfsFile] = {}
        self.folders: dict[str, int] = {"/": next(self._numbers)}

    def create(self, path: str, *, overwrite: bool) -> HdfsFile:
        """An empty file, visible at once, under construction."""
        with self._lock:
            if path in self.folders:
                raise HdfsRefusal(403, "FileAlreadyExistsException", f"{path} already exists as a directory")
            if path in self.files and not overwrite:
                raise HdfsRefusal(403, "FileAlreadyExistsException", f"{path} for client 127.0.0.1 already exists")
            self.mkdirs(_parent(path))
            self.files[path] = HdfsFile(next(self._numbers))
            return self.files[path]

    def write(self, file: HdfsFile, content: bytes) -> None:
        """What arrived at the data node."""
        with self._lock:
            file.content, file.modified_ms = content, int(time.time() * 1000)

    def mkdirs(self, path: str) -> bool:
        """The folder and those above it."""
        with self._lock:
            if path in self.files:
                raise HdfsRefusal(403, "FileAlreadyExistsException", f"Path is not a directory: {path}")
            if path not in self.folders:
                self.mkdirs(_parent(path))
                self.folders[path] = next(self._numbers)
            return True

    def rename(self, path: str, destination: str) -> bool:
        """False, and nothing changed, if the source is missing, the target is a file, or its folder is missing."""
        with self._lock:
            if destination in self.folders:
                destination = f"{destination.rstrip('/')}/{path.rpartition('/')[2]}"
            if path not in self.files or destination in self.files or _parent(destination) not in self.folders:
                return False
            self.files[destination] = self.files.pop(path)
            return True

    def delete(self, path: str, *, recursive: bool) -> bool:
        """False if there is nothing."""
        with self._lock:
            if self.files.pop(path, None) is not None:
                return True
            if path not in self.folders:
                return False
            below = [each for each in (*self.files, *self.folders) if each.startswith(f"{path.rstrip('/')}/")]
            if below and not recursive:
                raise HdfsRefusal(403, "PathIsNotEmptyDirectoryException", f"`{path} is non empty'")
            for each in (*below, path):
                self.files.pop(each, None)
                self.folders.pop(each, None)
            return True

    def read(self, path: str) -> bytes:
        """The content, of a file under construction too."""
        with self._lock:
            if path in self.folders:
                raise HdfsRefusal(403, "FileNotFoundException", f"Path is not a file: {path}")
            return self._file(path).content

    def listed(self, path: str) -> list[dict[str, Any]]:
        """FileStatus objects, in the order of their names; of a file, itself with an empty suffix."""
        with self._lock:
            if path in self.files:
                return [self._status(path, "")]
            if path not in self.folders:
                raise HdfsRefusal(404, "FileNotFoundException", f"File {path} does not exist.")
            names = {
                each.rpartition("/")[2]: each
                for each in (*self.files, *self.folders)
                if each != "/" and _parent(each) == path
            }
            return [self._status(names[name], name) for name in sorted(names)]

    def _file(self, path: str) -> HdfsFile:
        if path not in self.files:
            raise HdfsRefusal(404, "FileNotFoundException", f"File does not exist: {path}")
        return self.files[path]

    def _status(self, path: str, suffix: str) -> dict[str, Any]:
        file = self.files.get(path)
        shared = {"accessTime": 0, "blockSize": 134_217_728, "group": "supergroup", "owner": "etl", "permission": "755"}
        own = {
            "fileId": self.folders[path] if file is None else file.file_id,
            "length": 0 if file is None else len(file.content),
            "modificationTime": 0 if file is None else file.modified_ms,
            "pathSuffix": suffix,
            "replication": 0 if file is None else 1,
            "type": "DIRECTORY" if file is None else "FILE",
        }
        return shared | own


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"
