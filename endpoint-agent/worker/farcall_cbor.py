"""What writing and reading CBOR have in common: the tags of typed arrays (protocol/cbor-tags.ts) and the two errors."""
import datetime

MAX_SAFE = 2 ** 53 - 1
MAX_DEPTH = 500
UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)

# RFC 8746, little-endian: tag -> (array.array's type code, numpy's). The big-endian tags are these less 4.
TYPED = {
    64: ("B", "u1"), 68: ("B", "u1"), 69: ("H", "<u2"), 70: ("I", "<u4"), 71: ("Q", "<u8"),
    72: ("b", "i1"), 77: ("h", "<i2"), 78: ("i", "<i4"), 79: ("q", "<i8"), 84: ("e", "<f2"), 85: ("f", "<f4"), 86: ("d", "<f8"),
}
TAG_OF_NUMPY = {"u1": 64, "u2": 69, "u4": 70, "u8": 71, "i1": 72, "i2": 77, "i4": 78, "i8": 79, "f2": 84, "f4": 85, "f8": 86}


class NotSerialisable(Exception):
    """A value cannot be sent back; `path` says where in the result it is."""

    def __init__(self, path, what):
        super().__init__("%s is %s, which cannot be sent" % (path, what))
        self.path, self.what = path, what


class Undecodable(Exception):
    """The bytes are no value of this encoding."""
