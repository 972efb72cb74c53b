/**
 * Large buffers are moved between threads and given back by hand. Left to the collector they cost a full collection each 60 MB
 * or so, which with payloads of 100 KB was a third of the processor time and most of the memory.
 */

/**
 * From this size on. What reads sockets and pools small buffers uses at most this much at a time, so that a larger array has
 * its buffer to itself.
 */
export const LARGE_BYTES = 64 * 1024;

/** Whether the array is large, so that who owns it may move its buffer. */
export function isLarge(bytes: Uint8Array): boolean {
  return bytes.length >= LARGE_BYTES;
}

/** The buffer under an array, for a list of what is moved to another thread. */
export function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return bytes.buffer as ArrayBuffer;
}

/** Gives the memory under a large array back at once; the array is empty afterwards. Only for who alone holds it. */
export function freeLarge(bytes: Uint8Array): void {
  // Browsers of before 2024 leave it to the collector.
  if (isLarge(bytes)) (bufferOf(bytes) as Partial<ArrayBuffer>).transfer?.(0);
}
