"""Where machine code is kept on disk: in ``NUMBA_CACHE_DIR``, or beside the kernels, or in the user's cache folder.

A file that cannot be read or written is no reason to stop a fit. Who installs for others (in an image, on a cluster)
leaves machine code which they can read but not write.
"""

import hashlib
import os
import sys
import tempfile
from pathlib import Path

_BESIDE = Path(__file__).parent / "__pycache__"


def _folder_of_user():
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData/Local")
    if sys.platform == "darwin":
        return home / "Library/Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")


def folders():
    """In the order of choice."""
    # One for each installation: an edited or newer one does not take the place of another's.
    own = f"skreg_{hashlib.blake2b(os.fsencode(_BESIDE), digest_size=6).hexdigest()}"
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    yield Path(chosen) / own if chosen else _BESIDE
    try:
        yield _folder_of_user() / "skreg" / own
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
    """A file's (folder, content), or (None, None). A later folder's only where those before cannot be written to."""
    for folder in folders():
        try:
            return folder, (folder / name).read_bytes()
        except OSError:
            if _is_writable(folder):
                break
    return None, None


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
    for folder in folders():
        try:
            _write(folder / name, content)
            return folder, None
        except OSError as error:
            refusals.append((folder, error))
    return refusals[0]


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.urandom(6).hex()}")
    try:
        draft.write_bytes(content)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
