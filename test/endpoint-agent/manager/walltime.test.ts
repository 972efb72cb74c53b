import { expect, it } from "vitest";
import { remainingTime } from "../../../endpoint-agent/manager/walltime.ts";

const inSeconds = (seconds: number) => String(Math.round(Date.now() / 1000) + seconds);

it("B4: what is left of the walltime counts from the start of the block's script, if its clock can be believed", () => {
  expect(remainingTime(null, inSeconds(10))()).toBe(null);
  const left = (endsAt: string | undefined) => Math.round((remainingTime(3_600_000, endsAt)() as number) / 10_000);
  expect(left(undefined)).toBe(360);
  // The script started ten minutes before this manager.
  expect(left(inSeconds(3_000))).toBe(300);
  for (const odd of ["", "soon", inSeconds(7_200), inSeconds(-60), "99999999999999"]) expect(left(odd)).toBe(360);
});
