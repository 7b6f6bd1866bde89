"""Where machine code is kept on disk: in ``NUMBA_CACHE_DIR``, or beside the kernels, or in the user's cache folder.

A file that cannot be read or written is no reason to stop a fit. Who installs for others (in an image, on a cluster)
leaves machine code which they can read but not write.
"""

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from ._key import hash_of_sources

_BESIDE = Path(__file__).parent / "__pycache__"


def _folder_of_user():
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches"
    name, otherwise = ("LOCALAPPDATA", "AppData/Local") if sys.platform == "win32" else ("XDG_CACHE_HOME", ".cache")
    return Path(os.environ[name]) if os.environ.get(name) else Path.home() / otherwise


def _folders():
    """In the order of choice; none where nobody could tell an old version's machine code from a new one's."""
    if hash_of_sources() is None:
        return
    # What is not beside the kernels may be shared by several versions of them.
    own = f"skreg_{hash_of_sources()}"
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    yield Path(chosen) / own if chosen else _BESIDE
    try:
        yield _folder_of_user() / own
    except RuntimeError:  # no home
        pass


def _is_writable(folder):
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def read(name):
    """(folder, content) of each file of that name, in the order of choice, up to a folder that can be written to."""
    for folder in _folders():
        with suppress(OSError):
            yield folder, (folder / name).read_bytes()
        if _is_writable(folder):
            break


def write(name, content):
    """Write a file, whole or not at all.

    Returns
    -------
    folder : Path
        Where it is, or was to be.
    error : OSError or None
        Why it is not there.
    """
    refusals = []
    for folder in _folders():
        try:
            _write(folder / name, content)
            return folder, None
        except OSError as error:
            refusals.append((folder, error))
        if _is_writable(folder):  # but full: who reads looks no further
            break
    return refusals[0] if refusals else (_BESIDE, OSError("the kernels' sources are not files"))


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.urandom(6).hex()}")
    try:
        draft.write_bytes(content)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
