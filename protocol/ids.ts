/**
 * Ids are UUIDv7 (RFC 9562 section 5.7): their first 48 bits are the time, so rows inserted in id order append to an
 * index instead of scattering over it. The caller makes them, which is what makes every submit safe to repeat.
 */

const ID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

const POOL_BYTES = 4096;

/** Makes ids that grow strictly within one process, also inside a millisecond and when the clock steps back. */
export function createIdSource(now: () => number = Date.now): () => string {
  const pool = new Uint8Array(POOL_BYTES);
  let poolOffset = POOL_BYTES;
  let lastMs = 0;
  let counter = 0;
  const randomByte = () => {
    if (poolOffset === POOL_BYTES) {
      globalThis.crypto.getRandomValues(pool);
      poolOffset = 0;
    }
    return pool[poolOffset++] as number;
  };
  return () => {
    const ms = now();
    if (ms > lastMs) {
      lastMs = ms;
      // Half of the 12 bits are left free, so that a burst within one millisecond keeps counting up.
      counter = ((randomByte() << 8) | randomByte()) & 0x7ff;
    } else if (++counter > 0xfff) {
      lastMs++;
      counter = 0;
    }
    const time = lastMs.toString(16).padStart(12, "0");
    let tail = HEX[(randomByte() & 0x3f) | 0x80] as string;
    tail += `${HEX[randomByte()]}-`;
    for (let i = 0; i < 6; i++) tail += HEX[randomByte()];
    return `${time.slice(0, 8)}-${time.slice(8)}-7${counter.toString(16).padStart(3, "0")}-${tail}`;
  };
}

/** A new UUIDv7, later than every one this process made before. */
export const newId: () => string = createIdSource();

/** Whether `text` is a UUIDv7 in canonical lower-case form. */
export function isId(text: unknown): text is string {
  return typeof text === "string" && ID_PATTERN.test(text);
}

/** The Unix time in milliseconds that a UUIDv7 carries. */
export function timeOfId(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}
