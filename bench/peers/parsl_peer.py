"""Parsl's HighThroughputExecutor on this machine, with the settings that were fastest here."""

import os
import sys

import parsl
from measure import arguments, run
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider


def executor(options):
    # The tuned one prefetches, so that a worker does not wait for the interchange, and does not encrypt on loopback.
    tuned = {"prefetch_capacity": 64, "encrypted": False} if options["tuned"] else {}
    return HighThroughputExecutor(
        label="htex",
        address="127.0.0.1",
        max_workers_per_node=options["workers"],
        provider=LocalProvider(init_blocks=1, min_blocks=1, max_blocks=1),
        **tuned,
    )


def main():
    options = arguments()
    os.chdir(options["directory"])
    config = Config(
        executors=[executor(options)],
        strategy="none",
        usage_tracking=0,
        initialize_logging=not options["tuned"],
        run_dir=os.path.join(options["directory"], "runinfo"),
    )
    with parsl.load(config):
        apps = {}

        def submit(function, *args):
            if function not in apps:
                apps[function] = parsl.python_app(function)
            return apps[function](*args)

        run(submit, lambda futures: [future.result() for future in futures])


if __name__ == "__main__":
    sys.exit(main())
