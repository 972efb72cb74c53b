"""Payloads as protocol/payload.ts has them: JSON where it loses nothing, bytes as they are, else CBOR."""
import json
import math

from farcall_cbor import MAX_SAFE
from farcall_cbor_decode import decode_cbor
from farcall_cbor_encode import encode_cbor

MAX_JSON_DEPTH = 100
to_json = json.JSONEncoder(separators=(",", ":")).encode
from_json = json.JSONDecoder().decode


def encode_value(value):
    """Returns (encoding, bytes)."""
    if is_plain(value, 0):
        return "json", to_json(value).encode("ascii")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "raw", bytes(value)
    return "cbor", encode_cbor(value)


def decode_value(encoding, data):
    if encoding is None or encoding == "json":
        return from_json(bytes(data).decode("utf-8"))
    if encoding == "raw":
        return bytes(data)
    return decode_cbor(data)


def is_plain(value, depth):
    """Whether JSON gives the same value back, in JavaScript too."""
    kind = type(value)
    if value is None or kind is str or kind is bool:
        return True
    if kind is int:
        return -MAX_SAFE <= value <= MAX_SAFE
    if kind is float:
        return math.isfinite(value)
    if depth > MAX_JSON_DEPTH:
        return False
    if kind is list or kind is tuple:
        for item in value:
            if not is_plain(item, depth + 1):
                return False
        return True
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or not is_plain(item, depth + 1):
                return False
        return True
    return False
