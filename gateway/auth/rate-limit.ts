/** A token bucket: `perSecond` on average, `burst` at once. */
export type Bucket = { level: number; at: number };

/** Makes a full bucket. */
export function newBucket(limit: { burst: number }, nowMs: number): Bucket {
  return { level: limit.burst, at: nowMs };
}

/** Takes one from the bucket; 0 when there was one, else the milliseconds until there is. */
export function take(bucket: Bucket, limit: { perSecond: number; burst: number }, nowMs: number): number {
  const elapsed = Math.max(0, nowMs - bucket.at);
  bucket.level = Math.min(limit.burst, bucket.level + (elapsed * limit.perSecond) / 1000);
  bucket.at = nowMs;
  if (bucket.level >= 1) {
    bucket.level--;
    return 0;
  }
  return Math.ceil(((1 - bucket.level) * 1000) / limit.perSecond);
}
