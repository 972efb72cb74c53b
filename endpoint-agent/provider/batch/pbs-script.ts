/** What the scripts and answers of Torque and PBS have in common. */

/** Hours may be more than 24. */
export function clockTime(ms: number): string {
  const seconds = Math.ceil(ms / 1_000);
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  return `${two(seconds / 3_600)}:${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** Whether a free directive asks for one of these resources itself. */
export function asks(directives: readonly string[], ...resources: string[]): boolean {
  const wanted = new RegExp(`^-l\\s*(?:.*,)?(?:${resources.join("|")})=`);
  return directives.some((text) => wanted.test(text.trim()));
}

/** The last line of an answer, below what a site's filter says, when it is as expected. */
export function lastLine(stdout: string, expected: RegExp): string | undefined {
  const line = stdout.trimEnd().split("\n").at(-1)?.trim() ?? "";
  return expected.test(line) ? line : undefined;
}
