import { inspect } from "node:util";
import { expect, it } from "vitest";
import { ApiError, ERRORS } from "../../protocol/errors.ts";

it("an error that nobody catches is printed with what to do next", () => {
  expect(inspect(new ApiError("UNAVAILABLE", "the gateway does not answer"))).toContain(
    `next: '${ERRORS.UNAVAILABLE.next}'`,
  );
});

it("comes back from its JSON as it was", () => {
  const error = new ApiError("TOO_LARGE", "too much", { details: { limit: 7 } });
  expect(ApiError.fromJSON(JSON.parse(JSON.stringify(error)))).toEqual(error);
});
