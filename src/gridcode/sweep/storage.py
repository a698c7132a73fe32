"""Run folders on remote storage: one zip file each, written whole.

One file a run keeps 10^5 runs at 10^5 objects, and replacing one is atomic on every storage.
"""

import os
import secrets
import shutil
import tempfile
from pathlib import Path

from gridcode.errors import InputError
from gridcode.reading import first_line


class Storage:
    """A folder on any storage that fsspec knows.

    Args:
        url: such as `s3://bucket/sweep`, `gs://...`, `sftp://...` or `file:///scratch/sweep`.

    Raises:
        InputError: an unknown kind of storage, or its package is not installed.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        try:
            self._fs, self._root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError, OSError) as error:
            raise InputError(f"cannot use the storage '{url}': {first_line(error)}") from None
        self._url = url

    def check(self) -> None:
        """Refuse storage that cannot be written, before trials are trained.

        Raises:
            InputError: a file cannot be written there.
        """
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "test"
            file.write_text("gridcode")
            try:
                self._put(file, name := f".{secrets.token_hex(4)}")
                self._fs.rm_file(f"{self._root}/{name}")
            except Exception as error:  # each kind of storage raises its own
                raise InputError(f"cannot write to '{self._url}': {first_line(error)}") from None

    def fetch(self, name: str, folder: Path) -> bool:
        """Bring a run folder here; returns whether there is one."""
        remote = f"{self._root}/{name}.zip"
        self._fs.invalidate_cache()
        if not self._fs.exists(remote):
            return False
        with tempfile.TemporaryDirectory() as place:
            local = Path(place) / "run.zip"
            self._fs.get_file(remote, str(local))
            shutil.unpack_archive(local, folder, "zip")
        return True

    def keep(self, name: str, folder: Path) -> None:
        """Write a run folder there, in place of what is there."""
        with tempfile.TemporaryDirectory() as place:
            archive = shutil.make_archive(os.path.join(place, "run"), "zip", folder)  # noqa: PTH118
            self._put(Path(archive), f"{name}.zip")

    def _put(self, file: Path, name: str) -> None:
        self._fs.makedirs(self._root, exist_ok=True)
        part = f"{self._root}/.{name}.{secrets.token_hex(4)}.part"
        self._fs.put_file(str(file), part)
        self._fs.mv(part, f"{self._root}/{name}")
