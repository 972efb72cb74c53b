"""Listens on a login node for the managers of its site, and passes them on over its own standard input and output.

For servers whose sshd forwards no ports. Runs on Python 2.6 to 3.x, as a command of the session: it ends with it. A message
is one byte that says what it is, the connection's number, a length, and so many bytes. Of each connection only so much is
under way at once; what was taken is said back.
"""
import errno
import os
import select
import socket
import struct
import sys
import time

HEAD = struct.Struct("!cII")
WINDOW = 1 << 20
PIECE = 1 << 16
# The other end says this often enough that it lives; a connection that was lost without a word must not keep the port.
SILENCE_S = 60
WAIT = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR)


class Connection(object):
    def __init__(self, sock):
        self.sock = sock
        # To the node: what waits. From it: how many bytes may still go to the agent.
        self.waiting, self.credit = bytearray(), WINDOW
        # The agent has said its last: what waits is still brought.
        self.ending = False


class Relay(object):
    def __init__(self, address, port):
        family, kind, protocol, _, where = socket.getaddrinfo(address, port, 0, socket.SOCK_STREAM)[0]
        self.listener = socket.socket(family, kind, protocol)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(where)
        self.listener.listen(1024)
        self.listener.setblocking(False)
        self.connections, self.numbers, self.next = {}, {}, 0
        self.incoming, self.outgoing = bytearray(), bytearray()
        self.heard = time.time()
        for fd in (0, 1):
            set_nonblocking(fd)
        self.say(b"L", self.listener.getsockname()[1])

    def say(self, what, number, data=b""):
        self.outgoing += HEAD.pack(what, number, len(data)) + data

    def run(self):
        while True:
            quiet = time.time() - self.heard
            if quiet > SILENCE_S:
                return
            for fd, events in self.poll(SILENCE_S + 1 - max(0, quiet)):
                if fd == 0:
                    if not self.read_agent():
                        return
                elif fd == 1:
                    self.write_agent(events)
                elif fd == self.listener.fileno():
                    self.accept()
                elif fd in self.numbers:
                    self.serve(self.numbers[fd], events)

    def poll(self, seconds):
        poll = select.poll()
        poll.register(0, select.POLLIN)
        full = len(self.outgoing) > WINDOW
        if self.outgoing:
            poll.register(1, select.POLLOUT)
        if not full:
            poll.register(self.listener, select.POLLIN)
        for connection in self.connections.values():
            wanted = select.POLLIN if connection.credit > 0 and not full and not connection.ending else 0
            if connection.waiting:
                wanted |= select.POLLOUT
            if wanted:
                poll.register(connection.sock, wanted)
        try:
            return poll.poll(int(seconds * 1000))
        except select.error as error:
            if error.args[0] == errno.EINTR:
                return []
            raise

    def accept(self):
        try:
            sock, _ = self.listener.accept()
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (OSError, IOError, socket.error):
            # Gone already, or no more files may be open: others go on.
            time.sleep(0.05)
            return
        self.next += 1
        self.connections[self.next] = Connection(sock)
        self.numbers[sock.fileno()] = self.next
        self.say(b"O", self.next)

    def serve(self, number, events):
        connection = self.connections[number]
        try:
            if events & select.POLLOUT:
                sent = connection.sock.send(bytes(connection.waiting[:PIECE]))
                del connection.waiting[:sent]
                if connection.ending and not connection.waiting:
                    return self.close(number, False)
                self.say(b"W", number, struct.pack("!I", sent))
            if events & ~select.POLLOUT:
                data = connection.sock.recv(min(PIECE, max(1, connection.credit)))
                if not data:
                    return self.close(number, True)
                connection.credit -= len(data)
                self.say(b"D", number, data)
        except (OSError, IOError, socket.error) as error:
            if error.args[0] not in WAIT:
                self.close(number, True)

    def close(self, number, tell):
        connection = self.connections.pop(number)
        del self.numbers[connection.sock.fileno()]
        connection.sock.close()
        if tell:
            self.say(b"X", number)

    def read_agent(self):
        try:
            data = os.read(0, PIECE)
        except (OSError, IOError) as error:
            return error.args[0] in WAIT
        if not data:
            return False
        self.heard = time.time()
        self.incoming += data
        while len(self.incoming) >= HEAD.size:
            what, number, length = HEAD.unpack(bytes(self.incoming[: HEAD.size]))
            if len(self.incoming) < HEAD.size + length:
                break
            body = bytes(self.incoming[HEAD.size : HEAD.size + length])
            del self.incoming[: HEAD.size + length]
            self.hear(what, number, body)
        return True

    def hear(self, what, number, body):
        connection = self.connections.get(number)
        if connection is None:
            return
        if what == b"D":
            connection.waiting += body
        elif what == b"W":
            connection.credit += struct.unpack("!I", body)[0]
        elif what == b"X" and connection.waiting:
            connection.ending = True
        elif what == b"X":
            self.close(number, False)

    def write_agent(self, events):
        try:
            sent = os.write(1, bytes(self.outgoing[:PIECE]))
            del self.outgoing[:sent]
        except (OSError, IOError) as error:
            if error.args[0] not in WAIT:
                os._exit(0)


def set_nonblocking(fd):
    import fcntl

    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_NONBLOCK)


def raise_limit():
    """One open file for each manager."""
    try:
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except Exception:
        pass


if __name__ == "__main__":
    raise_limit()
    try:
        relay = Relay(sys.argv[1], int(sys.argv[2]))
    except (OSError, IOError, socket.error) as problem:
        sys.exit("%s:%s: %s" % (sys.argv[1], sys.argv[2], problem))
    relay.run()
