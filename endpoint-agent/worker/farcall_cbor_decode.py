"""CBOR as Python values, as protocol/cbor-decode.ts reads it for JavaScript."""
import array
import datetime
import math
import re
import struct
import sys

from farcall_cbor import EPOCH, MAX_DEPTH, TYPED, UTC, Undecodable


def decode_cbor(data):
    reader = _Reader(bytes(data))
    try:
        value = reader.read(0)
    except (struct.error, IndexError):
        raise Undecodable("the CBOR value is cut short")
    if reader.at != len(reader.data):
        raise Undecodable("the CBOR value is followed by more")
    return value


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def unsigned(self, info):
        if info < 24:
            return info
        if info > 27:
            raise Undecodable("the CBOR value has a length of no known kind")
        size = 1 << (info - 24)
        self.at += size
        return int.from_bytes(self.take_at(self.at - size, size), "big")

    def take_at(self, at, size):
        if at + size > len(self.data):
            raise Undecodable("the CBOR value is cut short")
        return self.data[at:at + size]

    def string(self, info, major):
        if info != 31:
            size = self.unsigned(info)
            self.at += size
            return self.take_at(self.at - size, size)
        parts = []
        while self.data[self.at] != 0xFF:
            head = self.data[self.at]
            self.at += 1
            if head >> 5 != major or head & 31 == 31:
                raise Undecodable("the CBOR value has a chunk of another kind")
            parts.append(self.string(head & 31, major))
        self.at += 1
        return b"".join(parts)

    def more(self, info):
        """Yields once for each item of an array or map."""
        if info != 31:
            for _ in range(self.unsigned(info)):
                yield
            return
        while self.data[self.at] != 0xFF:
            yield
        self.at += 1

    def read(self, depth, hashable=False):
        if depth > 2 * MAX_DEPTH:
            raise Undecodable("the CBOR value is nested deeper than %d levels" % MAX_DEPTH)
        head = self.data[self.at]
        self.at += 1
        major, info = head >> 5, head & 31
        if major == 0:
            return self.unsigned(info)
        if major == 1:
            return -1 - self.unsigned(info)
        if major == 2:
            return self.string(info, 2)
        if major == 3:
            return self.string(info, 3).decode("utf-8")
        if major == 4:
            items = [self.read(depth + 1, hashable) for _ in self.more(info)]
            return tuple(items) if hashable else items
        if major == 5:
            found = {}
            for _ in self.more(info):
                key = self.read(depth + 1, True)
                found[key] = self.read(depth + 1)
            return found
        if major == 6:
            tag = self.unsigned(info)
            return _tagged(tag, self.read(depth + 1, hashable or tag == 258))
        return self.simple(info)

    def simple(self, info):
        if info in (20, 21):
            return info == 21
        if info in (22, 23):
            return None
        if info in (25, 26, 27):
            size = 1 << (info - 24)
            self.at += size
            return struct.unpack({25: ">e", 26: ">f", 27: ">d"}[info], self.data[self.at - size:self.at])[0]
        raise Undecodable("the CBOR value has the simple value %d, which is not known here" % info)


def _tagged(tag, value):
    if tag == 2:
        return int.from_bytes(value, "big")
    if tag == 3:
        return -1 - int.from_bytes(value, "big")
    if tag == 1:
        # JavaScript's invalid date is no date.
        return EPOCH + datetime.timedelta(seconds=value) if math.isfinite(value) else None
    if tag == 0:
        return _date_of_text(value)
    if tag == 1004:
        return datetime.date(*map(int, value.split("-")))
    if tag == 258:
        return set(value)
    if tag in (259, 55799):
        return value
    if tag == 27:
        return {"name": value[0], "message": value[1]}
    if tag == 40:
        return _shaped(value[0], value[1])
    if 64 <= tag <= 87:
        return _typed_array(tag, value)
    raise Undecodable("the CBOR value has the tag %d, which is not known here" % tag)


def _date_of_text(text):
    match = re.match(r"^(\d+)-(\d+)-(\d+)[Tt ](\d+):(\d+):(\d+)(\.\d+)?(?:[Zz]|([+-])(\d+):(\d+))$", text)
    if not match:
        raise Undecodable("the CBOR value has a date of unknown form: " + text[:40])
    fraction, sign, hours, minutes = match.group(7, 8, 9, 10)
    offset = datetime.timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    date = datetime.datetime(*map(int, match.groups()[:6]), tzinfo=UTC)
    return date + datetime.timedelta(seconds=float(fraction or 0)) - offset


def _numpy():
    try:
        import numpy
    except ImportError:
        return None
    return numpy


def _typed_array(tag, data):
    little = TYPED.get(tag)
    kind = little or TYPED.get(tag + 4)
    if kind is None or not isinstance(data, bytes):
        raise Undecodable("the CBOR value has the tag %d, which is not known here" % tag)
    numpy = _numpy()
    if numpy:
        found = numpy.frombuffer(data, dtype=kind[1] if little else kind[1].replace("<", ">"))
        return found.astype(found.dtype.newbyteorder("="))
    if kind[0] == "e":
        count = len(data) // 2
        return array.array("f", struct.unpack(("<" if little else ">") + "%de" % count, data))
    found = array.array(kind[0])
    found.frombytes(data)
    if (sys.byteorder == "little") != bool(little) and kind[0] not in "bB":
        found.byteswap()
    return found


def _shaped(shape, data):
    if hasattr(data, "reshape"):
        return data.reshape(shape)
    items = list(data)
    for length in reversed(shape[1:]):
        items = [items[at:at + length] for at in range(0, len(items), length)]
    return items
