import { timingSafeEqual } from 'node:crypto';

/** Whether both hold the same bytes, in a time that depends on their lengths only. */
export const isEqual = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && timingSafeEqual(left, right);
