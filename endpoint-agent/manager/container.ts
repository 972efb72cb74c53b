/** The argv that runs a command in a function's container. Pure. */
import type { Container } from "../../protocol/function.ts";
import type { Pins } from "./pins.ts";

export type ContainerRequest = {
  /** runs in the container */
  command: readonly string[];
  /** names of the variables that it needs */
  env: readonly string[];
  /** those among them that its caller has set: they hold in the image too */
  given: readonly string[];
  /** directories that it needs where they are on the node, beside the function's own `binds` */
  dirs: readonly { path: string; readOnly: boolean }[];
  cwd: string;
  pins: Pins;
  /** its GPUs, as the scheduler names them */
  gpus: readonly string[];
  /** 0: no limit */
  memoryMb: number;
  user: { uid: number; gid: number };
  /** descriptors from 3 on that it inherits */
  descriptors: number;
};

/** What belongs to the node: in the image it would lead nowhere. */
const OF_THE_NODE =
  /^(PATH|HOME|SHELL|USER|LOGNAME|TERM|LD_LIBRARY_PATH|DYLD_LIBRARY_PATH|MODULEPATH|LOADEDMODULES|VIRTUAL_ENV|CONDA_PREFIX|PYTHONPATH|PYTHONHOME|PYENV_VERSION|NODE_PATH|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|NODE_COMPILE_CACHE|XDG_RUNTIME_DIR|DBUS_SESSION_BUS_ADDRESS|(DOCKER|CONTAINERS?|APPTAINER|SINGULARITY)_.*)$/;

/** Of those, what such a runtime looks at itself; it hands none of them on, or makes its own. */
const OF_THE_RUNTIME =
  /^(PATH|HOME|SHELL|USER|LOGNAME|TERM|LD_LIBRARY_PATH|XDG_RUNTIME_DIR|DBUS_SESSION_BUS_ADDRESS|(APPTAINER|SINGULARITY)_.*)$/;

/** Wraps a command. */
export function inContainer(container: Container, request: ContainerRequest): string[] {
  return RUNTIMES[container.runtime](container, request);
}

/**
 * Whether the runtime enforces the limit of memory in a cgroup of its own, which is gone with the container: of what happened there
 * only the exit code is left.
 */
export function limitsMemory(container: Container | undefined): boolean {
  return container?.runtime === "docker" || container?.runtime === "podman";
}

/** Whether a daemon starts the container, so that a worker inherits nothing of its manager and opens its pipes by their names. */
export function isStartedByDaemon(container: Container | undefined): boolean {
  return container?.runtime === "docker";
}

const RUNTIMES: Readonly<Record<Container["runtime"], (container: Container, request: ContainerRequest) => string[]>> =
  {
    apptainer: (container, request) => [
      ...forgetting(request),
      "apptainer",
      // Else what it says of itself would be in the command's output.
      "--quiet",
      "exec",
      ...bindsOf(container, request).flatMap((bind) => ["--bind", bind]),
      "--pwd",
      request.cwd,
      // All devices of the node: the variables say which are its own.
      ...(request.gpus.length > 0 ? ["--nv", "--rocm"] : []),
      container.image,
      ...request.command,
    ],
    shifter: (container, request) => [
      ...forgetting(request),
      "shifter",
      `--image=${container.image}`,
      ...bindsOf(container, request).map((bind) => `--volume=${bind}`),
      `--workdir=${request.cwd}`,
      ...request.command,
    ],
    docker: (container, request) => [
      "docker",
      ...runOf(container, request),
      `--user=${request.user.uid}:${request.user.gid}`,
      ...(request.gpus.length > 0 ? [`--gpus="device=${request.gpus.join(",")}"`] : []),
      // Its daemon starts the container: nothing is inherited.
      ...(request.pins.cores.length > 0 ? [`--cpuset-cpus=${request.pins.cores.join(",")}`] : []),
      ...imageAndCommand(container, request),
    ],
    podman: (container, request) => [
      "podman",
      ...runOf(container, request),
      // Without root, its user is mapped: files belong to whoever runs the manager.
      ...(request.user.uid === 0 ? [] : ["--userns=keep-id"]),
      ...request.gpus.map((gpu) => `--device=nvidia.com/gpu=${gpu}`),
      ...(request.descriptors > 0 ? [`--preserve-fds=${request.descriptors}`] : []),
      ...imageAndCommand(container, request),
    ],
  };

/** For a runtime that hands everything on: without the node's own. */
function forgetting({ env, given }: ContainerRequest): string[] {
  const names = env.filter((name) => OF_THE_NODE.test(name) && !OF_THE_RUNTIME.test(name) && !given.includes(name));
  return names.length === 0 ? [] : ["env", ...names.flatMap((name) => ["-u", name])];
}

function runOf(container: Container, request: ContainerRequest): string[] {
  const { env, cwd, memoryMb } = request;
  return [
    "run",
    "--rm",
    // Else the command were process 1, which ignores SIGTERM, and what it leaves running could not be found.
    "--pid=host",
    "--network=host",
    // Its output is read here.
    "--log-driver=none",
    `--workdir=${cwd}`,
    ...bindsOf(container, request).map((bind) => `--volume=${bind}`),
    // Without a value: taken from the client's own, and in no list of processes.
    ...env.filter((name) => isHandedOn(name, request)).map((name) => `--env=${name}`),
    // Only they are there, and are counted anew.
    ...(request.gpus.length > 0 ? [`--env=CUDA_VISIBLE_DEVICES=${request.gpus.map(insideName).join(",")}`] : []),
    ...(memoryMb > 0 ? [`--memory=${memoryMb}m`] : []),
  ];
}

function isHandedOn(name: string, { given, gpus }: ContainerRequest): boolean {
  if (name === "CUDA_VISIBLE_DEVICES" && gpus.length > 0) return false;
  return given.includes(name) || !OF_THE_NODE.test(name);
}

/** A number is a place among those that are seen; what identifies a GPU stays. */
function insideName(gpu: string, place: number): string {
  return /^\d+$/.test(gpu) ? String(place) : gpu;
}

/** Not what the image would run: the command itself. */
function imageAndCommand({ image }: Container, { command }: ContainerRequest): string[] {
  return ["--entrypoint=", image, ...command];
}

function bindsOf({ binds }: Container, { dirs }: Pick<ContainerRequest, "dirs">): string[] {
  const whole = binds.map((bind) => (bind.includes(":") ? bind : `${bind}:${bind}`));
  return [...dirs.map(({ path, readOnly }) => `${path}:${path}${readOnly ? ":ro" : ""}`), ...whole];
}
