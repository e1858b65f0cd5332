"""Files are written whole or not at all, and a blob is what its name says."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clientlore.errors import StoreError
from clientlore.ids import sha256
from clientlore.storage import files
from clientlore.storage.blobs import Blobs
from clientlore.storage.files import sweep_partials, write_atomic, write_bytes
from clientlore.storage.vectors import Vectors, quoted


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    """An empty folder of blobs."""
    return Blobs(tmp_path / "blobs")


def everything(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_file_is_made_with_its_folders_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "mail.eml"
    write_bytes(path, b"a long first one")
    write_bytes(path, b"second")
    assert path.read_bytes() == b"second"
    assert path.stat().st_mode & 0o777 == 0o644
    assert everything(tmp_path) == ["a/b/mail.eml"]


def test_while_a_file_is_written_the_old_one_is_there(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    write_bytes(path, b"old")
    seen = []

    def write(partial: Path) -> None:
        partial.write_bytes(b"new")
        seen.append(path.read_bytes())
        assert partial.parent == path.parent
        assert partial.suffix == path.suffix

    write_atomic(path, write)
    assert seen == [b"old"]
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("a defect"), MemoryError()])
def test_a_writer_that_fails_leaves_the_old_file_and_no_partial_one(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "part.parquet"
    write_bytes(path, b"old")

    def write(partial: Path) -> None:
        partial.write_bytes(b"half of the n")
        raise error

    with pytest.raises(type(error)):
        write_atomic(path, write)
    assert path.read_bytes() == b"old"
    assert everything(tmp_path) == ["part.parquet"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("parquet: IO error: No space left on device (os error 28)"),
    ],
)
@pytest.mark.parametrize("step", ["write", "_sync", "mkstemp"])
def test_a_full_disk_is_said_whoever_notices_it_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, step: str
) -> None:
    if step == "mkstemp" and not isinstance(error, OSError):
        error = OSError(errno.ENOSPC, "No space left on device")
    path = tmp_path / "mail.eml"
    write_bytes(path, b"old")

    def fail(*_args: object, **_more: object) -> None:
        raise error

    if step == "mkstemp":
        monkeypatch.setattr(files.tempfile, "mkstemp", fail)
    elif step == "_sync":
        monkeypatch.setattr(files, "_sync", fail)
    with pytest.raises(StoreError) as caught:
        write_atomic(path, fail if step == "write" else lambda partial: None)
    assert str(caught.value) == (
        "The disk is full: mail.eml could not be written. "
        f"Free some space under {tmp_path} and run again; what was there is untouched."
    )
    assert path.read_bytes() == b"old"
    assert everything(tmp_path) == ["mail.eml"]


def test_a_folder_that_cannot_be_written_is_a_store_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="could not be written") as caught:
        write_bytes(tmp_path / "file" / "mail.eml", b"x")
    assert "Check the folder's permissions" in str(caught.value)

    def refuse(**_more: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files.tempfile, "mkstemp", refuse)
    with pytest.raises(StoreError, match="Permission denied"):
        write_bytes(tmp_path / "mail.eml", b"x")


def test_what_killed_writers_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "keep.parquet", b"x")
    killed = """
import os, signal, sys
from pathlib import Path
from clientlore.storage.files import write_atomic
write_atomic(Path(sys.argv[1]), lambda _: os.kill(os.getpid(), signal.SIGKILL))
"""
    subprocess.run([sys.executable, "-c", killed, str(tmp_path / "a" / "b.parquet")], check=False)
    old = tmp_path / ".partial-elsewhere-1-x"
    old.write_bytes(b"half")
    os.utime(old, (0, 0))

    def sweep_while_writing(partial: Path) -> None:
        assert len(everything(tmp_path)) == 4
        assert sweep_partials(tmp_path) == 2
        partial.write_bytes(b"whole")

    write_atomic(tmp_path / "written.txt", sweep_while_writing)
    (tmp_path / ".partial-elsewhere-2-x").write_bytes(b"being written")
    assert sweep_partials(tmp_path) == 0
    assert sweep_partials(tmp_path / "none") == 0
    assert everything(tmp_path) == [".partial-elsewhere-2-x", "a/keep.parquet", "written.txt"]


@given(st.binary(max_size=64))
@settings(max_examples=30, deadline=None)
def test_bytes_come_back_as_they_went_in_under_their_hash(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    blobs = Blobs(tmp_path_factory.getbasetemp() / "blobs-of-a-property")
    sha = blobs.put("acme", data)
    assert sha == sha256(data)
    assert blobs.get("acme", sha) == data


def test_the_same_bytes_are_kept_once_for_each_tenant(blobs: Blobs) -> None:
    sha = blobs.put("acme", b"news")
    before = blobs.path("acme", sha).stat()
    assert blobs.put("acme", b"news") == sha
    assert blobs.path("acme", sha).stat().st_ino == before.st_ino
    assert blobs.put("beta", b"news") == sha
    assert everything(blobs.root) == [f"{t}/{sha[:2]}/{sha}" for t in ("acme", "beta")]


def test_a_blob_that_was_changed_or_is_gone_is_a_store_error(blobs: Blobs) -> None:
    sha = blobs.put("acme", b"news")
    with pytest.raises(StoreError, match="of tenant 'beta' is missing"):
        blobs.get("beta", sha)
    blobs.path("acme", sha).write_bytes(b"newz")
    with pytest.raises(StoreError, match=r"was changed\. Restore it from the backup"):
        blobs.get("acme", sha)
    blobs.path("acme", sha).unlink()
    with pytest.raises(StoreError, match=r"is missing\. Restore it from the backup"):
        blobs.get("acme", sha)


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        ("acme", "'acme'"),
        ("O'Hara' OR '1'='1", "'O''Hara'' OR ''1''=''1'"),
        (True, "true"),
        (False, "false"),
        (7, "7"),
        (0.5, "0.5"),
    ],
)
def test_a_value_in_a_filter_cannot_end_its_own_quotes(value: object, literal: str) -> None:
    assert quoted(value) == literal


def test_a_table_that_was_never_made_is_none_and_makes_nothing(tmp_path: Path) -> None:
    assert Vectors(tmp_path / "vectors").open("acme", "memories") is None
    assert everything(tmp_path) == []
