/** The wall clock of a process and its children, by libfaketime; its monotonic clocks stay right. */
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const PLACES = ["x86_64-linux-gnu", "aarch64-linux-gnu", "faketime"].map(
  (place) => `/usr/lib/${place}${place === "faketime" ? "" : "/faketime"}/libfaketime.so.1`,
);

/** Why no clock can be changed here, or undefined. */
export function whyNoFakeClock(): string | undefined {
  return libraryOf() === undefined ? "needs libfaketime: apt-get install faketime" : undefined;
}

export type FakeClock = {
  /** of the process whose clock it is */
  env: Record<string, string>;
  /** `+3600`, `-3600` (seconds beside the true time), or `@2020-01-01 00:00:00`; without the `@` it stands still. */
  set(time: string): void;
};

/** A clock that is read from a file. */
export function createFakeClock(file: string, time: string): FakeClock {
  const set = (next: string) => writeFileSync(file, `${next}\n`);
  set(time);
  return {
    env: {
      LD_PRELOAD: libraryOf() ?? "",
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_CACHE_DURATION: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      FAKETIME_DONT_RESET: "1",
    },
    set,
  };
}

const SHARED_MEMORY = "/dev/shm";

/** Removes what libfaketime shares between processes and leaves behind when they are killed; for after the last of them. */
export function removeLeftClocks(): void {
  if (!existsSync(SHARED_MEMORY)) return;
  for (const name of readdirSync(SHARED_MEMORY)) {
    const pid = /^(?:faketime_shm|sem\.faketime_sem)_(\d+)$/.exec(name)?.[1];
    // A process that does not find its parent's makes its own.
    if (pid !== undefined && !existsSync(join("/proc", pid))) rmSync(join(SHARED_MEMORY, name), { force: true });
  }
}

function libraryOf(): string | undefined {
  return PLACES.find((path) => existsSync(path));
}
