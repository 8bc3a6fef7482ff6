"""A folder and a bucket of Parquet files, looked at without the sink."""

from __future__ import annotations

import io
import json
import shutil
from contextlib import closing
from typing import TYPE_CHECKING, Any
from unittest import mock
from uuid import uuid4

import polars as pl
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.exceptions import ConnectionClosedError

from connectors.lake.hdfs import HdfsObjects
from connectors.lake.local import LocalObjects
from connectors.lake.names import folder
from connectors.lake.s3 import S3Objects
from connectors.object_parquet.config import ParquetConfig
from connectors.object_parquet.sink import ParquetSink
from contracts.errors import SinkUnreachableError
from sandbox.webhdfs.server import READER, USER
from tests.conformance.sink_suite import error_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from botocore.awsrequest import AWSPreparedRequest

    from contracts.plan import IngestionPlan
    from sandbox.s3 import SandboxS3
    from sandbox.webhdfs import SandboxWebHdfs


def live_files(manifests: list[dict[str, Any]]) -> list[str]:
    """Paths of live files, by folding every manifest from the first."""
    live: dict[str, None] = {}
    for said in manifests:
        live = {} if said.get("full") else live
        live = {path: None for path in live if path not in said.get("removed", ())}
        live |= {file["path"]: None for file in said.get("added", ())}
    return list(live)


def folder_of(plan: IngestionPlan) -> str:
    dataset, policy = plan.unit.dataset, plan.policy
    return folder((policy.target_namespace or dataset.namespace, policy.target_name or dataset.name))


class ParquetFolder:
    """Sinks of one folder."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self.root = root
        self.config = ParquetConfig.model_validate({"root": str(root), **settings})

    def sink(self) -> ParquetSink:
        return ParquetSink(self.config)

    def restricted_sink(self) -> ParquetSink:
        """Tests may run as root, whom no file system refuses anything."""
        sink = self.sink()

        def refused(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        sink.place.objects._draft = refused  # type: ignore[attr-defined]
        return sink

    def frame(self, plan: IngestionPlan) -> pl.DataFrame:
        place = self.root / folder_of(plan)
        manifests = sorted((place / "_nucleus/manifests").glob("*.json"))
        names = [column.name for column in plan.unit.columns]
        files = live_files([json.loads(path.read_bytes()) for path in manifests if path.stat().st_size])
        frames = [pl.read_parquet(place / path, hive_partitioning=False) for path in files]
        return pl.concat(frames, how="diagonal") if frames else pl.DataFrame(schema=dict.fromkeys(names, pl.Null))

    def rows(self, plan: IngestionPlan) -> list[tuple[Any, ...]]:
        frame = self.frame(plan)
        missing = [pl.lit(None).alias(c.name) for c in plan.unit.columns if c.name not in frame.columns]
        frame = frame.with_columns(missing).select(column.name for column in plan.unit.columns)
        return frame.sort(frame.columns[0], nulls_last=True).rows()

    def versions(self, plan: IngestionPlan) -> dict[Any, tuple[Any, ...]]:
        """The row itself: copy-on-write moves rows that are not written, so that content is what can change."""
        return {row[0]: row for row in self.rows(plan)}

    def make_without_key(self, plan: IngestionPlan) -> None:
        dataset = plan.unit.dataset.model_copy(update={"primary_key": ()})
        unit = plan.unit.model_copy(update={"primary_key": (), "dataset": dataset})
        with closing(self.sink()) as sink:
            sink.provision(plan.model_copy(update={"unit": unit}))

    def drop(self, plan: IngestionPlan) -> None:
        shutil.rmtree(self.root / folder_of(plan))

    def cut_before_commit(self, write: Callable[[], object]) -> BaseException | None:
        put = LocalObjects.put_if_absent

        def lost(objects: LocalObjects, key: str, content: bytes) -> bool:
            if "/manifests/" in key:
                with mock.patch("os.link", side_effect=OSError(5, "Input/output error")):
                    return put(objects, key, content)
            return put(objects, key, content)

        with mock.patch.object(LocalObjects, "put_if_absent", lost):
            return error_of(write)


class ParquetBucket(ParquetFolder):
    """Sinks of a bucket; faults are what the client is made to see."""

    def __init__(self, server: SandboxS3, bucket: str, **settings: Any) -> None:
        self.bucket = bucket
        self.client = server.client()
        self.config = ParquetConfig.model_validate(
            {
                "root": f"s3://{bucket}/lake",
                "endpoint_url": server.endpoint_url,
                "access_key_id": server.access_key_id,
                "secret_access_key": server.secret_access_key,
                **settings,
            }
        )

    def restricted_sink(self) -> ParquetSink:
        sink = self.sink()
        answer_puts(sink, lambda _: answered(403, _DENIED))
        return sink

    def frame(self, plan: IngestionPlan) -> pl.DataFrame:
        place = f"lake/{folder_of(plan)}"
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"{place}/_nucleus/manifests/"
        )
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        files = live_files([json.loads(self._read(key)) for key in keys])
        frames = [pl.read_parquet(io.BytesIO(self._read(f"{place}/{path}"))) for path in files]
        names = [column.name for column in plan.unit.columns]
        return pl.concat(frames, how="diagonal") if frames else pl.DataFrame(schema=dict.fromkeys(names, pl.Null))

    def drop(self, plan: IngestionPlan) -> None:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"lake/{folder_of(plan)}/"
        )
        for page in pages:
            for entry in page.get("Contents", ()):
                self.client.delete_object(Bucket=self.bucket, Key=entry["Key"])

    def cut_before_commit(self, write: Callable[[], object]) -> BaseException | None:
        def cut(request: AWSPreparedRequest) -> None:
            if "/manifests/" in request.url:
                raise ConnectionClosedError(endpoint_url=request.url)

        with mock.patch.object(S3Objects, "_conditionally", _cutting(S3Objects._conditionally, cut)):
            return error_of(write)

    def _read(self, key: str) -> bytes:
        return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()


class ParquetInHdfs(ParquetFolder):
    """Sinks of a folder of HDFS, looked at as the name node knows it."""

    def __init__(self, server: SandboxWebHdfs, **settings: Any) -> None:
        self.server = server
        self.top = f"/lake {uuid4().hex[:8]}"
        self.config = ParquetConfig.model_validate(
            {"root": f"{server.root}{self.top}", "hdfs_user": USER, "max_attempts": 4, **settings}
        )

    def restricted_sink(self) -> ParquetSink:
        """Of somebody who may read."""
        return ParquetSink(self.config.model_copy(update={"hdfs_user": READER}))

    def frame(self, plan: IngestionPlan) -> pl.DataFrame:
        files, place = self.server.tree.files, f"{self.top}/{folder_of(plan)}"
        manifests = sorted(
            path for path in files if path.startswith(f"{place}/_nucleus/manifests/") and path.endswith(".json")
        )
        live = live_files([json.loads(files[path].content) for path in manifests if files[path].content])
        frames = [pl.read_parquet(io.BytesIO(files[f"{place}/{path}"].content)) for path in live]
        names = [column.name for column in plan.unit.columns]
        return pl.concat(frames, how="diagonal") if frames else pl.DataFrame(schema=dict.fromkeys(names, pl.Null))

    def drop(self, plan: IngestionPlan) -> None:
        self.server.tree.delete(f"{self.top}/{folder_of(plan)}", recursive=True)

    def cut_before_commit(self, write: Callable[[], object]) -> BaseException | None:
        renamed = HdfsObjects._renamed

        def lost(objects: HdfsObjects, draft: str, key: str) -> bool:
            if "/manifests/" in key:
                raise SinkUnreachableError("cut", "Run again.")
            return renamed(objects, draft, key)

        with mock.patch.object(HdfsObjects, "_renamed", lost):
            return error_of(write)


def answer_puts(sink: ParquetSink, answer: Callable[[AWSPreparedRequest], AWSResponse | None]) -> None:
    """Have every PUT of the sink go through ``answer`` first: what it returns is what the client sees."""
    _hook(sink.place.objects.client, answer)  # type: ignore[attr-defined]


def answered(status: int, content: bytes) -> AWSResponse:
    class Raw(io.BytesIO):
        def stream(self, **_: object) -> list[bytes]:
            return [self.read()]

    return AWSResponse("", status, HeadersDict(), Raw(content))


def _hook(client: Any, answer: Callable[[AWSPreparedRequest], AWSResponse | None]) -> str:
    name = f"fault-{uuid4().hex}"
    client.meta.events.register("before-send.s3.PutObject", lambda request, **_: answer(request), unique_id=name)
    return name


def _cutting(method: Any, cut: Callable[[AWSPreparedRequest], None]) -> Any:
    def wrapped(objects: S3Objects, *args: Any) -> bool:
        name = _hook(objects.client, cut)
        try:
            return method(objects, *args)
        finally:
            objects.client.meta.events.unregister("before-send.s3.PutObject", unique_id=name)

    return wrapped


_DENIED = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>no</Message></Error>'
