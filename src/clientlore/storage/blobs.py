"""Blobs: original bytes, named by their SHA-256, by tenant. Written before any row that names them."""

from __future__ import annotations

from pathlib import Path

from clientlore.errors import StoreError
from clientlore.ids import sha256
from clientlore.storage.files import write_bytes


class Blobs:
    """A folder of content-addressed files."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, tenant_id: str, sha: str) -> Path:
        """Where the blob lies."""
        return self.root / tenant_id / sha[:2] / sha

    def put(self, tenant_id: str, data: bytes) -> str:
        """Keeps the bytes, once; returns their SHA-256."""
        sha = sha256(data)
        path = self.path(tenant_id, sha)
        if not path.exists():
            write_bytes(path, data)
        return sha

    def get(self, tenant_id: str, sha: str) -> bytes:
        """The bytes.

        Raises:
            StoreError: They are not there, or are not what they were.
        """
        path = self.path(tenant_id, sha)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise StoreError(
                f"Blob {sha} of tenant '{tenant_id}' is missing", "Restore it from the backup."
            ) from None
        if sha256(data) != sha:
            raise StoreError(f"Blob {path} was changed", "Restore it from the backup.")
        return data
