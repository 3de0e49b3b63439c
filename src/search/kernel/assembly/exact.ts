/**
 * Distances of one query to many rows of float32 numbers, with WebAssembly SIMD.
 *
 * Rows lie one behind the other and are padded with zeros to a multiple of four numbers. Four running sums of four
 * lanes each are kept and added up in a fixed order; ../../testing/kernel-twin.ts does the same in TypeScript, bit for bit.
 * `lanes` is the row's length in numbers (a multiple of 4), `out` receives one float32 for each row.
 */

export function dots(query: usize, rows: usize, count: u32, lanes: u32, out: usize): void {
  const bytes: usize = (<usize>lanes) << 2;
  const wide: usize = bytes & ~63;
  let row = rows;
  for (let r: u32 = 0; r < count; r++) {
    let a = f32x4.splat(0);
    let b = f32x4.splat(0);
    let c = f32x4.splat(0);
    let d = f32x4.splat(0);
    let at: usize = 0;
    for (; at < wide; at += 64) {
      a = f32x4.add(a, f32x4.mul(v128.load(query + at), v128.load(row + at)));
      b = f32x4.add(b, f32x4.mul(v128.load(query + at, 16), v128.load(row + at, 16)));
      c = f32x4.add(c, f32x4.mul(v128.load(query + at, 32), v128.load(row + at, 32)));
      d = f32x4.add(d, f32x4.mul(v128.load(query + at, 48), v128.load(row + at, 48)));
    }
    for (; at < bytes; at += 16) {
      a = f32x4.add(a, f32x4.mul(v128.load(query + at), v128.load(row + at)));
    }
    f32.store(out + ((<usize>r) << 2), total(a, b, c, d));
    row += bytes;
  }
}

export function squaredDistances(query: usize, rows: usize, count: u32, lanes: u32, out: usize): void {
  const bytes: usize = (<usize>lanes) << 2;
  const wide: usize = bytes & ~63;
  let row = rows;
  for (let r: u32 = 0; r < count; r++) {
    let a = f32x4.splat(0);
    let b = f32x4.splat(0);
    let c = f32x4.splat(0);
    let d = f32x4.splat(0);
    let at: usize = 0;
    for (; at < wide; at += 64) {
      const e = f32x4.sub(v128.load(query + at), v128.load(row + at));
      const f = f32x4.sub(v128.load(query + at, 16), v128.load(row + at, 16));
      const g = f32x4.sub(v128.load(query + at, 32), v128.load(row + at, 32));
      const h = f32x4.sub(v128.load(query + at, 48), v128.load(row + at, 48));
      a = f32x4.add(a, f32x4.mul(e, e));
      b = f32x4.add(b, f32x4.mul(f, f));
      c = f32x4.add(c, f32x4.mul(g, g));
      d = f32x4.add(d, f32x4.mul(h, h));
    }
    for (; at < bytes; at += 16) {
      const e = f32x4.sub(v128.load(query + at), v128.load(row + at));
      a = f32x4.add(a, f32x4.mul(e, e));
    }
    f32.store(out + ((<usize>r) << 2), total(a, b, c, d));
    row += bytes;
  }
}

function total(a: v128, b: v128, c: v128, d: v128): f32 {
  const s = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
  return (
    f32x4.extract_lane(s, 0) +
    f32x4.extract_lane(s, 1) +
    (f32x4.extract_lane(s, 2) + f32x4.extract_lane(s, 3))
  );
}
