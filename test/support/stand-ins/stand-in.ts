/** A stand-in for a batch scheduler: small programs that answer as the real commands do, on a state directory of their own. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { processesUnder } from "../processes.ts";
import { waitFor } from "../wait-for.ts";
import type { Control, Fault, StandInCall, StandInJob } from "./control.ts";

const here = fileURLToPath(new URL(".", import.meta.url));

export type StandInOptions = {
  /** the folder with the commands' modules: `torque`, `pbs`, … */
  kind: string;
  /** which of them to offer; default: all modules of the folder that have a `main` */
  commands?: readonly string[];
  /** fixed properties of this kind, read by its modules: host name, kill delay, … */
  settings?: Record<string, unknown>;
};

export type StandIn = ReturnType<typeof createStandIn>;

/** Makes the commands in `bin`. Nothing runs until a job is submitted. `stop` ends every process and removes the directory. */
export function createStandIn({ kind, commands, settings = {} }: StandInOptions) {
  const dir = mkdtempSync(join(tmpdir(), `stand-in-${kind}-`));
  const bin = join(dir, "bin");
  for (const folder of ["bin", "jobs", "done", "spool", "claims"]) mkdirSync(join(dir, folder));
  execFileSync("mkfifo", [join(dir, "wake")]);
  const fixed = { kind, bin, user: userInfo().username, home: join(dir, "home"), ...settings };
  mkdirSync(fixed.home, { recursive: true });
  writeFileSync(join(dir, "settings.json"), JSON.stringify(fixed));
  for (const name of commands ?? commandsOf(kind)) {
    const program = [
      `#!${pythonPath()} -SE`,
      `# ${name}: a stand-in for ${kind}, for tests`,
      `import sys; sys.path.insert(0, ${JSON.stringify(here)})`,
      "from core.command import run",
      `run(${JSON.stringify(kind)}, ${JSON.stringify(name)}, ${JSON.stringify(dir)})`,
    ];
    writeFileSync(join(bin, name), `${program.join("\n")}\n`, { mode: 0o755 });
  }

  let control: Control = {};
  let faults = 0;
  const write = () => {
    writeFileSync(join(dir, "control.new"), JSON.stringify(control));
    renameSync(join(dir, "control.new"), join(dir, "control.json"));
  };
  write();

  const jobs = (): StandInJob[] =>
    ["jobs", "done"]
      .flatMap((folder) => readdirSync(join(dir, folder)).map((name) => join(dir, folder, name)))
      // A file that is being written has a longer name.
      .filter((path) => /\/\d+$/.test(path))
      .flatMap((path) => {
        try {
          return [JSON.parse(readFileSync(path, "utf8")) as StandInJob];
        } catch {
          return []; // Moved or being written at this moment.
        }
      })
      .sort((a, b) => a.n - b.n);

  return {
    dir,
    bin,
    /** Changes what happens from now on; what is not named stays. */
    control(changes: Partial<Control>) {
      control = { ...control, ...changes };
      write();
    },
    /** Adds a fault; gives a function that takes it away. */
    fault(fault: Fault): () => void {
      const added = { ...fault, id: ++faults };
      control = { ...control, faults: [...(control.faults ?? []), added] };
      write();
      return () => {
        control = { ...control, faults: (control.faults ?? []).filter((other) => other !== added) };
        write();
      };
    },
    jobs,
    /** Every call of a command so far, ended or not. */
    calls: (): StandInCall[] => readCalls(join(dir, "calls.log")),
    /** Ends all that carries this stand-in's name in its command line or environment. */
    async stop() {
      const left = () => processesUnder(dir, "pid").map(Number);
      await waitFor(
        () => {
          for (const pid of left()) kill(pid);
          return left().length === 0;
        },
        { what: `the end of the stand-in for ${kind}` },
      );
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** The most calls of a command that ran at the same time. */
export function mostAtOnce(calls: readonly StandInCall[]): number {
  const steps = calls.flatMap(({ start, end }) => [
    { at: start, by: 1 },
    { at: end ?? Number.POSITIVE_INFINITY, by: -1 },
  ]);
  let now = 0;
  let most = 0;
  for (const { by } of steps.sort((a, b) => a.at - b.at || a.by - b.by)) {
    now += by;
    most = Math.max(most, now);
  }
  return most;
}

let python: string | undefined;
/** The interpreter itself: shims that choose one cost 50 ms a call. */
function pythonPath(): string {
  python ??= execFileSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" }).trim();
  return python;
}

function commandsOf(kind: string): string[] {
  const modules = readdirSync(join(here, kind)).filter((name) => name.endsWith(".py"));
  return modules
    .filter((name) => /^def main\(/m.test(readFileSync(join(here, kind, name), "utf8")))
    .map((name) => name.slice(0, -3));
}

function readCalls(path: string): StandInCall[] {
  let text = "";
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return [];
  }
  const open = new Map<number, StandInCall>();
  const calls: StandInCall[] = [];
  for (const line of text.split("\n").filter((line) => line !== "")) {
    const record = JSON.parse(line) as StandInCall;
    if (record.command === undefined) Object.assign(open.get(record.pid) ?? {}, record);
    else {
      open.set(record.pid, record);
      calls.push(record);
    }
  }
  return calls;
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Ended meanwhile.
  }
}
