/** What released versions wrote: test/fixtures/releases, recorded by record.ts there. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeFrame, type Frame } from "../../protocol/frame.ts";

export const RELEASES = new URL("../fixtures/releases/", import.meta.url).pathname;

/** Every recorded frame of a release, with its channel; those between an agent and a manager in Python are `link python …`. */
export function recordedFrames(version: string): { channel: string; frame: Buffer }[] {
  return readdirSync(join(RELEASES, version))
    .filter((name) => name.endsWith(".jsonl"))
    .flatMap((name) => {
      const python = name.includes("python");
      return readFileSync(join(RELEASES, version, name), "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { channel: string; frame: string })
        .map(({ channel, frame }) => ({
          channel: python ? channel.replace("link ", "link python ") : channel,
          frame: Buffer.from(frame, "base64"),
        }));
    });
}

/** Those of one channel, read. */
export function framesOf(version: string, channel: string): Frame[] {
  return recordedFrames(version)
    .filter((recorded) => recorded.channel === channel)
    .map(({ frame }) => decodeFrame(frame));
}

/** The same with a field more in every object, as a newer version may write it. Objects by name (classes, limits) stay. */
export function widened(value: unknown, name = ""): unknown {
  if (Array.isArray(value)) return value.map((item) => widened(item));
  if (typeof value !== "object" || value === null) return value;
  const more = ["limits", "classes"].includes(name) ? {} : { fromTheFuture: { nested: [1] } };
  return { ...Object.fromEntries(Object.entries(value).map(([key, item]) => [key, widened(item, key)])), ...more };
}
