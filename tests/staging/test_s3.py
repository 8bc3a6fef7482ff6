"""The S3 provider against a real S3 server: the sandbox's, or any other one named by these variables.

``NUCLEUS_TEST_S3_ENDPOINT_URL``, ``NUCLEUS_TEST_S3_ACCESS_KEY_ID``, ``NUCLEUS_TEST_S3_SECRET_ACCESS_KEY``,
``NUCLEUS_TEST_S3_BUCKET`` (which exists; every test works below a prefix of its own and removes it) and,
where it matters, ``NUCLEUS_TEST_S3_REGION``. Example::

    NUCLEUS_TEST_S3_ENDPOINT_URL=https://minio.example NUCLEUS_TEST_S3_ACCESS_KEY_ID=… \\
    NUCLEUS_TEST_S3_SECRET_ACCESS_KEY=… NUCLEUS_TEST_S3_BUCKET=nucleus-test pytest tests/staging/test_s3.py
"""

from __future__ import annotations

import os
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import polars as pl
import pytest

from contracts.errors import StageCorruptError, StagingRefusedError, StagingUnavailableError
from sandbox.faults import CuttableTcp, FaultyProxy
from staging.config import MIB, S3StagingConfig
from staging.s3 import S3Staging
from tests.conformance.staging_suite import NUMBERS, StagingSuite, context, read, stage

pytestmark = pytest.mark.s3

_VARIABLE = "NUCLEUS_TEST_S3_"
_NOISE = pl.DataFrame({"n": pl.int_range(200_000, eager=True).shuffle(seed=1)})


def _from_environment() -> dict[str, object]:
    names = ("endpoint_url", "access_key_id", "secret_access_key", "bucket", "region")
    found = {name: os.environ.get(_VARIABLE + name.upper()) for name in names}
    return {name: value for name, value in found.items() if value}


@pytest.fixture
def target(request):
    """Fields of an S3StagingConfig for an empty area that answers."""
    fields = _from_environment()
    if "endpoint_url" not in fields:
        server, bucket = request.getfixturevalue("s3"), request.getfixturevalue("bucket")
        fields = {
            "endpoint_url": server.endpoint_url,
            "access_key_id": server.access_key_id,
            "secret_access_key": server.secret_access_key,
            "region": server.region,
            "bucket": bucket,
        }
    fields = {**fields, "prefix": f"nucleus-test/{uuid4().hex}", "max_attempts": 4}
    yield fields
    store = S3Staging(S3StagingConfig(**fields)).store
    store.delete([stored.key for stored in store.list(f"{fields['prefix']}/")])


@pytest.fixture
def make_provider(target):
    """A function that takes fields to change and gives a provider over the target."""
    return lambda **changes: S3Staging(S3StagingConfig(**{**target, **changes}))


@pytest.fixture
def proxy(target):
    """A proxy before the target, which misbehaves on demand."""
    if not target["endpoint_url"].startswith("http://"):
        pytest.skip("the fault proxy speaks plain HTTP only")
    with FaultyProxy(target["endpoint_url"]) as between:
        yield between


class TestS3Staging(StagingSuite):
    @pytest.fixture
    def make_provider(self, target):
        return lambda part_bytes=16 * MIB: S3Staging(S3StagingConfig(**target, part_bytes=part_bytes))


def reveals_nothing(error: Exception, target: dict[str, object]) -> bool:
    shown = f"{error!s} {error!r} {getattr(error, 'facts', '')} {error.__cause__!s} {error.__cause__!r}"
    return str(target["secret_access_key"]) not in shown and str(target["access_key_id"]) not in shown


@pytest.mark.parametrize(
    ("wrong", "step"),
    [
        ({"secret_access_key": "wrong-secret"}, "Correct the secret access key"),
        ({"access_key_id": "AKIAWRONGWRONGWRONG0"}, "Correct the access key id"),
        ({"bucket": "no-such-bucket-" + "x" * 20}, "Create the bucket"),
        ({"bucket": "Not a bucket!"}, "."),
    ],
)
def test_what_the_server_refuses(make_provider, target, wrong, step):
    provider = make_provider(**wrong)
    began = time.monotonic()
    for call in (
        provider.test_connection,
        lambda: stage(provider, NUMBERS),
        lambda: list(provider.sessions()),
        lambda: provider.store.delete(["ingestion/x"]),
    ):
        with pytest.raises(StagingRefusedError, match=step) as caught:
            call()
        assert reveals_nothing(caught.value, {**target, **wrong})
    assert time.monotonic() - began < 20


def test_a_bucket_that_vanishes_while_writing(make_provider, request):
    if "endpoint_url" in _from_environment():
        pytest.skip("needs a server of its own")
    server, bucket = request.getfixturevalue("s3"), request.getfixturevalue("bucket")
    provider = make_provider(bucket=bucket, part_bytes=64 * 1024)
    session = provider.allocate_session(context())
    server.client().delete_bucket(Bucket=bucket)
    with pytest.raises(StagingRefusedError, match="NoSuchBucket"):
        session.writer().write_batch(_NOISE)
    session.close()
    server.create_bucket(bucket)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_that_fails_for_a_while_is_outwaited(make_provider, proxy, status):
    provider = make_provider(endpoint_url=proxy.url)
    proxy.fail_next(3, status)
    handle = stage(provider, NUMBERS)
    proxy.fail_next(3, status)
    assert pl.concat(read(provider, handle)).equals(NUMBERS)
    proxy.fail_next(2, status)
    assert [one.rows for one in provider.sessions()] == [NUMBERS.height]
    proxy.fail_next(2, status)
    provider.delete(handle.key)
    assert list(provider.sessions()) == []


@pytest.mark.parametrize("status", [500, 503, 507, 429])
def test_a_server_that_keeps_failing_is_unavailable(make_provider, target, proxy, status):
    provider = make_provider(endpoint_url=proxy.url, max_attempts=2)
    handle = stage(provider, NUMBERS)
    for call in (
        lambda: read(provider, handle),
        lambda: stage(provider, NUMBERS, where=context(attempt="2")),
        lambda: list(provider.sessions()),
        lambda: provider.delete(handle.key),
        provider.test_connection,
    ):
        proxy.fail_next(10_000, status)
        with pytest.raises(StagingUnavailableError, match=str(status)) as caught:
            call()
        assert caught.value.retryable
        assert reveals_nothing(caught.value, target)
        proxy.heal()
    assert [one.state for one in provider.sessions()] == ["sealed"]


def test_a_failure_half_way_removes_the_session_when_it_closes(make_provider, proxy):
    provider = make_provider(endpoint_url=proxy.url, max_attempts=2, part_bytes=64 * 1024)
    session = provider.allocate_session(context())
    session.writer().write_batch(_NOISE.head(20_000))
    proxy.fail_next(2, 503, method="PUT")
    with pytest.raises(StagingUnavailableError):
        session.writer().write_batch(_NOISE)
    with pytest.raises(StagingRefusedError, match="partway"):
        session.seal()
    proxy.heal()
    session.close()
    assert list(provider.sessions()) == []


def test_closing_while_the_server_is_away_leaves_it_to_the_cleaner(make_provider, proxy, caplog):
    provider = make_provider(endpoint_url=proxy.url, max_attempts=1, part_bytes=64 * 1024)
    session = provider.allocate_session(context())
    session.writer().write_batch(_NOISE)
    proxy.fail_next(10_000, 503)
    session.close()
    proxy.heal()
    assert "E_STAGING_UNAVAILABLE" in caplog.text
    assert [one.state for one in provider.sessions()] == ["open"]


def test_a_body_that_breaks_off_is_read_again(make_provider, proxy):
    provider = make_provider(endpoint_url=proxy.url)
    handle = stage(provider, _NOISE)
    proxy.cut_after(100_000, count=2)
    assert pl.concat(read(provider, handle)).equals(_NOISE)


def test_a_body_that_always_breaks_off_is_unavailable(make_provider, proxy):
    provider = make_provider(endpoint_url=proxy.url, max_attempts=2)
    handle = stage(provider, _NOISE)
    proxy.cut_after(100_000, count=100)
    with pytest.raises(StagingUnavailableError):
        read(provider, handle)


def test_connections_cut_now_and_then_do_no_harm(make_provider, target):
    if not target["endpoint_url"].startswith("http://127.0.0.1:"):
        pytest.skip("needs a server on loopback")
    with CuttableTcp(int(target["endpoint_url"].rsplit(":", 1)[1])) as wire:
        provider = make_provider(endpoint_url=f"http://127.0.0.1:{wire.port}", max_attempts=8, part_bytes=256 * 1024)
        session = provider.allocate_session(context())
        for offset in range(0, _NOISE.height, 20_000):
            session.writer().write_batch(_NOISE.slice(offset, 20_000))
            wire.cut()
        handle = session.seal()
        batches = []
        for batch in provider.open_session(handle).reader().iter_batches():
            batches.append(batch)
            wire.cut()
    assert pl.concat(batches).equals(_NOISE)


def test_a_server_that_is_not_there_is_unavailable(make_provider, target):
    with FaultyProxy("http://127.0.0.1:1") as gone:
        url = gone.url
    provider = make_provider(endpoint_url=url, max_attempts=3)
    with pytest.raises(StagingUnavailableError, match="Check that the endpoint is up") as caught:
        provider.test_connection()
    assert reveals_nothing(caught.value, target)


def test_a_server_that_does_not_answer_is_unavailable(make_provider, proxy):
    proxy.delay(8)
    provider = make_provider(endpoint_url=proxy.url, max_attempts=2, read_timeout_s=0.3)
    began = time.monotonic()
    with pytest.raises(StagingUnavailableError):
        list(provider.sessions())  # not a write, which the proxy would still deliver afterwards
    assert time.monotonic() - began < 6


def test_an_unproven_certificate_is_refused(make_provider, target):
    if not target["endpoint_url"].startswith("http://"):
        pytest.skip("needs an endpoint without TLS")
    provider = make_provider(endpoint_url=target["endpoint_url"].replace("http:", "https:"), max_attempts=2)
    with pytest.raises(StagingRefusedError, match="TLS"):
        provider.test_connection()


def test_a_part_swapped_by_somebody_is_noticed(make_provider):
    provider = make_provider()
    one, two = (stage(provider, frame, where=context(run)) for run, frame in (("a", NUMBERS), ("b", NUMBERS.reverse())))
    provider.store.put(f"{one.key}part-00000.parquet", provider.store.get(f"{two.key}part-00000.parquet"))
    with pytest.raises(StageCorruptError):
        read(provider, one)


def test_areas_below_other_prefixes_are_separate(make_provider, target):
    here, there = make_provider(), make_provider(prefix=f"{target['prefix']}/deeper")
    handle = stage(there, NUMBERS)
    assert handle.key.startswith(f"{target['prefix']}/deeper/ingestion/")
    assert list(here.sessions()) == []
    with pytest.raises(StagingRefusedError):
        here.open_session(handle)
    assert len(list(there.sessions())) == 1


def test_more_objects_than_a_listing_page(make_provider):
    provider = make_provider()
    handle = stage(provider, NUMBERS)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: provider.store.put(f"{handle.key}extra-{number}", b""), range(1_005)))
    [listed] = provider.sessions()
    assert listed.key == handle.key
    provider.delete(handle.key)
    assert list(provider.sessions()) == []


def test_secrets_stay_out_of_what_is_shown(make_provider, target):
    config = S3StagingConfig(**target)
    provider = make_provider()
    for shown in (repr(config), str(config), config.model_dump_json(), repr(provider), repr(vars(provider))):
        assert str(target["secret_access_key"]) not in shown
        assert str(target["access_key_id"]) not in shown
    with pytest.raises(StagingRefusedError) as caught:
        make_provider(secret_access_key="another-secret").test_connection()
    assert b"another-secret" not in pickle.dumps(caught.value)
