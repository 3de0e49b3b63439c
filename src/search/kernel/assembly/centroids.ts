/** Inner products with centroids: of one query with many, and of four rows at once to find the nearest of each. */
import { ROW_HEAD, totalInt } from './layout';
import { productWithHigh } from './query';

/** All bits of the query are needed: what few of them leave out is the same for all centroids of a cluster, and more than tells its rows apart. */
export function scoreCentroids(query: usize, padded: u32, centroids: usize, count: u32, out: usize): void {
  const unit = f32.load(query);
  for (let i: u32 = 0; i < count; i++) {
    f32.store(
      out + ((<usize>i) << 2),
      productWithHigh(query, padded, centroids) * unit * f32.load(centroids),
    );
    centroids += ROW_HEAD + padded;
  }
}

/**
 * For four rows, as `toSevenBits` wrote them one behind the other, the centroid with the largest ⟨x, c⟩ − bias.
 * `scales` holds what one unit of each row's halved high byte is worth. `best` holds, and receives, four numbers of centroids u32 and
 * their four values f32; the first centroid here has number `number`.
 */
export function nearestFour(
  rows: usize,
  scales: usize,
  padded: u32,
  centroids: usize,
  count: u32,
  number: u32,
  best: usize,
): void {
  const stride = ROW_HEAD + padded;
  const factors = v128.load(scales);
  const second = rows + padded;
  const third = second + padded;
  const fourth = third + padded;
  let numbers = v128.load(best);
  let values = v128.load(best, 16);
  for (let i: u32 = 0; i < count; i++) {
    const bytes = centroids + ROW_HEAD;
    let a = i32x4.splat(0);
    let b = i32x4.splat(0);
    let c = i32x4.splat(0);
    let d = i32x4.splat(0);
    for (let at: usize = 0; at < padded; at += 16) {
      const x = v128.load(bytes + at);
      a = i32x4.relaxed_dot_i8x16_i7x16_add_s(x, v128.load(rows + at), a);
      b = i32x4.relaxed_dot_i8x16_i7x16_add_s(x, v128.load(second + at), b);
      c = i32x4.relaxed_dot_i8x16_i7x16_add_s(x, v128.load(third + at), c);
      d = i32x4.relaxed_dot_i8x16_i7x16_add_s(x, v128.load(fourth + at), d);
    }
    const sums = i32x4.sub(
      i32x4(totalInt(a), totalInt(b), totalInt(c), totalInt(d)),
      i32x4.splat(load<i32>(centroids, 4) << 6),
    );
    // Halving took off a half of a unit on the average, and the low bits another quarter.
    const middle = f32x4.splat(<f32>load<i32>(centroids, 4) * 0.5);
    const product = f32x4.mul(
      f32x4.mul(f32x4.add(f32x4.convert_i32x4_s(sums), middle), factors),
      f32x4.splat(f32.load(centroids)),
    );
    const value = f32x4.sub(product, f32x4.splat(f32.load(centroids, 12)));
    const isBetter = f32x4.gt(value, values);
    numbers = v128.bitselect(i32x4.splat(number + i), numbers, isBetter);
    values = v128.bitselect(value, values, isBetter);
    centroids += stride;
  }
  v128.store(best, numbers);
  v128.store(best, values, 16);
}
