import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type ContainerRequest, inContainer, isStartedByDaemon } from "../../../endpoint-agent/manager/container.ts";
import { Container, definitionText, FunctionDefinition } from "../../../protocol/function.ts";
import { MANAGERS } from "../../support/managers.ts";
import { startTestAgent, type TestAgent } from "./test-agent.ts";

const of = (runtime: Container["runtime"], image = "debian:12", binds: string[] = []): Container => ({
  runtime,
  image,
  binds,
});
const request: ContainerRequest = {
  command: ["/bin/sh", "-c", "echo $X"],
  env: ["PATH", "X", "FARCALL_TASK", "PYTHONPATH", "DOCKER_HOST", "CONDA_PREFIX"],
  given: ["PYTHONPATH"],
  dirs: [
    { path: "/scratch/here", readOnly: false },
    { path: "/cache", readOnly: true },
  ],
  cwd: "/scratch/here/cwd",
  pins: { gpus: [], cores: [] },
  gpus: [],
  memoryMb: 0,
  user: { uid: 1000, gid: 100 },
  descriptors: 0,
};
const words = (container: Container, change: Partial<ContainerRequest> = {}) =>
  inContainer(container, { ...request, ...change })
    .slice(0, -3)
    .join(" ");

describe("a container's argv", () => {
  it("gives the command its directories, and not the node's own variables", () => {
    const binds = ["/data", "/scratch:/s:ro"];
    const run = "run --rm --pid=host --network=host --log-driver=none --workdir=/scratch/here/cwd";
    const volumes =
      "--volume=/scratch/here:/scratch/here --volume=/cache:/cache:ro --volume=/data:/data --volume=/scratch:/s:ro";
    const env = "--env=X --env=FARCALL_TASK --env=PYTHONPATH";
    const without = "env -u DOCKER_HOST -u CONDA_PREFIX";
    expect({
      apptainer: words(of("apptainer", "/images/a.sif", binds)),
      shifter: words(of("shifter", "docker:debian:12", binds)),
      docker: words(of("docker", "debian:12", binds)),
      podman: words(of("podman", "debian:12", binds)),
    }).toEqual({
      apptainer:
        `${without} apptainer --quiet exec --bind /scratch/here:/scratch/here --bind /cache:/cache:ro --bind /data:/data --bind /scratch:/s:ro ` +
        "--pwd /scratch/here/cwd /images/a.sif",
      shifter: `${without} shifter --image=docker:debian:12 ${volumes} --workdir=/scratch/here/cwd`,
      docker: `docker ${run} ${volumes} ${env} --user=1000:100 --entrypoint= debian:12`,
      podman: `podman ${run} ${volumes} ${env} --userns=keep-id --entrypoint= debian:12`,
    });
    expect(inContainer(of("podman"), request).slice(-3)).toEqual(request.command);
  });

  it("hands on GPUs, cores, memory and descriptors, each runtime in its own way", () => {
    // The scheduler gave this node's job its second and third.
    const change = { pins: { gpus: [0, 1], cores: [3, 4] }, gpus: ["1", "2"], memoryMb: 512, descriptors: 3 };
    expect(words(of("docker"), change)).toMatch(/--memory=512m .*--gpus="device=1,2" --cpuset-cpus=3,4/);
    expect(words(of("podman"), change)).toMatch(
      /--memory=512m .*--device=nvidia.com\/gpu=1 --device=nvidia.com\/gpu=2 --preserve-fds=3/,
    );
    // There only those two are seen, as the first and the second.
    for (const runtime of ["docker", "podman"] as const) {
      expect(words(of(runtime), change)).toContain(" --env=CUDA_VISIBLE_DEVICES=0,1 ");
      const named = { ...change, gpus: ["GPU-ab", "GPU-cd"] };
      expect(words(of(runtime), named)).toMatch(/ --env=CUDA_VISIBLE_DEVICES=GPU-ab,GPU-cd .*GPU-ab/);
    }
    expect(words(of("apptainer"), change)).toMatch(/ --nv --rocm debian:12$/);
    const byDaemon = (["apptainer", "docker", "podman", "shifter"] as const).filter((name) =>
      isStartedByDaemon(of(name)),
    );
    expect([byDaemon, isStartedByDaemon(undefined)]).toEqual([["docker"], false]);
  });

  it("is part of what a function is, and refused where it could be read as an option or as two binds", () => {
    const plain = FunctionDefinition.parse({ runtime: "command", code: "a".repeat(64) });
    const text = definitionText(plain);
    expect(definitionText({ ...plain, container: of("podman") })).not.toBe(text);
    for (const image of ["-v", "--privileged", "a b", "a$(b)", ""]) {
      expect(Container.safeParse({ runtime: "podman", image }).success).toBe(false);
    }
    for (const bind of ["data", "/a:/b:rw,z", "/a,/b", "/a:b", "/a:/b:x", "-v"]) {
      expect(Container.safeParse({ runtime: "podman", image: "a", binds: [bind] }).success).toBe(false);
    }
  });
});

/** A root file system with a shell and Python, of this machine's own files; undefined where podman runs nothing. */
function podmanImage(dir: string): string | undefined {
  const root = join(dir, "root");
  for (const each of ["bin", "tmp", "etc", "proc", "dev", "sys", "usr"])
    mkdirSync(join(root, each), { recursive: true });
  const name = `farcall-test-${process.pid}`;
  try {
    const libraries = new Set<string>();
    // Node itself comes with the directory of the programs, which every container is given.
    writeFileSync(join(root, "bin", "node"), `#!/bin/sh\nexec ${process.execPath} "$@"\n`, { mode: 0o755 });
    for (const program of ["/bin/sh", "/bin/cat", "/bin/sleep", process.execPath]) {
      if (program.startsWith("/bin/")) copyFileSync(program, join(root, program));
      const text = execFileSync("ldd", [program], { encoding: "utf8" });
      for (const [path] of text.matchAll(/\/[^\s:]+\.so[^\s:]*/g)) libraries.add(path);
    }
    for (const path of libraries) {
      mkdirSync(join(root, path, ".."), { recursive: true });
      copyFileSync(path, join(root, path));
    }
    writeFileSync(join(root, "etc", "image"), "in the image\n");
    execFileSync("sh", ["-c", `tar -C ${root} -c . | podman import - ${name}`], { stdio: "ignore" });
    execFileSync(
      "podman",
      ["run", "--rm", "--pid=host", "--network=host", "--log-driver=none", name, "/bin/cat", "/etc/image"],
      {
        stdio: "ignore",
      },
    );
    return name;
  } catch {
    return undefined;
  }
}

let agent: TestAgent | undefined;
const dir = mkdtempSync(join(tmpdir(), "farcall-container-"));
// Where a test may not raise its limits, podman may not either.
const conf = join(dir, "containers.conf");
const runc = spawnSync("runc", ["--version"]).status === 0 ? '[engine]\nruntime = "runc"\n' : "";
writeFileSync(conf, `[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]\n${runc}`);
process.env.CONTAINERS_CONF = conf;
const image = spawnSync("podman", ["--version"]).status === 0 ? podmanImage(dir) : undefined;
const path = process.env.PATH;
beforeAll(() => {
  // A stand-in: it takes apptainer's options and runs the command on the node itself, with the descriptors it was given.
  writeFileSync(
    join(dir, "apptainer"),
    '#!/bin/sh\nwhile :; do case "$1" in exec | --quiet | --nv | --rocm) shift ;; --bind) shift 2 ;; --pwd) cd "$2"; shift 2 ;; *) break ;; esac; done\n' +
      'export IMAGE=$1; shift; [ "$IMAGE" != broken ] || { echo "no such image" >&2; exit 255; }\nexec "$@"\n',
  );
  // Likewise for docker, with no descriptors.
  writeFileSync(
    join(dir, "docker"),
    '#!/bin/sh\nwhile :; do case "$1" in run | -*) shift ;; *) break ;; esac; done\n' +
      'image=$1; shift; [ "$image" != missing ] || { echo "no such image" >&2; exit 125; }\nexec "$@" 3<&- 4<&- 5<&-\n',
  );
  for (const name of ["apptainer", "docker"]) chmodSync(join(dir, name), 0o755);
  process.env.PATH = `${dir}${delimiter}${path}`;
});
afterEach(async () => {
  await agent?.stop();
  agent = undefined;
});
afterAll(() => {
  process.env.PATH = path;
  delete process.env.CONTAINERS_CONF;
  if (image !== undefined) spawnSync("podman", ["rmi", "--force", image]);
  rmSync(dir, { recursive: true, force: true });
});

describe.each(MANAGERS)("a manager (%s) with functions in containers", (type) => {
  const increment =
    type === "node"
      ? ({ runtime: "javascript", entry: "default", code: "export default (x) => x + 1;" } as const)
      : ({ runtime: "python", entry: "f", code: "def f(x):\n    return x + 1\n" } as const);
  it("runs commands and workers through the runtime; workers are not shared with other images", async () => {
    agent = await startTestAgent({ type });
    const { register, call } = agent;
    const inImage = (name: string) => ({ container: of("apptainer", name) });
    const command = register({ runtime: "command", ...inImage("one.sif") }, "echo {x} in $IMAGE; pwd");
    expect((await call(command, [{ x: "a b" }])).value).toMatchObject({
      stdout: expect.stringMatching(/^a b in one\.sif\n\/.*command-1\n$/),
    });
    const source = "import os\ndef where():\n    return [os.environ.get('IMAGE'), os.getpid()]\n";
    const where = (name?: string) =>
      register({ runtime: "python", entry: "where", ...(name ? inImage(name) : {}) }, source);
    const first = (await call(where("one.sif"), [])).value as [string, number];
    expect(first[0]).toBe("one.sif");
    expect((await call(where("one.sif"), [])).value).toEqual(first);
    expect((await call(where("two.sif"), [])).value).toMatchObject([
      "two.sif",
      expect.not.toSatisfy((pid) => pid === first[1]),
    ]);
    expect((await call(where(), [])).value).toMatchObject([null, expect.any(Number)]);
  });

  it("fails the tasks of an image that does not start, and goes on with others", async () => {
    agent = await startTestAgent({ type });
    const { register, call } = agent;
    const { code, ...plain } = increment;
    for (let i = 0; i < 4; i++) {
      const broken = register({ ...plain, container: of("apptainer", "broken", [`/a${i}`]) }, code);
      const result = await call(broken, [1]);
      expect(result.failure).toMatchObject({ code: "LOAD_ERROR" });
      expect(result.failure?.message).toMatch(
        /no container of broken was started by apptainer: .*no such image.*a \.sif file/s,
      );
    }
    expect((await call(register(plain, code), [1])).value).toBe(2);
  });

  it("gives a worker that docker's daemon starts its pipes by their names, and waits for none that does not open them", async () => {
    agent = await startTestAgent({ type });
    const { register, call } = agent;
    const { code, ...plain } = increment;
    const result = await call(register({ ...plain, container: of("docker") }, code), [1]);
    expect(result.value).toBe(2);
    const missing = await call(register({ ...plain, container: of("docker", "missing") }, code), [1]);
    expect(missing.failure).toMatchObject({
      code: "LOAD_ERROR",
      message: expect.stringMatching(/docker: .*no such image/),
    });
    expect((await call(register({ ...plain, container: of("docker") }, code), [2])).value).toBe(3);
  });

  it.runIf(image !== undefined)("runs commands and workers in real containers of podman", async () => {
    agent = await startTestAgent({ type, env: { CONTAINERS_CONF: conf } });
    const { register, call } = agent;
    const container = of("podman", image, ["/etc/hostname:/node-name:ro"]);
    const show = register(
      { runtime: "command", container },
      "cat /etc/image; echo $FARCALL_TASK; echo {x} > out; cat out",
    );
    const result = await call(show, [{ x: "it's" }]);
    expect(result).toMatchObject({ outcome: "succeeded" });
    expect((result.value as { stdout: string }).stdout).toBe(`in the image\n${result.id}\nit's\n`);
    const code = register({ runtime: "command", container }, "exit 7");
    expect((await call(code, [{}])).failure).toMatchObject({ code: "COMMAND_FAILED", exitCode: 7 });
    const slow = register({ runtime: "command", container }, "sleep 60");
    expect((await call(slow, [{}], { timeoutMs: 3_000 })).failure).toMatchObject({ code: "TIMEOUT" });
    expect(existsSync("/node-name")).toBe(false);
    if (type === "python") return; // its image has no Python
    const source =
      'import { readFileSync } from "node:fs"; export default (x) => [readFileSync("/etc/image", "utf8"), x];';
    const js = register({ runtime: "javascript", container }, source);
    for (const x of [1, 2]) expect((await call(js, [x])).value).toEqual(["in the image\n", x]);
  });
});
