"""Objects below a folder of HDFS, over the REST API of its name node or of an HttpFS gateway. Experimental.

Apache Hadoop 3, "WebHDFS REST API": a write is two requests (the name node answers the first with the address of a data
node), errors are ``RemoteException`` objects. "The Hadoop FileSystem API Definition": a rename is atomic, and one onto
an existing file changes nothing and answers false. So an object that must not be there yet is written under a name of
its own and renamed. Nothing replaces a file under a condition: see :mod:`connectors.lake.versions`.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

import httpx

from connectors.lake.objects import DRAFT, ListedObject
from contracts.errors import (
    SinkAuthError,
    SinkPrivilegeError,
    SinkTlsError,
    SinkUnreachableError,
    SinkWriteFailedError,
    UpsertError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PREFIX = "/webhdfs/v1"
_PAUSE_S = 0.1
_MISSING = "FileNotFoundException"
_PASSING = {"StandbyException", "RetriableException", "SafeModeException", "ObserverRetryOnActiveException"}
_AUTH = {"SecurityException", "AuthenticationException", "InvalidToken", "SecretManager$InvalidToken"}
_DENIED = {"AccessControlException"}
_DATA = {"Content-Type": "application/octet-stream"}


class _Answer(Exception):  # noqa: N818 - an answer, which the caller may have expected
    """A ``RemoteException``."""

    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status, self.name, self.message = status, name, message


class HdfsObjects:
    """Objects below ``webhdfs://host:port/folder``.

    Args:
        url: Of the name node's REST API: ``http://host:port``.
        root: The folder's path.
        login: Parameters of every request: ``user.name`` or ``delegation``.
        timeout_s: How long an answer is waited for.
        tries: How often a request is tried that found no good answer.
    """

    def __init__(self, url: str, root: str, login: dict[str, str], *, timeout_s: float, tries: int) -> None:
        self._url, self._root, self._login = url, root.rstrip("/"), login
        self._timeout_s, self._tries = timeout_s, tries
        self._opening = threading.Lock()
        self._opened: httpx.Client | None = None

    @property
    def _http(self) -> httpx.Client:
        """Shared between threads; proxies and certificates as the environment says."""
        with self._opening:
            if self._opened is None:
                limits = httpx.Limits(max_connections=32)
                self._opened = httpx.Client(base_url=self._url, timeout=self._timeout_s, limits=limits)
            return self._opened

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Content, and a tag that nobody can use: files are not replaced under a condition."""
        try:
            return self._asked("GET", key, "OPEN", "read").content, ""
        except _Answer as answer:
            if answer.name == _MISSING:
                return None
            raise _typed(answer, "read", key) from None

    def put(self, key: str, content: bytes) -> None:
        """Written over what is there, whose name stays taken all the while; a reader may see half of it."""
        try:
            self._write(key, content)
        except _Answer as answer:
            raise _typed(answer, "write", key) from None

    def put_if_absent(self, key: str, content: bytes) -> bool:
        """Write under a name of its own, then rename, which exactly one of several can."""
        draft = f"{key}.{uuid4().hex}{DRAFT}"
        try:
            self._write(draft, content)
            if self._renamed(draft, key) or self._holds(key, content):  # the answer to an earlier try may be lost
                return True
            self._asked("DELETE", draft, "DELETE", "write")
        except _Answer as answer:
            raise _typed(answer, "write", key) from None
        return False

    def delete(self, keys: Sequence[str]) -> None:
        """Delete each; what is missing is answered with false."""
        for key in keys:
            try:
                self._asked("DELETE", key, "DELETE", "delete")
            except _Answer as answer:
                raise _typed(answer, "delete", key) from None

    def list(self, prefix: str, after: str = "") -> Iterator[ListedObject]:
        """Folder by folder."""
        try:
            found = sorted(self._below(prefix.rstrip("/"), after))
        except _Answer as answer:
            raise _typed(answer, "list", prefix) from None
        yield from found

    def uri(self, key: str) -> str:
        """``webhdfs://host:port/path``, as Hadoop, Spark and Hive name the file."""
        return f"{self._url.replace('http', 'webhdfs', 1).replace('webhdfss', 'swebhdfs', 1)}{self._root}/{key}"

    def close(self) -> None:
        """Close the connections."""
        with self._opening:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def _below(self, folder: str, after: str) -> Iterator[ListedObject]:
        try:
            listed = self._asked("GET", folder, "LISTSTATUS", "list").json()["FileStatuses"]["FileStatus"]
        except _Answer as answer:
            if answer.name == _MISSING:
                return
            raise
        for one in listed:
            key = f"{folder}/{one['pathSuffix']}"
            if one["type"] == "DIRECTORY":
                yield from self._below(key, after)
            elif key > after and one["pathSuffix"]:
                tag = f"{one.get('fileId', 0)}-{one['modificationTime']}-{one['length']}"
                yield ListedObject(key, int(one["length"]), one["modificationTime"] / 1000, tag)

    def _write(self, key: str, content: bytes) -> None:
        """Both requests; both again where the second finds no good answer."""

        def once() -> httpx.Response:
            sent = self._http.put(self._path(key), params={**self._login, "op": "CREATE", "overwrite": "true"})
            if sent.status_code != 307:
                return sent
            return self._http.put(sent.headers["Location"], content=content, headers=_DATA)

        self._answered(once, "write", key)

    def _renamed(self, draft: str, key: str) -> bool:
        to = f"{self._root}/{key}"
        return bool(self._asked("PUT", draft, "RENAME", "write", destination=to).json()["boolean"])

    def _holds(self, key: str, content: bytes) -> bool:
        held = self.get(key)
        return held is not None and held[0] == content

    def _asked(self, method: str, key: str, operation: str, verb: str, **parameters: str) -> httpx.Response:
        parameters = {**self._login, "op": operation, **parameters}
        path = self._path(key)
        return self._answered(
            lambda: self._http.request(method, path, params=parameters, follow_redirects=method == "GET"), verb, key
        )

    def _answered(self, request: Any, verb: str, key: str) -> httpx.Response:
        """A good answer, asked for again while the failure may pass.

        Raises:
            _Answer: The name node refuses.
            UpsertError: No good answer.
        """
        for tries in range(1, self._tries + 1):
            try:
                answer: httpx.Response = request()
            except httpx.HTTPError as error:
                if tries == self._tries or not isinstance(error, httpx.TransportError):
                    raise _unreachable(error, verb, key) from error
            else:
                if answer.is_success:
                    return answer
                said = _remote(answer)
                if tries == self._tries or not (said.name in _PASSING or answer.is_server_error):
                    raise said
            time.sleep(_PAUSE_S * 2 ** min(tries, 6))
        raise AssertionError("unreachable")

    def _path(self, key: str) -> str:
        return f"{_PREFIX}{quote(f'{self._root}/{key}')}"


def _remote(answer: httpx.Response) -> _Answer:
    try:
        said = answer.json()["RemoteException"]
        return _Answer(answer.status_code, str(said["exception"]), str(said.get("message", ""))[:400])
    except (ValueError, KeyError, TypeError):
        return _Answer(answer.status_code, "", "")


def _typed(answer: _Answer, verb: str, key: str) -> UpsertError:
    what = f"Could not {verb} {key!r}: HDFS answered {answer.status} {answer.name} {answer.message}".rstrip()
    if answer.status == httpx.codes.UNAUTHORIZED or answer.name in _AUTH:
        return SinkAuthError(what, "Set hdfs_user, or a delegation token that has not expired.")
    if answer.name in _DENIED:
        return SinkPrivilegeError(what, "Allow this user to list, read, write and delete in the folder.")
    if answer.name in _PASSING or answer.status >= httpx.codes.INTERNAL_SERVER_ERROR or not answer.name:
        return SinkUnreachableError(what, "Name the active name node; then run again.")
    return SinkWriteFailedError(what, "Correct what it says; then run again.")


def _unreachable(error: httpx.HTTPError, verb: str, key: str) -> UpsertError:
    what = f"Could not {verb} {key!r}: {type(error).__name__}"
    if "certificate" in str(error).lower():
        return SinkTlsError(what, "Check the name node's TLS certificate.")
    return SinkUnreachableError(what, "Run again; the receipts tell what was committed.")
