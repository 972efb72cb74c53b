"""scontrol of a stand-in for Slurm: `show hostnames`, which works without a controller."""


def main(call):
    call.answer("".join(name + "\n" for name in " ".join(call.argv[2:]).split()))
