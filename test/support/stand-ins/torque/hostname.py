"""hostname as seen on the node where a script runs: the MOM node, unless aprun started it."""
import os

NAME = b"STAND_IN_HOST="


def main(call):
    call.answer(place(os.getpid()) + "\n")


def place(pid):
    """The nearest ancestor that was told: what runs a user's task may hide its own environment from it."""
    while pid > 1:
        try:
            with open("/proc/%d/environ" % pid, "rb") as file:
                told = [text for text in file.read().split(b"\0") if text.startswith(NAME)]
            with open("/proc/%d/stat" % pid) as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            break
        if told:
            return told[0][len(NAME) :].decode()
        pid = parent
    return "login1"
