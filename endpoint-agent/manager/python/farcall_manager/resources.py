"""What is free on this node: cores, memory, GPUs and slots; and which GPUs and cores a process has to itself."""
import collections
import os

DEFAULT_RESOURCES = {"cores": 1, "memoryMb": 0, "gpus": 0}
Pins = collections.namedtuple("Pins", "gpus cores")
NO_PINS = Pins((), ())


class NodeResources:
    """`slots` bounds how many tasks run at once whatever they need."""

    def __init__(self, capacity, slots):
        self.beside = capacity.get("nodes") is not None
        self.free = {name: capacity.get(name) or 0 for name in ("cores", "memoryMb", "gpus", "nodes")}
        self.slots, self.busy = slots, 0

    def wanted(self, need):
        wanted = {name: need.get(name) or 0 for name in ("cores", "memoryMb", "gpus")}
        # Without nodes beside it, a task on nodes has all the cores instead.
        wanted["nodes"] = need.get("nodes") or 0 if self.beside else 0
        return wanted

    def room(self, need):
        """How many more such tasks fit now."""
        rooms = [self.free[name] // count for name, count in self.wanted(need).items() if count > 0]
        return min([self.slots - self.busy] + rooms)

    def fits(self, need):
        return self.room(need) >= 1

    def take(self, need):
        self._add(need, -1)

    def release(self, need):
        self._add(need, 1)

    def _add(self, need, sign):
        for name, count in self.wanted(need).items():
            self.free[name] += sign * count
        self.busy -= sign


class Pinning:
    """Counts the pins of one node."""

    def __init__(self, capacity, affinity, env):
        cores, self.gpus = capacity["cores"], capacity["gpus"]
        allowed = sorted(os.sched_getaffinity(0)) if affinity == "cores" and hasattr(os, "sched_getaffinity") else []
        # With fewer cores than the configuration promises, some tasks would never get theirs.
        self.pins_cores = len(allowed) >= cores
        self.free_gpus, self.free_cores = list(range(self.gpus)), allowed if self.pins_cores else []
        self.env_before = env

    def class_of(self, need):
        """Processes of one class can stand in for each other; "" needs no pins."""
        cores = self._cores_of(need)
        return "" if need["gpus"] + cores == 0 else "%dg%dc" % (need["gpus"], cores)

    def _cores_of(self, need):
        return need["cores"] if self.pins_cores else 0

    def take(self, need):
        """None while too few are free."""
        gpus, cores = need["gpus"], self._cores_of(need)
        if len(self.free_gpus) < gpus or len(self.free_cores) < cores:
            return None
        pins = Pins(tuple(self.free_gpus[:gpus]), tuple(self.free_cores[:cores]))
        del self.free_gpus[:gpus], self.free_cores[:cores]
        return pins

    def release(self, pins):
        # In order, so that neighbours, which share a cache or a link, are given out together.
        self.free_gpus = sorted(self.free_gpus + list(pins.gpus))
        self.free_cores = sorted(self.free_cores + list(pins.cores))

    def _named(self, variable, pins):
        chosen = [name for name in self.env_before.get(variable, "").split(",") if name]
        return ",".join(chosen[gpu] if len(chosen) >= self.gpus else str(gpu) for gpu in pins.gpus)

    def gpus_of(self, pins):
        """Its GPUs as the scheduler names them, which may be other numbers than their places here."""
        return self._named("CUDA_VISIBLE_DEVICES", pins).split(",") if pins.gpus else []

    def env(self, pins):
        """Variables by which a process sees its own GPUs and no others; none on a node without."""
        if self.gpus == 0:
            return {}
        visible = {name: self._named(name, pins) for name in ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")}
        # Counted among those that ROCR shows, and believed before CUDA_VISIBLE_DEVICES.
        visible["HIP_VISIBLE_DEVICES"] = ",".join(str(position) for position in range(len(pins.gpus)))
        # An empty mask would show all.
        if pins.gpus:
            visible["ZE_AFFINITY_MASK"] = self._named("ZE_AFFINITY_MASK", pins)
        return visible
