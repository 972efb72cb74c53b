"""msub of a stand-in for Moab over Torque, after documents and published answers: an empty line, then Moab's name for the job."""
from torque import common
from torque.options import Refusal
from torque.qsub import submit


def down(name):
    """Moab's commands when Moab does not answer."""
    return "", "ERROR:    cannot connect to server 'vm' (hostname:port=vm:42559)\n", 1


def main(call):
    try:
        job = submit(call, call.argv, "msub")
    except Refusal as refusal:
        # Moab hands on what Torque says.
        call.answer("", "ERROR:  cannot submit job - %s" % refusal.err.replace("qsub: ", ""), 1)
    call.answer("\n%s\n" % moab_id(call, job))


def moab_id(call, job):
    """`N`, or `Moab.N` at sites that keep Moab's own names."""
    return call.settings.get("moabPrefix", "") + str(job["n"])


def find(call, text):
    text = text.removeprefix(call.settings.get("moabPrefix", "")) or text
    return common.find(call, call.jobs(), text)


STATES = {"queued": "Idle", "held": "UserHold", "running": "Running", "ending": "Running", "done": "Completed"}


def state_of(job):
    return "Removed" if job["state"] == "done" and not job.get("started") else STATES[job["state"]]
