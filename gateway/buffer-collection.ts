/**
 * Imported first by what passes payloads through. By itself V8 collects everything whenever some 64 MB of buffers were
 * allocated, however small the heap: with payloads of 100 KB that took half of the processor time and most of the rate.
 * With this, buffers count as part of the heap, whose growth then decides.
 */
import { setFlagsFromString } from "node:v8";

/** The first V8 that has been tried with it; an older one may not know the flag. */
const TRIED_V8 = 13;

if (Number.parseInt(process.versions.v8, 10) >= TRIED_V8) {
  setFlagsFromString("--external-memory-accounted-in-global-limit");
}

// On the command line this flag bounds the main thread's young generation (deploy/layout.ts), whose heap exists by now. Left
// standing it would outrank the smaller bounds that the store's threads are started with.
setFlagsFromString("--max-semi-space-size=0");
