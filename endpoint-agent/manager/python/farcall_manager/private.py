"""Files and directories that nobody else may read."""
import os
import stat


def make_private(path):
    """Makes a directory, and those above it that are missing, all 0700: os.makedirs gives that mode only to the last since Python 3.7."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except FileNotFoundError:
        make_private(os.path.dirname(path))
        os.mkdir(path, 0o700)


def create_private(path):
    """Opens a new or emptied file for writing bytes."""
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def read_private(path):
    """Reads a file that nobody else may read."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    if mode & 0o077:
        raise PermissionError("%s can be read by others (mode %o); expected 0600" % (path, mode))
    with open(path, encoding="utf-8") as file:
        return file.read()
