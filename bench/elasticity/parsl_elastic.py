"""Parsl's HighThroughputExecutor scaling by its htex_auto_scale strategy, on the stages of the HPDC'19 workload."""

import json
import os
import sys
import time

import parsl
from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SimpleLauncher
from parsl.providers import LocalProvider


class RecordingProvider(LocalProvider):
    """Notes when each block was asked for, and when Parsl has ended it."""

    def __init__(self, **options):
        super().__init__(**options)
        self.lives = {}

    def submit(self, command, tasks_per_node, job_name="parsl.auto"):
        asked = time.time()
        job = super().submit(command, tasks_per_node, job_name)
        self.lives[job] = [asked, None]
        return job

    def cancel(self, job_ids):
        ended = super().cancel(job_ids)
        for job in job_ids:
            if job in self.lives and self.lives[job][1] is None:
                self.lives[job][1] = time.time()
        return ended


@parsl.python_app
def work(seconds):
    import time

    began = time.time()
    time.sleep(seconds)
    return began, time.time()


def main():
    options = json.loads(sys.argv[1])
    directory, scale, fixed = options["directory"], options["scale"], options["fixed"]
    os.chdir(directory)
    blocks, workers = options["blocks"], options["workers"]
    least = blocks if fixed else 0
    provider = RecordingProvider(init_blocks=least, min_blocks=least, max_blocks=blocks, launcher=SimpleLauncher())
    executor = HighThroughputExecutor(
        label="htex",
        address="127.0.0.1",
        max_workers_per_node=workers,
        cores_per_worker=0.01,
        encrypted=False,
        provider=provider,
    )
    config = Config(
        executors=[executor],
        strategy="none" if fixed else "htex_auto_scale",
        # Parsl looks every 5 s and lets blocks go after 2 minutes; both times are scaled as the tasks are.
        strategy_period=5 * scale,
        max_idletime=options["idle"] * scale,
        usage_tracking=0,
        run_dir=os.path.join(directory, "runinfo"),
    )
    with parsl.load(config):
        while fixed and sum(manager["worker_count"] for manager in executor.connected_managers()) < blocks * workers:
            time.sleep(0.1)
        began = time.time()
        tasks = []
        for count, seconds in options["stages"]:
            tasks += [future.result() for future in [work(seconds * scale) for _ in range(count)]]
        ended = time.time()
        lives = [[asked, gone or ended] for asked, gone in provider.lives.values()]
    print(json.dumps({"began": began, "ended": ended, "tasks": tasks, "blocks": lives}))


if __name__ == "__main__":
    sys.exit(main())
