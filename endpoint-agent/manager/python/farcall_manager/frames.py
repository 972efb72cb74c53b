"""Frames: u32 header length, u32 body length, header as UTF-8 JSON, body (docs/frames.md)."""
import json
import re
import struct

to_json = json.JSONEncoder(separators=(",", ":")).encode
PREFIX_BYTES = 8
#: Python would read any number of digits, and take its time for it
LONG_NUMBER = re.compile(rb"[0-9]{300}")


class BadFrame(Exception):
    """The bytes are no frame."""


def encode_frame(header, chunks=()):
    head = to_json(header).encode("ascii")
    return b"".join([struct.pack(">II", len(head), sum(map(len, chunks))), head] + list(chunks))


def decode_frame(data):
    """Exactly one frame; returns (header, body)."""
    if len(data) < PREFIX_BYTES:
        raise BadFrame("the frame is cut short")
    head, body = struct.unpack_from(">II", data)
    if PREFIX_BYTES + head + body != len(data):
        raise BadFrame("the frame announces other lengths than it has")
    return _header(data[PREFIX_BYTES:PREFIX_BYTES + head]), data[PREFIX_BYTES + head:]


class FrameReader:
    """Cuts a byte stream into frames; one above the limit is refused before it is buffered."""

    def __init__(self, max_bytes):
        self.max_bytes, self.buffer = max_bytes, bytearray()

    def push(self, chunk):
        buffer = self.buffer
        buffer += chunk
        frames, at = [], 0
        while len(buffer) - at >= PREFIX_BYTES:
            head, body = struct.unpack_from(">II", buffer, at)
            end = at + PREFIX_BYTES + head + body
            if end - at > self.max_bytes:
                raise BadFrame("a frame of %d bytes is above the limit of %d" % (end - at, self.max_bytes))
            if len(buffer) < end:
                break
            start = at + PREFIX_BYTES
            frames.append((_header(bytes(buffer[start:start + head])), bytes(buffer[start + head:end])))
            at = end
        del buffer[:at]
        return frames


def _refuse(name):
    raise ValueError("%s is not JSON" % name)


_from_json = json.JSONDecoder(parse_constant=_refuse).decode
_from_json_with_long_numbers = json.JSONDecoder(parse_constant=_refuse, parse_int=lambda text: int(text) if len(text) < 300 else float(text)).decode


def _header(data):
    try:
        text = bytes(data).decode("utf-8")
        return _from_json_with_long_numbers(text) if len(data) > 300 and LONG_NUMBER.search(data) else _from_json(text)
    except (ValueError, RecursionError):
        raise BadFrame("the frame's header is not UTF-8 JSON, or nested too deep")
