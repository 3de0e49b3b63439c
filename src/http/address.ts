/** Network addresses in one form each, and what counts as one neighbour. */
import { isIPv6, SocketAddress } from 'node:net';

const MAPPED = '::ffff:';

/** An IPv4 address that came in through an IPv6 socket is the IPv4 address. */
export const plainAddress = (address: string): string =>
  address.toLowerCase().startsWith(MAPPED) && address.includes('.') ? address.slice(MAPPED.length) : address;

/** The address, or the /64 of an IPv6 address: one customer usually has at least that many. */
export function ipPrefix(address: string): string {
  const plain = plainAddress(address);
  if (!isIPv6(plain)) return plain;
  return `${expandIPv6(plain).slice(0, 4).join(':')}::/64`;
}

/** The eight groups of a valid IPv6 address. */
export function expandIPv6(address: string): string[] {
  const canonical = SocketAddress.parse(`[${address.split('%')[0]}]:0`)?.address ?? address;
  const [head = '', tail] = canonical.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => '0');
  return [...before, ...zeros, ...after];
}
