from __future__ import annotations

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from contracts.errors import StagingRefusedError, StagingUnavailableError
from staging.config import MIB, LocalStagingConfig
from staging.local import LocalStaging
from tests.conformance.staging_suite import NUMBERS, StagingSuite, context, names_in, read, stage

ROOT = Path(__file__).parents[2]
FILL = """
import resource, sys
import polars as pl
from pathlib import Path
from contracts.errors import StagingUnavailableError
from contracts.staging import StagingContext
from staging.config import LocalStagingConfig
from staging.local import LocalStaging

if sys.argv[2] == "limit":
    sys.dont_write_bytecode = True  # Python would not notice that it keeps half of what it compiled
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
provider = LocalStaging(LocalStagingConfig(path=Path(sys.argv[1]), durable=sys.argv[3] == "durable"))
session = provider.allocate_session(
    StagingContext(endpoint_id="e", unit_id="u", run_id="r", slice_key="s", sequence=0, attempt="1")
)
frame = pl.DataFrame({"n": pl.int_range(3_000_000, eager=True).shuffle(seed=1)})
try:
    session.writer().write_batch(frame)
    session.seal()
except StagingUnavailableError as error:
    print(error.facts["errno"], error)
    print(sum(one.state != "open" for one in provider.sessions()))
    session.close()
    print(len([path for path in Path(sys.argv[1]).rglob("*")]))
"""


class TestLocalStaging(StagingSuite):
    @pytest.fixture
    def make_provider(self, tmp_path):
        return lambda part_bytes=16 * MIB: LocalStaging(LocalStagingConfig(path=tmp_path, part_bytes=part_bytes))


class TestDurableLocalStaging(StagingSuite):
    @pytest.fixture
    def make_provider(self, tmp_path):
        return lambda part_bytes=16 * MIB: LocalStaging(
            LocalStagingConfig(path=tmp_path, part_bytes=part_bytes, durable=True)
        )


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of four MiB, where this user may mount one; otherwise None."""
    place = tmp_path / "tiny"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        yield None
        return
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(place: Path, how: str, durable: str) -> list[str]:
    command = [sys.executable, "-c", FILL, str(place), how, durable]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("durable", ["durable", "fast"])
def test_a_full_disk_is_named_and_nothing_readable_is_left(tmp_path, tiny_disk, durable):
    place, how, name = (tmp_path / "own", "limit", "EFBIG") if tiny_disk is None else (tiny_disk, "disk", "ENOSPC")
    place.mkdir(exist_ok=True)
    what, sealed, files = fill(place, how, durable)
    assert what.startswith(name)
    assert "Free space there" in what
    assert (sealed, files) == ("0", "0")


def test_a_file_size_limit_counts_as_full(tmp_path):
    what, sealed, files = fill(tmp_path, "limit", "fast")
    assert what.startswith("EFBIG")
    assert (sealed, files) == ("0", "0")


def test_a_disk_that_is_full_at_the_seal_leaves_the_session_unsealed(tiny_disk):
    if tiny_disk is None:
        pytest.skip("this user may not mount a small file system")
    provider = LocalStaging(LocalStagingConfig(path=tiny_disk))
    session = provider.allocate_session(context())
    session.writer().write_batch(NUMBERS)
    (tiny_disk / "ballast").write_bytes(b"x" * (os.statvfs(tiny_disk).f_bavail * os.statvfs(tiny_disk).f_bsize))
    with pytest.raises(StagingUnavailableError, match="No space left"):
        session.seal()
    assert [one.state for one in provider.sessions()] == []
    (tiny_disk / "ballast").unlink()
    assert identical_rows(read(provider, session.seal()))


def identical_rows(batches) -> bool:
    return pl.concat(batches).equals(NUMBERS)


def test_a_missing_folder_is_refused_and_never_created(tmp_path):
    provider = LocalStaging(LocalStagingConfig(path=tmp_path / "gone"))
    with pytest.raises(StagingRefusedError, match=r"does not exist. Create it"):
        provider.test_connection()
    with pytest.raises(StagingRefusedError):
        list(provider.sessions())
    with pytest.raises(StagingRefusedError):
        provider.store.get("ingestion/x")
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_the_folder_should_be_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StagingRefusedError):
        LocalStaging(LocalStagingConfig(path=tmp_path / "file")).test_connection()


def test_a_folder_without_permission_is_refused(tmp_path, monkeypatch):
    if os.geteuid() == 0:
        # Root passes every permission check, so the kernel's answer is given in its place.
        monkeypatch.setattr(Path, "open", _refuse)
    else:
        tmp_path.chmod(0o500)
    with pytest.raises(StagingRefusedError, match=r"Permission denied. Allow this user") as caught:
        LocalStaging(LocalStagingConfig(path=tmp_path)).test_connection()
    assert caught.value.facts["errno"] == "EACCES"
    tmp_path.chmod(0o700)


def _refuse(self, *_):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))


def test_an_id_too_long_for_the_file_system_is_refused(tmp_path):
    session = LocalStaging(LocalStagingConfig(path=tmp_path)).allocate_session(context("x" * 300))
    session.writer().write_batch(NUMBERS)
    with pytest.raises(StagingRefusedError, match="shorter"):
        session.seal()


def test_a_draft_left_by_a_killed_process_goes_with_its_session(tmp_path):
    provider = LocalStaging(LocalStagingConfig(path=tmp_path))
    handle = stage(provider, NUMBERS)
    (tmp_path / handle.key / "part-00001.parquet.tmp-dead").write_bytes(b"half")
    assert [one.state for one in provider.sessions()] == ["sealed"]
    assert read(provider, handle)
    provider.delete(handle.key)
    assert list(tmp_path.iterdir()) == []


def test_no_draft_stays_beside_what_was_written(tmp_path):
    provider = LocalStaging(LocalStagingConfig(path=tmp_path, durable=True))
    assert names_in(provider, stage(provider, NUMBERS).key) == [
        "_SUCCESS",
        "manifest.json",
        "part-00000.parquet",
    ]


def test_writers_and_a_cleaner_at_once_get_along(tmp_path):
    provider = LocalStaging(LocalStagingConfig(path=tmp_path))

    def come_and_go(number: int) -> None:
        for attempt in range(40):
            provider.delete(stage(provider, NUMBERS.head(3), where=context(sequence=number, attempt=str(attempt))).key)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(come_and_go, range(4)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("answer", [FileNotFoundError, FileExistsError])
def test_a_folder_that_goes_while_it_is_made_is_made_again(answer, tmp_path, monkeypatch):
    provider = LocalStaging(LocalStagingConfig(path=tmp_path))
    make, refusals = Path.mkdir, iter([answer, answer])

    def refuse_twice(self, *arguments, **options):
        if refusal := next(refusals, None):
            raise refusal(self)
        make(self, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", refuse_twice)
    (frame,) = read(provider, stage(provider, NUMBERS.head(3), where=context()))
    assert frame.height == 3
