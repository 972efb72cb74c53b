"""qselect of a stand-in for Torque."""
from torque import common
from torque.common import down  # noqa: F401


def main(call):
    wanted, words = {}, iter(call.argv)
    for word in words:
        wanted[word] = next(words, "")
    chosen = [
        job
        for job in call.jobs()
        if wanted.get("-N", job["name"]) == job["name"]
        and ("-s" not in wanted or common.letter(job) in wanted["-s"])
        and wanted.get("-u", call.settings["user"]) == job.get("owner", call.settings["user"])
        and wanted.get("-q", job["queue"]) == job["queue"]
    ]
    call.answer("".join(job["id"] + "\n" for job in chosen))
