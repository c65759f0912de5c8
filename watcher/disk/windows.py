"""Pure: what errors of Windows say, which Python maps to a few numbers of POSIX (its PC/errmap.h).

From Microsoft's list of system error codes and from Python's source; nothing of it was seen on Windows.
"""

from __future__ import annotations

import errno

# Without long paths (LongPathsEnabled) a path has 259 characters at most, and one over it is "not found".
LONGEST_PATH = 259
TOO_LONG = "its path is too long for Windows"
# ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND; None: of a call of the C library, which has `errno` alone.
_NOT_FOUND = frozenset({2, 3, None})
# ERROR_SHARING_VIOLATION, ERROR_LOCK_VIOLATION: both are EACCES for Python. A virus scanner, a backup or the
# export itself has the file open, for a moment or for long.
_IN_USE = frozenset({32, 33})
_ACCESS_DENIED = 5  # of a read-only file, and of one that is open or about to go, too
# What Python makes EACCES, EINVAL or ENOENT of, and is something else.
_MEANT = {
    19: "EROFS",  # ERROR_WRITE_PROTECT
    21: "ENODEV",  # ERROR_NOT_READY
    23: "EIO",  # ERROR_CRC
    39: "ENOSPC",  # ERROR_HANDLE_DISK_FULL
    51: "ENOTCONN",  # ERROR_REM_NOT_LIST
    53: "ENOTCONN",  # ERROR_BAD_NETPATH
    55: "ENOTCONN",  # ERROR_DEV_NOT_EXIST
    59: "ENETRESET",  # ERROR_UNEXP_NET_ERR
    64: "ENOTCONN",  # ERROR_NETNAME_DELETED
    67: "ENOTCONN",  # ERROR_BAD_NET_NAME
    121: "ETIMEDOUT",  # ERROR_SEM_TIMEOUT
    206: "ENAMETOOLONG",  # ERROR_FILENAME_EXCED_RANGE
    223: "EFBIG",  # ERROR_FILE_TOO_LARGE
    1117: "EIO",  # ERROR_IO_DEVICE
    1231: "ENETUNREACH",  # ERROR_NETWORK_UNREACHABLE
    1232: "EHOSTUNREACH",  # ERROR_HOST_UNREACHABLE
    1236: "ECONNABORTED",  # ERROR_CONNECTION_ABORTED
    1295: "EDQUOT",  # ERROR_DISK_QUOTA_EXCEEDED
}


def number_of(error: OSError) -> int:
    """Return the number of POSIX for what an error means: its own, where it is none of Windows'."""
    code = _code(error)
    is_missing = hasattr(error, "winerror") and code in _NOT_FOUND and error.errno == errno.ENOENT
    if is_missing and is_too_long(error.filename, error.filename2):
        return errno.ENAMETOOLONG
    return getattr(errno, _MEANT.get(code or 0, ""), error.errno or 0)


def is_too_long(*paths: object) -> bool:
    """Say whether one of these paths is longer than Windows takes by default; for Windows alone."""
    return any(isinstance(path, str) and len(path) > LONGEST_PATH for path in paths)


def is_in_use(error: OSError) -> bool:
    """Say whether a program has the file, or folder, open in a way that lets nobody else in."""
    return _code(error) in _IN_USE


def may_be_in_use(error: OSError) -> bool:
    """Say the same, where access was denied as well: that is what Windows says of a file or folder that is
    open to somebody and was to be moved or removed."""
    return is_in_use(error) or _code(error) == _ACCESS_DENIED


def _code(error: OSError) -> int | None:
    return getattr(error, "winerror", None)
