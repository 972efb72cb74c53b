import { describe, expect, it } from "vitest";
import { createDeadline } from "../../../endpoint-agent/manager/deadline.ts";
import { waitFor } from "../../support/wait-for.ts";

describe("a manager's lease", () => {
  it("rule 19: counts from the sending of the beat, never moves backwards, and once passed it stays so", async () => {
    const moves: number[] = [];
    const deadline = createDeadline(200, (at) => moves.push(at));
    const first = deadline.at();
    const sentAt = deadline.now();
    deadline.extend(sentAt, 400);
    expect(deadline.at()).toBe(sentAt + 400);
    deadline.extend(sentAt - 1_000, 400);
    expect([deadline.at(), moves]).toEqual([sentAt + 400, [sentAt + 400]]);
    expect(first).toBeLessThan(deadline.at());
    await waitFor(() => deadline.passed(), { what: "its end" });
    // The work may have been given to others since.
    deadline.extend(deadline.now(), 60_000);
    expect([deadline.passed(), deadline.near(), moves.length]).toEqual([true, true, 1]);
  });
});
