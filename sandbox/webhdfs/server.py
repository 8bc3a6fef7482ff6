"""A name node that answers on its REST API, and a data node to which it sends who reads and writes.

Apache Hadoop 3, "WebHDFS REST API": a write is two requests, the first without a body to the name node, which answers
307 with the data node's address. Errors are ``RemoteException`` objects.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, urlencode

from sandbox.http_service import HttpFaults, HttpReply, HttpService, IncomingRequest
from sandbox.webhdfs.tree import HdfsRefusal, NameTree

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "/webhdfs/v1"
USER, READER = "etl", "reader"
"""Who may write, and who may only read."""
_WRITING = {"PUT CREATE", "PUT RENAME", "PUT MKDIRS", "DELETE DELETE"}


@dataclass
class HdfsFaults(HttpFaults):
    """What goes wrong.

    Attributes:
        standby: The name node is not the active one of its pair.
        lose_answers: So many answers to RENAME are lost after it was done: the connection breaks.
    """

    standby: bool = False
    lose_answers: int = 0


class _Node(HttpService[HdfsFaults]):
    """What both kinds of node answer alike."""

    def __init__(self, tree: NameTree, faults: HdfsFaults) -> None:
        super().__init__(faults, 0.0)
        self.tree = tree

    def failed(self, status: int, message: str) -> HttpReply:
        """An exception of the server's own."""
        return _refused(HdfsRefusal(status, "RetriableException", message))

    def limited(self, request: IncomingRequest) -> HttpReply | None:  # noqa: ARG002 - there is no limit
        """Never."""
        return None

    def reply(self, request: IncomingRequest) -> HttpReply:
        """The reply of :meth:`answer`, or its refusal."""
        asked = {name.lower(): values[-1] for name, values in request.query.items()}
        path = unquote(request.path.removeprefix(PREFIX)).rstrip("/") or "/"
        operation = f"{request.method} {asked.get('op', '').upper()}"
        user = asked.get("user.name", "")
        if user not in {USER, READER}:
            return _refused(HdfsRefusal(401, "SecurityException", "Failed to obtain user group information"))
        if user == READER and operation in _WRITING:
            return _refused(HdfsRefusal(403, "AccessControlException", f"Permission denied: user={user}, access=WRITE"))
        try:
            return self.answer(operation, request, path, asked)
        except HdfsRefusal as refusal:
            return _refused(refusal)

    def answer(self, operation: str, request: IncomingRequest, path: str, asked: Mapping[str, str]) -> HttpReply:
        """What the node does."""
        raise NotImplementedError


class _DataNode(_Node):
    """Holds the content of files."""

    def answer(self, operation: str, request: IncomingRequest, path: str, asked: Mapping[str, str]) -> HttpReply:
        """CREATE and OPEN."""
        if operation == "PUT CREATE":
            if request.headers.get("Content-Type") != "application/octet-stream":
                raise HdfsRefusal(400, "IllegalArgumentException", "Data upload requests must have content-type set")
            file = self.tree.create(path, overwrite=asked.get("overwrite", "false") == "true")
            self.tree.write(file, request.content)
            return HttpReply(b"", 201, {"Location": f"hdfs://namenode:8020{path}"})
        return HttpReply(self.tree.read(path), 200, {"Content-Type": "application/octet-stream"})


class SandboxWebHdfs(_Node):
    """A name node and its data node; both start with the context, and end with it.

    Attributes:
        url: Of the name node, over HTTP.
        root: ``webhdfs://host:port``.
    """

    def __init__(self, faults: HdfsFaults | None = None) -> None:
        super().__init__(NameTree(), faults or HdfsFaults())
        self._data = _DataNode(self.tree, self.faults)
        self.root = self.url.replace("http://", "webhdfs://")

    def start(self) -> Self:
        """Both nodes."""
        self._data.start()
        return super().start()

    def close(self) -> None:
        """Both nodes."""
        super().close()
        self._data.close()

    def answer(self, operation: str, request: IncomingRequest, path: str, asked: Mapping[str, str]) -> HttpReply:
        """What the name node does itself, and where it sends the rest."""
        if self.faults.standby:
            raise HdfsRefusal(403, "StandbyException", "Operation category WRITE is not supported in state standby")
        if operation in {"PUT CREATE", "GET OPEN"}:
            return self._sent_on(operation, request, path, asked)
        if operation == "PUT RENAME":
            done = self.tree.rename(path, asked["destination"])
            # Lost as by a gateway whose own connection broke: the name node has done it.
            return HttpReply(b"", 502) if done and self._loses() else _said(boolean=done)
        if operation == "PUT MKDIRS":
            return _said(boolean=self.tree.mkdirs(path))
        if operation == "DELETE DELETE":
            return _said(boolean=self.tree.delete(path, recursive=asked.get("recursive", "false") == "true"))
        if operation == "GET LISTSTATUS":
            return _said(FileStatuses={"FileStatus": self.tree.listed(path)})
        raise HdfsRefusal(400, "UnsupportedOperationException", f"{operation} is not supported")

    def _sent_on(self, operation: str, request: IncomingRequest, path: str, asked: Mapping[str, str]) -> HttpReply:
        """To the data node; a name node takes no data."""
        if request.content:
            raise HdfsRefusal(400, "IllegalArgumentException", "a name node takes no data")
        if operation == "GET OPEN":
            self.tree.read(path)
        query = urlencode({**asked, "namenoderpcaddress": "namenode:8020"})
        return HttpReply(b"", 307, {"Location": f"{self._data.url}{request.path}?{query}"})

    def _loses(self) -> bool:
        with self.lock:
            if not self.faults.lose_answers:
                return False
            self.faults.lose_answers -= 1
            return True


def _said(**document: Any) -> HttpReply:
    return HttpReply(json.dumps(document).encode())


def _refused(refusal: HdfsRefusal) -> HttpReply:
    said = {"exception": refusal.name, "javaClassName": f"org.apache.hadoop.{refusal.name}", "message": refusal.message}
    return HttpReply(json.dumps({"RemoteException": said}).encode(), refusal.status)
