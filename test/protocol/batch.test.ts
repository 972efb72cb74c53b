import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseSubmitHeader } from "../../protocol/batch.ts";
import { ApiError } from "../../protocol/errors.ts";
import { newId } from "../../protocol/ids.ts";
import { INLINE_LIMIT_BYTES } from "../../protocol/task.ts";

const spec = { function: "a".repeat(64) };
const task = () => ({ id: newId(), length: 2 });

describe("a submit's header", () => {
  it("passes when specs, tasks and body agree", () => {
    const header = { specs: [spec], tasks: [task(), { ...task(), spec: 0, encoding: "cbor" }] };
    expect(parseSubmitHeader(header, 4).tasks).toHaveLength(2);
    const blob = { specs: [spec], tasks: [{ id: newId(), blob: "b".repeat(64), size: 10 ** 6 }] };
    expect(parseSubmitHeader(blob, 0).tasks).toHaveLength(1);
  });

  it.each([
    ["no object", 7, "the request"],
    ["no specs", { specs: [], tasks: [task()] }, "specs"],
    ["a spec with an unknown field", { specs: [{ ...spec, prio: 1 }], tasks: [task()] }, "specs.0.prio"],
    ["a spec with a bad value", { specs: [{ ...spec, retries: -1 }], tasks: [task()] }, "specs.0.retries"],
    ["a function that is no hash", { specs: [{ function: "square" }], tasks: [task()] }, "specs.0.function"],
    ["no tasks", { specs: [spec], tasks: [] }, "tasks"],
    ["a task without id", { specs: [spec], tasks: [{ length: 2 }] }, "tasks.0.id"],
    ["a random id", { specs: [spec], tasks: [{ id: crypto.randomUUID(), length: 2 }] }, "tasks.0.id"],
    ["a spec that is not there", { specs: [spec], tasks: [{ ...task(), spec: 1 }] }, "tasks.0.spec"],
    ["an unknown encoding", { specs: [spec], tasks: [{ ...task(), encoding: "xml" }] }, "tasks.0.encoding"],
    ["no length", { specs: [spec], tasks: [{ id: newId() }] }, "tasks.0.length"],
    ["too much inline", { specs: [spec], tasks: [{ id: newId(), length: INLINE_LIMIT_BYTES + 1 }] }, "tasks.0.length"],
    ["a blob without size", { specs: [spec], tasks: [{ id: newId(), blob: "b".repeat(64) }] }, "tasks.0.size"],
    ["a body of another length", { specs: [spec], tasks: [task(), task()] }, "tasks"],
  ])("with %s is refused, naming the field", (_, header, field) => {
    try {
      parseSubmitHeader(header, 2);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ApiError);
      expect((error as ApiError).code).toBe("BAD_REQUEST");
      expect((error as ApiError).message).toContain(`${field} is`);
    }
  });

  it("never throws anything but BAD_REQUEST, whatever comes", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(1000), (header, length) => {
        try {
          parseSubmitHeader(header, length);
        } catch (error) {
          expect((error as ApiError).code).toBe("BAD_REQUEST");
        }
      }),
    );
  });
});
