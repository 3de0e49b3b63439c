/**
 * Gives the memory of bytes back at once, without waiting for the garbage collector: what copies hundreds of megabytes
 * through the process would else have it mark the whole heap again and again. Nobody may hold the bytes, or any other
 * view of their buffer, afterwards: they have no length then.
 */
export function giveBack({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
