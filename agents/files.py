"""Files that are whole or not there: written beside their place, synced, renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from agents.errors import UserError

ELSEWHERE = "Choose a folder that can be written (for runs, set MBRL_HOME)."
NO_SPACE = "Free some space, or choose a folder on another disk (for runs, set MBRL_HOME)."


@contextlib.contextmanager
def told_plainly(path: Path) -> Iterator[None]:
    """Turn a failure of the file system at `path` into one line for a person."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise UserError(f"Cannot write {path}: {reason}. {NO_SPACE if full else ELSEWHERE}") from error


def write_atomically(path: Path, content: bytes | str) -> None:
    """Put `content` at `path` in one step: a reader, or a crash, sees the old file or the new one."""
    data = content.encode() if isinstance(content, str) else content
    with told_plainly(path):
        # Not by tempfile, whose files only their owner can read: a run can be looked at by others.
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable; where folders cannot be synced (Windows) there is nothing to do."""
    with contextlib.suppress(OSError, AttributeError):
        descriptor = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
