/** What a schema would have taken, in words for the one who made the mistake. */
import type { z } from "zod";

type Issue = z.core.$ZodIssue;

/** The words that follow "expected". */
export function expectationOf(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return withArticle(issue.expected);
    case "invalid_value":
      return `${issue.values.length > 1 ? "one of " : ""}${issue.values.map(String).join(", ")}`;
    case "too_small":
      return `at least ${issue.minimum}${unitOf(issue.origin)}`;
    case "too_big":
      return `at most ${issue.maximum}${unitOf(issue.origin)}`;
    case "invalid_key":
      return `a name that ${issue.issues[0]?.message.replace(/^Invalid string: /, "fits: ") ?? "is valid"}`;
    case "invalid_union":
      return [...new Set(issue.errors.flat().map(expectationOf))].join(", or ") || "something else";
    case "unrecognized_keys":
      return "no such field";
    default:
      return issue.message.replace(/^Invalid (input|string): ?/, "");
  }
}

function withArticle(type: string): string {
  return `${/^[aeio]/.test(type) ? "an" : "a"} ${type === "int" ? "whole number" : type}`.replace(
    "an whole",
    "a whole",
  );
}

function unitOf(origin: string): string {
  if (origin === "string") return " characters";
  return origin === "array" ? " items" : "";
}
