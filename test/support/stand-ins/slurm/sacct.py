"""sacct of a stand-in for Slurm; without accounting, as here, unless the test says otherwise."""
import os

from slurm import common
from slurm.common import down  # noqa: F401


def main(call):
    if not call.settings.get("accounting", False):
        call.answer("", "Slurm accounting storage is disabled\n", 1)
    ids = next((word[len("--jobs=") :].split(",") for word in call.argv if word.startswith("--jobs=")), [])
    # It knows also what squeue has forgotten.
    rows = [row(call, job) for job in call.state.all() if job["id"] in ids]
    call.answer("".join(line + "\n" for line in rows))


def row(call, job):
    word = common.state(call, job)
    if word == "CANCELLED":
        word += " by %d" % os.getuid()
    return "|".join([job["id"], word, common.exit_code(job), ",".join(job.get("hosts") or []), job["name"]])
