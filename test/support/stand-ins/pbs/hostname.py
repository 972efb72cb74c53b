"""hostname as seen on the node where a script runs: PBS runs it on the first node."""
import os


def main(call):
    call.answer(os.environ.get("STAND_IN_HOST", "login1") + "\n")
