"""scancel of a stand-in for Slurm: silent about what is unknown or has ended, and always content."""
from core import jobs
from slurm.common import down  # noqa: F401


def main(call):
    ids = {word for word in call.argv if not word.startswith("-")}
    known = {job["n"] for job in call.state.all() if job["id"] in ids}
    if not call.ignored():
        jobs.cancel(call.state, known, "--signal=KILL" in call.argv)
    call.answer()
