/** Of four candidates keeps those whose bit is set in `passed`: their rows and bounds, one behind the other. Answers how many bytes each took. */
export function keep(passed: i32, rows: v128, bound: v128, out: usize, bounds: usize): usize {
  // Written one over the other; only what passed moves on.
  v128.store32_lane(out, rows, 0);
  v128.store32_lane(bounds, bound, 0);
  let at: usize = (passed & 1) << 2;
  v128.store32_lane(out + at, rows, 1);
  v128.store32_lane(bounds + at, bound, 1);
  at += (passed & 2) << 1;
  v128.store32_lane(out + at, rows, 2);
  v128.store32_lane(bounds + at, bound, 2);
  at += passed & 4;
  v128.store32_lane(out + at, rows, 3);
  v128.store32_lane(bounds + at, bound, 3);
  return at + ((passed & 8) >> 1);
}
