"""sbatch of a stand-in for Slurm."""
import os
import re
import sys

from core import jobs
from slurm.common import down  # noqa: F401

WITH_VALUE = set(
    "account begin comment constraint cpus-per-task cpus-per-gpu error exclude export gpus-per-node gres job-name licenses "
    "mail-type mail-user mem mem-per-cpu nodelist nodes ntasks-per-node open-mode output partition qos reservation "
    "signal time".split()
)
FLAGS = {"exclusive", "no-requeue", "parsable", "requeue"}
REFUSED = "sbatch: error: Batch job submission failed: %s\n"


class Refusal(Exception):
    def __init__(self, err, code):
        self.err, self.code = err, code


def main(call):
    if call.ignored():
        call.answer("0\n")
    try:
        job = submit(call)
    except Refusal as refusal:
        call.answer("", refusal.err, refusal.code)
    parsable = "--parsable" in call.argv
    call.answer(job["id"] + "\n" if parsable else "Submitted batch job %s\n" % job["id"])


def parse(words):
    given = {}
    for word in words:
        name, equals, value = word.lstrip("-").partition("=")
        if not word.startswith("--") or name not in WITH_VALUE | FLAGS or (name in WITH_VALUE and not equals):
            raise Refusal("sbatch: unrecognized option '%s'\nTry \"sbatch --help\" for more information\n" % word, 255)
        given[name] = value
    return given


def submit(call):
    script = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    if not script.startswith("#!"):
        raise Refusal("sbatch: error: This does not look like a batch script.  The first\n", 1)
    lines = [line for line in script.split("\n") if line.startswith("#SBATCH ")]
    given = parse(word for line in lines for word in line.split()[1:])
    given.update(parse(call.argv))
    if given.get("partition", "debug") not in call.settings.get("partitions", ["debug"]):
        err = "sbatch: error: invalid partition specified: %s\n" % given["partition"]
        raise Refusal(err + REFUSED % "Invalid partition name specified", 1)
    if "account" in given and given["account"] not in call.settings.get("accounts", [given["account"]]):
        raise Refusal(REFUSED % "Invalid account or account/partition combination specified", 1)
    minutes = given.get("time", "0")
    if not re.fullmatch(r"\d+", minutes):
        raise Refusal("sbatch: error: Invalid --time specification\n", 255)
    return jobs.submit(call.state, lambda number: describe(call, number, script, given))


def describe(call, number, script, given):
    path = call.state.path("spool", "%d.sh" % number)
    with open(path, "w", errors="surrogateescape") as file:
        file.write(script)
    os.chmod(path, 0o700)
    name = given.get("job-name", "sbatch")
    out = given.get("output", os.path.join(os.getcwd(), "slurm-%j.out")).replace("%j", str(number)).replace("%%", "%")
    env = dict(os.environ)
    env.update(
        SLURM_JOB_ID=str(number), SLURM_JOBID=str(number), SLURM_JOB_NAME=name, SLURM_JOB_NODELIST="@HOSTS@",
        SLURM_JOB_NUM_NODES=given.get("nodes", "1"), SLURM_STARTS="@STARTS@", SLURM_PROCID="0", TMPDIR="/tmp",
        PATH=call.settings["bin"] + ":" + os.environ.get("PATH", "/usr/bin:/bin"),
        STAND_IN_DIR=call.state.directory, STAND_IN_JOB=str(number),
    )  # fmt: skip
    # Tests that cannot wait a minute give minutes another length.
    minute = call.settings.get("minuteMs", 60_000)
    job = {
        "id": str(number), "name": name, "env": env, "cwd": os.getcwd(), "argv": [path], "script": path, "join": True,
        "nodes": int(given.get("nodes", "1").split("-")[0]), "out": out, "err": out, "given": given,
        "killDelayMs": call.settings.get("killWaitMs", 30_000),
    }  # fmt: skip
    if "exclude" in given:
        job["exclude"] = given["exclude"].split(",")
    if int(given.get("time", "0")) > 0:
        job["walltimeMs"] = int(given["time"]) * minute
    warn = re.fullmatch(r"B:([A-Z0-9]+)@(\d+)", given.get("signal", ""))
    if warn:
        job["warn"] = {"signal": warn.group(1), "beforeMs": int(warn.group(2)) * minute // 60, "to": "top"}
    return job
