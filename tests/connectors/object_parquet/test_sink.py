from __future__ import annotations

from contextlib import closing
from uuid import uuid4

import pytest

from sandbox.seaweedfs.server import SandboxSeaweed
from sandbox.webhdfs import SandboxWebHdfs
from tests.conformance.sink_suite import SinkSuite
from tests.connectors.object_parquet.places import ParquetBucket, ParquetFolder, ParquetInHdfs
from tests.exactness.executors import PROVE


@pytest.fixture(scope="module")
def server():
    with SandboxSeaweed() as running:
        yield running


class TestParquetInAFolder(SinkSuite):
    @pytest.fixture
    def lab(self, tmp_path):
        return ParquetFolder(tmp_path / "lake")


@pytest.mark.slow(0.4)  # each; 44 of them
class TestParquetInHdfs(SinkSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def namenode(cls):
        with SandboxWebHdfs() as running:
            yield running

    @pytest.fixture
    def lab(self, namenode):
        return ParquetInHdfs(namenode)


class InABucket:
    @pytest.fixture
    def lab(self, s3, bucket):
        return ParquetBucket(s3, bucket)


if PROVE:

    class TestParquetInABucketWhole(InABucket, SinkSuite):
        """Two minutes; what differs from a folder is below."""

    class TestParquetOnASecondServer(SinkSuite):
        @pytest.fixture
        def lab(self, server):
            bucket = f"lake-{uuid4().hex[:12]}"
            with closing(server.client()) as client:
                client.create_bucket(Bucket=bucket)
            return ParquetBucket(server, bucket)


class TestParquetInABucket(InABucket):
    sink = SinkSuite.sink
    test_connection = SinkSuite.test_connection
    test_only_new_and_different_rows_are_written = SinkSuite.test_only_new_and_different_rows_are_written
    test_an_overtaken_run_writes_nothing = SinkSuite.test_an_overtaken_run_writes_nothing
    test_one_run_at_a_time = SinkSuite.test_one_run_at_a_time
    test_without_privileges = SinkSuite.test_without_privileges
    test_a_table_that_is_dropped_mid_run = SinkSuite.test_a_table_that_is_dropped_mid_run

    def test_rows_and_receipt_come_together(self, lab, sink):
        SinkSuite.test_rows_and_receipt_come_together_or_not_at_all(self, lab, sink, prefilled=True)
