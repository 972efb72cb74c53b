import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ApiError, ERRORS, type ErrorCode } from "../../protocol/errors.ts";
import { newId } from "../../protocol/ids.ts";
import { type HeldLease, leaseDigest } from "../../protocol/messages.ts";
import { agentPermissions, endpointOfSubject, subjects } from "../../protocol/subjects.ts";
import { parseResourceClass, resourceClass } from "../../protocol/task.ts";

describe("the digest of leases", () => {
  const leases = (count: number): HeldLease[] => Array.from({ length: count }, (_, i) => [newId(), i + 1]);

  it("does not depend on the order", () => {
    const held = leases(100);
    expect(leaseDigest([...held].reverse())).toEqual(leaseDigest(held));
  });

  it("differs when a lease is missing, added or of another hand-out", () => {
    const held = leases(100);
    const digest = leaseDigest(held).hash;
    expect(leaseDigest(held.slice(1)).hash).not.toBe(digest);
    expect(leaseDigest([...held, ...leases(1)]).hash).not.toBe(digest);
    expect(leaseDigest(held.map(([id, lease], i): HeldLease => [id, i === 50 ? lease + 1 : lease])).hash).not.toBe(
      digest,
    );
  });
});

describe("subjects", () => {
  it("an agent may publish and subscribe only within its own endpoint", () => {
    const endpoint = newId();
    const { publish, subscribe } = agentPermissions(endpoint);
    for (const subject of [...publish, ...subscribe]) expect(subject).toContain(endpoint);
    expect(publish).toContain(subjects.results(endpoint));
  });

  it("name their endpoint", () => {
    expect(endpointOfSubject(subjects.pull("e1"))).toBe("e1");
    expect(endpointOfSubject("$SYS.e1")).toBeUndefined();
  });
});

describe("resource classes", () => {
  it("keep cores, memory, GPUs and nodes", () => {
    const amounts = { cores: fc.nat(4096), memoryMb: fc.nat(10 ** 6), gpus: fc.nat(64), nodes: fc.nat(10_000) };
    fc.assert(
      fc.property(fc.record(amounts, { requiredKeys: ["cores", "memoryMb", "gpus"] }), (resources) => {
        expect(parseResourceClass(resourceClass(resources))).toEqual(resources);
      }),
    );
  });
});

describe("errors", () => {
  it("travel as JSON and come back the same", () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const error = new ApiError(code, "what happened", { details: { field: "x" } });
      const back = ApiError.fromJSON(JSON.parse(JSON.stringify(error)));
      expect(back).toMatchObject({ code, message: "what happened", details: { field: "x" } });
      expect(back.toJSON().next).toBe(ERRORS[code].next);
    }
  });

  it("of an unknown code say so", () => {
    expect(ApiError.fromJSON({ code: "NEW", message: "m" }).message).toBe("NEW: m");
    expect(ApiError.fromJSON(null).code).toBe("INTERNAL");
  });

  it("say what to do next", () => {
    for (const [code, entry] of Object.entries(ERRORS)) {
      expect(entry.what, code).toMatch(/\.$/);
      expect(entry.next.length, code).toBeGreaterThan(9);
    }
  });
});
