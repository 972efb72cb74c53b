/** How much memory this process has, in MiB. */

/** 0 when it cannot be read, as without a file descriptor to spare: no heartbeat may fail for it (FAULTS.md A9). */
export function rssMb(): number {
  try {
    return Math.round(process.memoryUsage.rss() / 1024 ** 2);
  } catch {
    return 0;
  }
}
