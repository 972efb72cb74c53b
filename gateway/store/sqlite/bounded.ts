/** A map that forgets everything when it is full: for caches in front of the database, where a miss costs one lookup. */
export function bounded<K, V>(limit: number): Map<K, V> {
  const map = new Map<K, V>();
  const set = map.set.bind(map);
  map.set = (key, value) => {
    if (map.size >= limit) map.clear();
    return set(key, value);
  };
  return map;
}
