/** Faults seeded into the endpoint's part (FAULTS.md 2.6, 5), each with a test that must notice it. */

export type Mutant = {
  /** what it breaks */
  name: string;
  file: string;
  /** stands there exactly once */
  from: string;
  to: string;
  /** the file of the test that notices, and words in the names of those of its tests that count */
  test: string;
  only: string;
};

const agent = "endpoint-agent";
const tests = "test/endpoint-agent";

export const ENDPOINT_MUTANTS: readonly Mutant[] = [
  {
    name: "a list that cannot be read says that every job is gone",
    file: `${agent}/provider/batch/engine.ts`,
    from: "if (!list) return",
    to: 'if (!list) return new Map(ids.map((id) => [id, { state: "gone" as const, reason: "not listed" }]));\n      if (!list) return',
    test: `${tests}/provider/batch-faults.test.ts`,
    only: "garbage .html. ends no block",
  },
  {
    name: "a job that a list does not have is gone at once",
    file: `${agent}/provider/batch/absences.ts`,
    from: "const isDead = (job: JobId, absence: { since: number; lists: number }, given: boolean) => {",
    to: "const isDead = (job: JobId, absence: { since: number; lists: number }, given: boolean) => {\n    if (job !== '') return true;",
    test: `${tests}/provider/batch-lost.test.ts`,
    only: "B11: a forgotten job whose managers answer",
  },
  {
    name: "a job is known by its id alone, without the name",
    file: `${agent}/provider/batch/engine.ts`,
    from: "const mine = listed && (listed.name === null || listed.name === nameOf(block)) ? listed : undefined;",
    to: "const mine = listed;",
    test: `${tests}/provider/batch-lost.test.ts`,
    only: "B13",
  },
  {
    name: "a submission without an answer is taken for failed, without a look",
    file: `${agent}/block-watch.ts`,
    from: "const job = await provider.find(block.id);",
    to: "const job = undefined as string | undefined;",
    test: `${tests}/blocks.test.ts`,
    only: "B12",
  },
  {
    name: "the script's exit code is not read",
    file: `${agent}/provider/batch/exit-file.ts`,
    from: 'return parseExitFile(readFileSync(exitFilePath(dir), "utf8"));',
    to: "return undefined;",
    test: `${tests}/provider/batch-lost.test.ts`,
    only: "a script's good end",
  },
  {
    name: "a manager whose lease has passed publishes and goes on",
    file: `${agent}/manager/deadline.ts`,
    from: "passed: () => now() >= at,",
    to: "passed: () => false,",
    test: `${tests}/manager/deadline.test.ts`,
    only: "wakes up after its deadline",
  },
  {
    name: "a manager starts work though its lease is all but over",
    file: `${agent}/manager/deadline.ts`,
    from: "near: () => now() >= at - termBeforeMs,",
    to: "near: () => false,",
    test: `${tests}/manager/lease.test.ts`,
    only: "rule 19",
  },
  {
    name: "a lease counts on the wall clock",
    file: `${agent}/manager/deadline.ts`,
    from: "const now = createUptimeClock();",
    to: "const now = Date.now;",
    test: `${tests}/manager/deadline.test.ts`,
    only: "B2, rule 20",
  },
  {
    name: "a passed lease can be renewed",
    file: `${agent}/manager/deadline.ts`,
    from: "if (sentAt + remainingMs <= at || now() >= at) return;",
    to: "if (sentAt + remainingMs <= at) return;",
    test: `${tests}/manager/lease.test.ts`,
    only: "rule 19",
  },
  {
    name: "a process is known by its id alone",
    file: `${agent}/process-identity.ts`,
    from: "return startTimeOf(identity.pid) === identity.startTime;",
    to: "return startTimeOf(identity.pid) !== undefined;",
    test: `${tests}/local-provider.test.ts`,
    only: "B13",
  },
  {
    name: "what runs in another container is dead",
    file: `${agent}/provider/local.ts`,
    from: "if (from !== undefined && from !== namespace && !lost(block)) return undefined;",
    to: "",
    test: `${tests}/local-provider.test.ts`,
    only: "A6",
  },
  {
    name: "a block is gone with its manager, whatever runs on",
    file: `${agent}/provider/local.ts`,
    from: "if (killBlockProcesses(prefixOf(block)) > 0)",
    to: "if (block === '')",
    test: `${tests}/local-provider.test.ts`,
    only: "B1",
  },
  {
    name: "a result leaves the journal before the gateway has committed it",
    file: `${agent}/outbox.ts`,
    from: "options.forget(old.filter((result) => result.committed));",
    to: "options.forget(old);",
    test: `${tests}/outbox.test.ts`,
    only: "leaves it after the commit",
  },
  {
    name: "who has lost the journal writes on",
    file: `${agent}/journal-file.ts`,
    from: "if (there?.ino === own.ino && there.dev === own.dev) return;",
    to: "if (own.ino !== undefined) return;",
    test: `${tests}/journal.test.ts`,
    only: "A6",
  },
  {
    name: "damage in the middle of a journal is taken for its end",
    file: `${agent}/journal-codec.ts`,
    from: "if (next === undefined) break;",
    to: "if (next === undefined || offset >= 0) break;",
    test: `${tests}/journal.test.ts`,
    only: "A8",
  },
  {
    name: "the leases of an earlier run are declared before it is known what of it lives",
    file: `${agent}/heartbeat.ts`,
    from: "if ((wanted || declaring) && options.complete()) {",
    to: "if (wanted || declaring) {",
    test: `${tests}/heartbeat.test.ts`,
    only: "rule 22",
  },
  {
    name: "an at-most-once task starts before its start is committed",
    file: `${agent}/manager/placement.ts`,
    from: "if (task.info.atMostOnce && !task.startCommitted) askStart(task, name);",
    to: "if (task.info.atMostOnce && task.startCommitted) askStart(task, name);",
    test: `${tests}/manager/starts.test.ts`,
    only: "rule 10: so is a command",
  },
  {
    name: "an accept that fails ends the agent",
    file: `${agent}/websocket-listener.ts`,
    from: 'http.on("error", (error) => onError?.(error));',
    to: "",
    test: `${tests}/link/no-descriptors.test.ts`,
    only: "A9",
  },
];
