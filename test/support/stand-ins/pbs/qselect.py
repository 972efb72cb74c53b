"""qselect of a stand-in for PBS."""
from pbs import common
from pbs.common import down  # noqa: F401


def main(call):
    ended, wanted = "-x" in call.argv, {}
    words = iter([word for word in call.argv if word != "-x"])
    for word in words:
        wanted[word] = next(words, "")
    if ended and not common.history(call):
        call.answer("", "qselect: PBS is not configured to maintain job history\n", 0)
    chosen = [
        job
        for job in call.jobs()
        if wanted.get("-N", job["name"]) == job["name"]
        and (ended or job["state"] != "done")
        and ("-s" not in wanted or common.letter(job) in wanted["-s"])
        and wanted.get("-u", call.settings["user"]) == job.get("owner", call.settings["user"])
    ]
    call.answer("".join(job["id"] + "\n" for job in chosen))
