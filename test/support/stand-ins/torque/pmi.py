"""What the processes of a real MPI program ask of whoever started them, so that MPICH's find each other: PMI, version 1.

After the protocol's document (wire protocol of PMI-1, MPICH wiki) and what MPICH 4.0 was seen to send."""
import os
import re
import selectors
import socket
import threading

NAME = "stand-in"


class Pmi:
    """One for each application: a socket for each rank, a table of names and values, barriers."""

    def __init__(self, options):
        self.size = options["n"]
        nodes = -(-self.size // options["N"])
        # So many nodes of so many ranks each: MPICH shares memory within one only.
        self.table = {"PMI_process_mapping": "(vector,(0,%d,%d))" % (nodes, options["N"])}
        self.pairs = [socket.socketpair() for _ in range(self.size)]
        self.waiting = set()

    def environment(self, rank):
        """In the rank's own process: its end stays open over exec."""
        end = self.pairs[rank][1]
        end.set_inheritable(True)
        return {"PMI_FD": str(end.fileno()), "PMI_RANK": str(rank), "PMI_SIZE": str(self.size)}

    def serve(self):
        """Once all ranks are started: threads and forks do not mix."""
        for _, theirs in self.pairs:
            theirs.close()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        ears = selectors.DefaultSelector()
        rests = {}
        for ours, _ in self.pairs:
            ears.register(ours, selectors.EVENT_READ)
        while ears.get_map():
            for key, _ in ears.select():
                end = key.fileobj
                try:
                    piece = end.recv(65536)
                except OSError:
                    piece = b""
                if not piece:
                    ears.unregister(end)
                    continue
                *lines, rests[end] = (rests.get(end, b"") + piece).split(b"\n")
                for line in lines:
                    self._answer(end, dict(re.findall(r"(\w+)=(\S*)", line.decode())))

    def _answer(self, end, asked):
        command = asked.get("cmd")
        if command == "put":
            self.table[asked["key"]] = asked["value"]
        if command == "barrier_in":
            self.waiting.add(end)
            if len(self.waiting) == self.size:
                for other in self.waiting:
                    say(other, "barrier_out")
                self.waiting = set()
            return
        if command == "abort":
            return os.kill(os.getpid(), 15)
        if command == "get":
            value = self.table.get(asked["key"])
            return say(end, "get_result rc=0 msg=success value=" + value if value else "get_result rc=-1 msg=key_not_found value=unknown")
        answers = {
            "init": "response_to_init pmi_version=1 pmi_subversion=1 rc=0",
            "get_maxes": "maxes kvsname_max=256 keylen_max=64 vallen_max=1024 rc=0",
            "get_appnum": "appnum appnum=0 rc=0",
            "get_my_kvsname": "my_kvsname kvsname=%s rc=0" % NAME,
            "get_universe_size": "universe_size size=%d rc=0" % self.size,
            "put": "put_result rc=0 msg=success",
            "finalize": "finalize_ack rc=0",
        }
        say(end, answers.get(command, "%s rc=-1 msg=unknown_command" % command))


def say(end, text):
    try:
        end.sendall(("cmd=%s\n" % text).encode())
    except OSError:
        pass
