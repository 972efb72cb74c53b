"""What the stand-in for aprun needs of ALPS: options, the job's reservation, claims on its nodes, the copy of the program, binding."""
import math
import os
import shutil

NUMBERS = {"-n": "n", "-N": "N", "-d": "d", "-j": "j", "-t": "t", "-S": "S", "-r": "r", "-R": "R"}
VALUES = ("-F", "-L", "-m", "-sn", "-sl", "-cp", "-p", "-D")


class Refusal(Exception):
    pass


def parse(argv):
    options, index = {"n": 1, "d": 1, "cc": "cpu", "e": {}}, 0
    while index < len(argv) and argv[index].startswith("-"):
        word = argv[index]
        index += 1
        if word == "--":
            break
        if word == "--version":
            return {"version": True}, []
        if word in NUMBERS or word in VALUES or word in ("-cc", "-e"):
            if index >= len(argv):
                raise Refusal("aprun: option requires an argument -- '%s'\n" % word)
            value = argv[index]
            index += 1
            if word == "-e":
                key, _, text = value.partition("=")
                options["e"][key] = text
            elif word in NUMBERS:
                if not value.isdigit() or int(value) < (0 if word == "-r" else 1):
                    raise Refusal("aprun: %s value '%s' must be a positive integer\n" % (word, value))
                options[NUMBERS[word]] = int(value)
            else:
                options[word[1:]] = value
        elif word in ("-b", "-q", "-B", "-C", "-T", "-ss"):
            options[word[1:]] = True
        else:
            raise Refusal("aprun: invalid option -- '%s'\n" % word.lstrip("-"))
    command = argv[index:]
    if not command:
        raise Refusal("aprun: no command was given\n")
    return options, command


def reservation(call):
    """The job whose MOM node this is. From a login node, or from a compute node, there is none."""
    if os.environ.get("STAND_IN_PLACE") != "mom" or "BATCH_PARTITION_ID" not in os.environ:
        raise Refusal("apsched: no valid reservation: aprun must be run in a batch job\n")
    number = int(os.environ["STAND_IN_JOB"])
    job = next((job for job in call.state.live() if job["n"] == number), None)
    if job is None or not job.get("hosts"):
        raise Refusal("apsched: cannot find the job's reservation\n")
    return job


def claim(call, job, options):
    """As many of the job's nodes as are needed; one application a node."""
    cores = call.settings.get("np", 32)
    if "B" in options:
        options.update(n=job["nodes"] * job["tasksPerNode"], N=job["tasksPerNode"])
    each = options.setdefault("N", min(options["n"], max(1, cores // options["d"])))
    if each * options["d"] > cores:
        raise Refusal("apsched: -N value %d exceeds the node's %d CPUs\n" % (each, cores))
    needed = math.ceil(options["n"] / each)
    with call.state.lock():
        free = [host for host in job["hosts"] if not held(call, host)]
        if needed > len(free) and options.get("F") != "share":
            raise Refusal("apsched: claim exceeds reservation's node-count\n")
        chosen = (free + job["hosts"])[:needed]
        for host in chosen:
            with open(call.state.path("claims", host), "w") as file:
                file.write(str(os.getpid()))
    return chosen


def held(call, host):
    try:
        with open(call.state.path("claims", host)) as file:
            os.kill(int(file.read()), 0)
        return True
    except (OSError, ValueError):
        return False


def release(call):
    with call.state.lock():
        for host in os.listdir(call.state.path("claims")):
            path = call.state.path("claims", host)
            with open(path) as file:
                mine = file.read() == str(os.getpid())
            if mine:
                os.unlink(path)


def deliver(call, options, program, apid):
    """Without -b the program is copied to the nodes: a script then finds itself in another directory."""
    path = program if "/" in program else shutil.which(program)
    if path is None or not os.path.exists(path):
        return program
    if "b" in options:
        return path
    copy = call.state.path("spool", "alps-%d-%s" % (apid, os.path.basename(path)))
    shutil.copy(path, copy)
    return copy


def bind(options, place):
    """One core for each depth by default: a program that forks stays on it. `-cc none` binds to nothing."""
    if options["cc"] == "none":
        return
    cores = sorted(os.sched_getaffinity(0))
    width = options["d"] if options["cc"] in ("cpu", "depth") else len(cores)
    first = place * options["d"]
    os.sched_setaffinity(0, {cores[(first + step) % len(cores)] for step in range(min(width, len(cores)))})
