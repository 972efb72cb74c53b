"""The manager's end of the link to its agent; dials again for ever."""
import asyncio
import base64
import hashlib
import random
import ssl

from .agent_frame_checks import frame_problem
from .constants import MANAGER_PATH, MAX_LINK_FRAME_BYTES
from .frames import BadFrame, decode_frame, encode_frame
from .websocket import Refused, WebSocket

BACKOFF_FIRST_S = 0.05
BACKOFF_MAX_S = 5.0
HANDSHAKE_S = 10.0


class Link:
    """Dials each time where `where_to` says. `events` has on_refused(), on_open(), on_frame(header, body) and on_lost(reason)."""

    def __init__(self, loop, where_to, credential, events):
        self.loop, self.where_to, self.events = loop, where_to, events
        self.dial = None
        block, secret = credential
        self.authorization = "Basic " + base64.b64encode(("%s:%s" % (block, secret)).encode("utf-8")).decode("ascii")
        self.socket = None
        self.stopped, self.failures = False, 0
        self.timer = self.task = None
        self.ended = loop.create_future()

    def start(self):
        self.timer = None
        self.task = self.loop.create_task(self.connect())

    async def connect(self):
        try:
            await asyncio.wait_for(self.dial_once(), HANDSHAKE_S)
        except asyncio.TimeoutError:
            self.redial("no connection in time")
        except Exception as error:
            # Whatever it is, no thread to look a name up among it: later it may be possible.
            self.redial(str(error) or type(error).__name__)

    async def dial_once(self):
        dial, loop = self.where_to(), self.loop
        self.dial = dial
        if dial["kind"] == "unix":
            await loop.create_unix_connection(lambda: self.made("localhost", lambda _transport: None), dial["path"])
            return
        host = "[%s]" % dial["host"] if ":" in dial["host"] else dial["host"]
        made = lambda: self.made("%s:%d" % (host, dial["port"]), self.check_certificate)  # noqa: E731
        await loop.create_connection(made, dial["host"], dial["port"], ssl=tls_context(), server_hostname="")

    def made(self, host, check):
        request = (MANAGER_PATH, host, {"Authorization": self.authorization})
        socket = WebSocket(request, self, check, MAX_LINK_FRAME_BYTES)
        self.loop.call_later(HANDSHAKE_S, self.handshake_late, socket)
        self.socket = socket
        return socket

    def check_certificate(self, transport):
        shown = transport.get_extra_info("ssl_object").getpeercert(True) or b""
        if hashlib.sha256(shown).hexdigest() != self.dial["fingerprint"]:
            raise ValueError("%s:%d shows another certificate than the agent's" % (self.dial["host"], self.dial["port"]))

    @staticmethod
    def handshake_late(socket):
        if not socket.open and not socket.ended and socket.transport is not None:
            socket.fail(ConnectionError("no answer to the upgrade in time"))

    def redial(self, reason):
        self.socket = None
        if self.timer is not None:
            return  # both ends of one attempt were told of
        self.events.on_lost(reason)
        if self.stopped:
            if not self.ended.done():
                self.ended.set_result(None)
            return
        backoff = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(self.failures, 20))
        self.failures += 1
        self.timer = self.loop.call_later(backoff * (0.5 + random.random() / 2), self.start)

    # What the WebSocket says.

    def on_open(self, socket):
        self.failures = 0
        if socket is self.socket:
            self.events.on_open()

    def on_message(self, socket, data):
        if socket is not self.socket:
            return
        try:
            header, body = decode_frame(data)
        except BadFrame as error:
            socket.fail(error)
            return
        problem = frame_problem(header, body)
        if problem:
            socket.fail(ValueError("the agent sent " + problem))
        else:
            self.events.on_frame(header, body)

    def on_close(self, socket, error):
        if socket is not self.socket:
            return
        # From anybody but the agent this cannot come: its certificate, or its directory, was checked.
        if isinstance(error, Refused) and error.status == "401":
            self.events.on_refused()
        self.redial(str(error) or type(error).__name__)

    # What the manager says.

    def send(self, header, chunks=()):
        self.send_bytes(encode_frame(header, chunks))

    def send_bytes(self, frame):
        """Dropped while there is no connection."""
        if self.socket is not None:
            self.socket.send(frame)

    def backlog(self):
        return 0 if self.socket is None else self.socket.backlog()

    def reconnect(self):
        """Gives this connection up, because it does not answer, and dials again."""
        if self.socket is not None and self.socket.transport is not None:
            self.socket.fail(ConnectionError("it does not answer"))

    def close(self):
        """Returns what is done when all that was sent is on its way."""
        self.stopped = True
        if self.timer is not None:
            self.timer.cancel()
        if self.socket is not None and self.socket.open:
            self.socket.close()
        elif not self.ended.done():
            self.ended.set_result(None)
        return self.ended


def tls_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The certificate is its own authority, and machines inside a cluster have many names: its fingerprint decides.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if hasattr(context, "minimum_version"):
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    else:
        context.options |= ssl.OP_NO_SSLv2 | ssl.OP_NO_SSLv3 | ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1
    return context
