"""
Checks what a worker says of a task. User code lives in the same process and may have learnt the token, so nothing that would upset agent or
gateway is passed on (FAULTS.md W10, G9).
"""
import json
import math

from .constants import INLINE_LIMIT_BYTES

#: what a worker itself may say of a task; all other codes are the manager's
CODES = ("USER_ERROR", "LOAD_ERROR", "EXITED", "OOM", "RESULT_TOO_LARGE", "RESULT_NOT_SERIALISABLE")
ENCODINGS = (None, "json", "cbor", "raw")
MAX_TEXT = 64 * 1024
MAX_DEPTH = 32
MAX_INTEGER = 2 ** 53 - 1
UNREAD = {"code": "USER_ERROR", "message": "the worker's description of a failure could not be read"}


def result_problem(frame, body):
    """What is wrong with a result's frame, if anything is."""
    ms = frame.get("ms")
    if not _is_number(ms) or ms < 0:
        return "its result has no number or no time"
    if frame.get("encoding") not in ENCODINGS:
        return "its result has an encoding that is not known"
    if len(body) > INLINE_LIMIT_BYTES:
        return "its result is longer than may be sent inline"
    return None


def checked_failure(failure):
    """A worker's description of a failure, cut to what may be passed on."""
    if not isinstance(failure, dict) or failure.get("code") not in CODES:
        return UNREAD
    texts = {name: failure[name] for name in ("message", "type", "stack") if failure.get(name) is not None}
    if "message" not in texts or not all(isinstance(text, str) for text in texts.values()):
        return UNREAD
    exit_code, details = failure.get("exitCode"), failure.get("details")
    if exit_code is not None and (type(exit_code) is not int or abs(exit_code) > MAX_INTEGER):
        return UNREAD
    if details is not None and not isinstance(details, dict):
        return UNREAD
    checked = {"code": failure["code"]}
    checked.update((name, text.encode("utf-8", "replace").decode("utf-8")[:MAX_TEXT]) for name, text in texts.items())
    if exit_code is not None:
        checked["exitCode"] = exit_code
    if details is not None and _is_small(details):
        checked["details"] = details
    return checked


def _is_number(value):
    return type(value) in (int, float) and -MAX_INTEGER <= value <= MAX_INTEGER


def _is_small(details):
    return _is_plain(details, 0) and len(json.dumps(details)) <= MAX_TEXT


def _is_plain(value, depth):
    """Whether everybody's JSON can carry it."""
    if depth > MAX_DEPTH:
        return False
    if isinstance(value, dict):
        return all(_is_plain(item, depth + 1) for item in value.values())
    if isinstance(value, list):
        return all(_is_plain(item, depth + 1) for item in value)
    return not isinstance(value, float) or math.isfinite(value)
