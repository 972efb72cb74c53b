"""A WebSocket client (RFC 6455) for binary messages: masked as clients must, no compression, no extensions."""
import asyncio
import base64
import hashlib
import os
import struct

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MAX_HEAD_BYTES = 16 * 1024
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Refused(Exception):
    """The server answered the upgrade with another status."""

    def __init__(self, status):
        super().__init__("the agent answered %s" % status)
        self.status = status


class WebSocket(asyncio.Protocol):
    """
    `events` has on_open(socket), on_message(socket, bytes) and on_close(socket, error), the last called once. `check`, given the transport, may
    raise before anything is sent.
    """

    def __init__(self, request, events, check, max_bytes):
        self.request, self.events, self.check, self.max_bytes = request, events, check, max_bytes
        self.transport = None
        self.open = self.ended = self.closing = False
        self.buffer, self.parts, self.size = bytearray(), [], 0
        self.reason = None
        self.key = base64.b64encode(os.urandom(16))

    def connection_made(self, transport):
        self.transport = transport
        try:
            self.check(transport)
        except Exception as error:
            self.fail(error)
            return
        path, host, headers = self.request
        lines = ["GET %s HTTP/1.1" % path, "Host: " + host, "Upgrade: websocket", "Connection: Upgrade"]
        lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + self.key.decode("ascii")]
        lines += ["%s: %s" % header for header in headers.items()]
        transport.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def data_received(self, data):
        if self.ended:
            return
        self.buffer += data
        try:
            if self.open or self.upgrade():
                self.cut()
        except (Refused, ValueError) as error:
            self.fail(error)

    def connection_lost(self, error):
        if self.ended:
            return
        self.ended, self.open = True, False
        self.events.on_close(self, self.reason or error or ConnectionError("closed"))

    def fail(self, error):
        self.reason = self.reason or error
        self.open = False
        self.transport.abort()

    def send(self, data):
        if self.open and not self.closing:
            self.write_frame(BINARY, data)

    def backlog(self):
        """Bytes that the connection has not taken yet."""
        return self.transport.get_write_buffer_size() if self.open else 0

    def close(self):
        """Ends the connection after what was sent."""
        if self.open and not self.closing:
            self.write_frame(CLOSE, struct.pack(">H", 1000))
        self.closing = True
        if self.transport is not None:
            self.transport.close()

    def write_frame(self, kind, data):
        size = len(data)
        if size < 126:
            head = struct.pack(">BB", 0x80 | kind, 0x80 | size)
        elif size < 0x10000:
            head = struct.pack(">BBH", 0x80 | kind, 0x80 | 126, size)
        else:
            head = struct.pack(">BBQ", 0x80 | kind, 0x80 | 127, size)
        # Masking defends proxies against scripts in browsers; here the mask is zero, which changes no byte.
        self.transport.write(head + b"\0\0\0\0" + data)

    def upgrade(self):
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self.buffer) > MAX_HEAD_BYTES:
                raise ValueError("the answer to the upgrade is too long")
            return False
        lines = bytes(self.buffer[:end]).decode("latin-1").split("\r\n")
        del self.buffer[:end + 4]
        status = lines[0].split(" ")[1] if " " in lines[0] else "?"
        if status != "101":
            raise Refused(status)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        wanted = base64.b64encode(hashlib.sha1(self.key + GUID).digest()).decode("ascii")
        if headers.get("sec-websocket-accept") != wanted or "sec-websocket-extensions" in headers:
            raise ValueError("the answer to the upgrade is no WebSocket's")
        self.open = True
        self.events.on_open(self)
        return self.open

    def cut(self):
        buffer, at = self.buffer, 0
        while self.open and len(buffer) - at >= 2:
            first, size = buffer[at], buffer[at + 1]
            if first & 0x70 or size & 0x80:
                raise ValueError("a frame came that no server may send")
            start = at + 2
            if size >= 126:
                more = 2 if size == 126 else 8
                if len(buffer) < start + more:
                    break
                size = int.from_bytes(buffer[start:start + more], "big")
                start += more
            if size + self.size > self.max_bytes:
                raise ValueError("a message above the limit came")
            if len(buffer) < start + size:
                break
            at = start + size
            self.on_frame(first & 0x0F, bool(first & 0x80), bytes(memoryview(buffer)[start:at]))
        del buffer[:at]

    def on_frame(self, kind, final, data):
        if kind == PING:
            self.write_frame(PONG, data)
        elif kind == CLOSE:
            self.reason = ConnectionError("closed by the agent")
            self.close()
            self.open = False
        elif kind in (BINARY, CONTINUATION):
            if (kind == CONTINUATION) != bool(self.parts):
                raise ValueError("a part of a message came out of order")
            self.parts.append(data)
            self.size += len(data)
            if final:
                message = data if len(self.parts) == 1 else b"".join(self.parts)
                self.parts, self.size = [], 0
                self.events.on_message(self, message)
            elif len(self.parts) > 100000:
                raise ValueError("a message came in too many parts")
        elif kind != PONG:
            raise ValueError("a frame of no known kind came")
