import { expect, it } from "vitest";
import { joined } from "../../../endpoint-agent/provider/batch/words.ts";

it("what scheduler and script both say of an end is said once", () => {
  expect(joined(["exit code 127", "exit code 127", "python3: not found"])).toBe("exit code 127: python3: not found");
  expect(joined(["FAILED", undefined, "", null])).toBe("FAILED");
});
