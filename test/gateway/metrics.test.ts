/** Histograms of requests and of the phases of tasks. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BOUNDS_MS, createHistogram } from "../../gateway/histogram.ts";
import { createEndpoint, registerFunction, startTestGateway } from "./support/gateway.ts";
import { openSite } from "./support/site.ts";

describe("a histogram", () => {
  it("puts every duration into the first bucket whose bound is not below it", () => {
    const anyMs = fc.oneof(fc.double({ min: -10, max: 1e9, noNaN: true }), fc.constantFrom(...BOUNDS_MS), fc.nat());
    fc.assert(
      fc.property(anyMs, (ms) => {
        const histogram = createHistogram();
        histogram.add(ms);
        const at = BOUNDS_MS.findIndex((bound) => ms <= bound);
        const expected = at === -1 ? BOUNDS_MS.length : at;
        expect(histogram.snapshot().buckets.indexOf(1)).toBe(expected);
        expect(histogram.snapshot().sumMs).toBe(Math.max(0, ms));
      }),
    );
  });
});

describe("/metrics", () => {
  it("has histograms of requests by operation and of tasks by phase, their buckets cumulated up to the count", async () => {
    await using gateway = await startTestGateway();
    const fn = await registerFunction(gateway);
    const { id: endpoint } = await createEndpoint(gateway, "lap");
    const site = await openSite(gateway, endpoint);
    const tasks = Array.from({ length: 7 }, () => ({}));
    await gateway.json("POST", "/v1/tasks", { body: { specs: [{ function: fn, endpoint }], tasks } });
    const leased = await site.take(5);
    await site.report(leased.slice(0, 3).map(({ id, lease }) => ({ id, lease, value: 1, ranMs: 2000 })));

    const text = await (await gateway.request("GET", "/metrics")).text();
    const value = (line: string) =>
      Number(
        text
          .split("\n")
          .find((each) => each.startsWith(`${line} `))
          ?.split(" ")[1],
      );
    const phase = (name: string) => `farcall_task_phase_seconds_count{phase="${name}"}`;
    expect([value(phase("queued")), value(phase("handed-out")), value(phase("running"))]).toEqual([5, 3, 3]);
    expect(value(`farcall_task_phase_seconds_sum{phase="running"}`)).toBe(6);
    expect(value(`farcall_task_phase_seconds_bucket{phase="running",le="1.024"}`)).toBe(0);
    expect(value(`farcall_task_phase_seconds_bucket{phase="running",le="2.048"}`)).toBe(3);
    expect(value(`farcall_task_phase_seconds_bucket{phase="running",le="+Inf"}`)).toBe(3);
    expect(value(`farcall_http_request_seconds_count{operation="submitTasks"}`)).toBe(1);
    expect(value(`farcall_http_request_seconds_bucket{operation="submitTasks",le="+Inf"}`)).toBe(1);
    expect(value(`farcall_http_request_seconds_sum{operation="submitTasks"}`)).toBeGreaterThan(0);
  });
});
