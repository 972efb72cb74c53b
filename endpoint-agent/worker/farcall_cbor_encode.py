"""Python values as CBOR, as protocol/cbor-encode.ts writes JavaScript's."""
import array
import datetime
import json
import re
import struct
import sys

from farcall_cbor import MAX_DEPTH, MAX_SAFE, TAG_OF_NUMPY, NotSerialisable


def encode_cbor(value):
    out = []
    _write(out.append, value, [])
    return b"".join(out)


def _head(major, value):
    if value < 24:
        return bytes((major << 5 | value,))
    if value < 0x100:
        return bytes((major << 5 | 24, value))
    if value < 0x10000:
        return struct.pack(">BH", major << 5 | 25, value)
    if value < 0x100000000:
        return struct.pack(">BI", major << 5 | 26, value)
    return struct.pack(">BQ", major << 5 | 27, value)


def _write(put, value, path):
    # One frame a level: Python's own recursion limit must not be met before MAX_DEPTH.
    if value is None:
        put(b"\xf6")
    elif value is True:
        put(b"\xf5")
    elif value is False:
        put(b"\xf4")
    elif isinstance(value, int):
        put(_integer(int(value)))
    elif isinstance(value, float):
        put(struct.pack(">Bd", 0xFB, value))
    elif isinstance(value, str):
        put(_text(value, path))
    elif isinstance(value, (list, tuple, set, frozenset)):
        if isinstance(value, (set, frozenset)):
            put(_head(6, 258))
        put(_head(4, len(value)))
        _check_depth(path)
        for index, item in enumerate(value):
            path.append(index)
            _write(put, item, path)
            path.pop()
    elif isinstance(value, dict):
        _check_depth(path)
        plain = all(isinstance(key, str) for key in value)
        if not plain:
            put(_head(6, 259))
        put(_head(5, len(value)))
        for key, item in value.items():
            path.append(key)
            if plain and key == "__proto__":
                _refuse(path, "a field named __proto__")
            _write(put, key, path)
            _write(put, item, path)
            path.pop()
    elif isinstance(value, (bytes, bytearray, memoryview)):
        data = bytes(value)
        put(_head(2, len(data)))
        put(data)
    elif isinstance(value, datetime.datetime):
        # As Python itself has it, a time without zone is local time.
        seconds = value.timestamp()
        put(_head(6, 1))
        _write(put, int(seconds) if seconds == int(seconds) else seconds, path)
    elif isinstance(value, datetime.date):
        put(_head(6, 1004))
        put(_text(value.isoformat(), path))
    elif isinstance(value, array.array):
        _write_array(put, value, path)
    elif isinstance(value, BaseException):
        put(_head(6, 27))
        _write(put, [type(value).__name__, str(value)], path)
    elif type(value).__module__ == "numpy":
        _write_numpy(put, value, path)
    else:
        _refuse(path, "a " + type(value).__name__)


def _check_depth(path):
    if len(path) >= MAX_DEPTH:
        del path[8:]
        _refuse(path, "a cycle, or nested deeper than %d levels" % MAX_DEPTH)


def _integer(value):
    if 0 <= value <= MAX_SAFE:
        return _head(0, value)
    if -MAX_SAFE <= value < 0:
        return _head(1, -1 - value)
    tag, magnitude = (2, value) if value > 0 else (3, -1 - value)
    data = magnitude.to_bytes((magnitude.bit_length() + 7) // 8, "big")
    return _head(6, tag) + _head(2, len(data)) + data


def _text(value, path):
    try:
        data = value.encode("utf-8")
    except UnicodeEncodeError:
        _refuse(path, "text with half of a surrogate pair, which UTF-8 cannot carry")
    return _head(3, len(data)) + data


def _write_array(put, value, path):
    kind = {"B": "u", "H": "u", "I": "u", "L": "u", "Q": "u", "f": "f", "d": "f"}.get(value.typecode, "i")
    tag = TAG_OF_NUMPY.get(kind + str(value.itemsize))
    if tag is None or value.typecode == "u":
        _refuse(path, "an array of characters")
    if sys.byteorder == "big":
        value = array.array(value.typecode, value)
        value.byteswap()
    data = value.tobytes()
    put(_head(6, tag) + _head(2, len(data)))
    put(data)


def _write_numpy(put, value, path):
    import numpy

    if isinstance(value, numpy.generic) or (isinstance(value, numpy.ndarray) and value.ndim == 0):
        item = value.item()
        if type(item).__module__ == "numpy":
            _refuse(path, "a " + type(value).__name__)
        _write(put, item, path)
        return
    if not isinstance(value, numpy.ndarray):
        _refuse(path, "a numpy " + type(value).__name__)
    tag = TAG_OF_NUMPY.get(value.dtype.kind + str(value.dtype.itemsize))
    if tag is None:
        if value.dtype.kind not in "bUSO":
            _refuse(path, "a numpy array of " + str(value.dtype))
        _write(put, value.tolist(), path)
        return
    data = numpy.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<")).tobytes()
    if value.ndim > 1:
        put(_head(6, 40) + _head(4, 2))
        _write(put, list(value.shape), path)
    put(_head(6, tag) + _head(2, len(data)))
    put(data)


def _refuse(path, what):
    text = "value"
    for key in path:
        if isinstance(key, str) and re.match(r"^[^\W\d]\w*$", key):
            text += "." + key
        else:
            text += "[%s]" % (json.dumps(key) if isinstance(key, (str, int, float)) else repr(key)[:40])
    raise NotSerialisable(text, what)
