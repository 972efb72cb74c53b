"""hostname as seen on the node where a script runs: the MOM node, unless aprun started it."""
import os


def main(call):
    call.answer(os.environ.get("STAND_IN_HOST", "login1") + "\n")
