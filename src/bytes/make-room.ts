/** Drops the oldest of a map if there are so many: what it remembers is bounded then. */
export function makeRoom(map: Map<string, unknown>, sizeMax: number): void {
  if (map.size < sizeMax) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
