"""Dask distributed on this machine: one process a worker, one thread each."""

import sys

from distributed import Client, LocalCluster
from measure import arguments, run


def main():
    options = arguments()
    cluster = LocalCluster(
        n_workers=options["workers"],
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        local_directory=options["directory"],
    )
    with cluster, Client(cluster) as client:
        # pure=False: equal calls are calls of their own, as in the other systems
        run(lambda function, *args: client.submit(function, *args, pure=False), client.gather)


if __name__ == "__main__":
    sys.exit(main())
