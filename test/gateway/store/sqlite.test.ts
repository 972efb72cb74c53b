import { join } from "node:path";
import { openSqliteStore } from "../../../gateway/store/sqlite/open.ts";
import { storeConformance } from "./conformance.ts";

// `fast` because what an fsync adds is tested in sqlite-faults.test.ts, and hundreds of stores share the machine's one disk.
storeConformance("sqlite", ({ dir, limits, now }) =>
  openSqliteStore({ file: join(dir, "farcall.db"), durability: "fast", limits, now, ballastBytes: 0 }),
);
