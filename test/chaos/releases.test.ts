/**
 * FAULTS.md A2, the other way round: what released versions read is still written. Today's frames, recorded anew, are held against the
 * recorded ones: a field that every frame of a kind had is still in every one of that kind, and of the same type.
 */
import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeFrame } from "../../protocol/frame.ts";
import { RELEASES, recordedFrames } from "../endpoint-agent/recorded-frames.ts";
import { MANAGERS } from "../support/managers.ts";
import { recordFrames } from "../support/record-frames.ts";

/** Paths of fields, as `tasks[].id`, with their types. */
type Shape = Map<string, string>;
/** Objects by name, whose names are not fields. */
const BY_NAME = ["limits", "classes", "env"];

function shapeOf(value: unknown, path = "", shape: Shape = new Map()): Shape {
  const type = Array.isArray(value) ? "array" : value === null ? "null" : typeof value;
  if (path !== "") shape.set(path, type);
  if (Array.isArray(value)) for (const item of value.slice(0, 1)) shapeOf(item, `${path}[]`, shape);
  else if (type === "object" && !BY_NAME.some((name) => path.endsWith(name))) {
    for (const [key, item] of Object.entries(value as object))
      shapeOf(item, path === "" ? key : `${path}.${key}`, shape);
  }
  return shape;
}

/** Of each kind, the fields that all its frames have. */
function shapesOf(frames: readonly { channel: string; frame: Buffer }[]): Map<string, Shape> {
  const shapes = new Map<string, Shape>();
  for (const { channel, frame } of frames) {
    const header = decodeFrame(frame).header as { kind?: string };
    const shape = shapeOf(header);
    const key = `${channel} ${header.kind ?? ""}`;
    const known = shapes.get(key);
    if (!known) shapes.set(key, shape);
    else for (const field of [...known.keys()]) if (!shape.has(field)) known.delete(field);
  }
  return shapes;
}

/** What a frame of today lacks, or has of another type. What is null here and something there says nothing. */
function missing(before: Map<string, Shape>, now: Map<string, Shape>): string[] {
  return [...before].flatMap(([kind, fields]) => {
    const today = now.get(kind);
    if (!today) return [`${kind}: no such frame`];
    return [...fields].flatMap(([field, type]) => {
      const is = today.get(field);
      if (is === undefined) return [`${kind}: ${field} is missing`];
      return is === type || [is, type].includes("null") ? [] : [`${kind}: ${field} is ${is}, was ${type}`];
    });
  });
}

describe("today's frames", () => {
  it("A2: have all that agents, managers and gateways of released versions read", async () => {
    const today: { channel: string; frame: Buffer }[] = [];
    for (const type of MANAGERS) {
      const { frames } = await recordFrames(type);
      for (const { channel, frame } of frames) {
        if (type === "node") today.push({ channel, frame });
        else if (channel.startsWith("link ")) today.push({ channel: channel.replace("link ", "link python "), frame });
      }
    }
    const now = shapesOf(today);
    for (const version of readdirSync(RELEASES).filter((name) => name.startsWith("v"))) {
      expect(missing(shapesOf(recordedFrames(version)), now), version).toEqual([]);
    }
  });

  it("A2: are held against what was recorded field by field", () => {
    const frame = (header: object) => new Map([["x", shapeOf(header)]]);
    const before = frame({ id: "a", tasks: [{ lease: 1 }], reason: null });
    expect(missing(before, frame({ id: "b", tasks: [{ lease: 2, more: true }], reason: "r", new: 1 }))).toEqual([]);
    expect(missing(before, frame({ id: 7, tasks: [{}], reason: null }))).toEqual([
      "x: id is number, was string",
      "x: tasks[].lease is missing",
    ]);
  });
});
