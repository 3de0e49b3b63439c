/**
 * Which addresses a connection to the outside may go to, by the IANA registries of special-purpose addresses.
 *
 * A name is resolved here and the answer is what the socket connects to, so that nobody can have a name point elsewhere between
 * the check and the connection. An IPv4 address in the clothes of IPv6 counts as what it is.
 */
import { BlockList, isIP } from 'node:net';

/** `public`: the internet, and nothing else. `private`: this machine and networks of one's own, and nothing else. */
export type Network = 'public' | 'private';

type Ranges = readonly (readonly [network: string, bits: number])[];

/** Loopback and networks of one's own. */
const PRIVATE: Ranges = [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['::1', 128],
  ['fc00::', 7],
];

/** Where clouds answer about themselves, with credentials, in ranges that are not special otherwise. */
const METADATA: Ranges = [
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
  ['fd00:ec2::', 32],
  ['fd20:ce::', 32],
];

/** Neither, where they are not private: this host, link-local (most clouds answer there), tests, translations, multicast, reserved. */
const SPECIAL: Ranges = [
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
  ['::', 96],
  ['::ffff:0:0:0', 96],
  ['64:ff9b::', 96],
  ['64:ff9b:1::', 48],
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
  ['5f00::', 16],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
];

const listOf = (ranges: Ranges): BlockList => {
  const list = new BlockList();
  for (const [network, bits] of ranges)
    list.addSubnet(network, bits, network.includes(':') ? 'ipv6' : 'ipv4');
  return list;
};

const isPrivate = listOf(PRIVATE);
const isMetadata = listOf(METADATA);
const isSpecial = listOf(SPECIAL);

/** The network an address belongs to; null for one that nothing may connect to, as one that names an interface (`%`). */
export function networkOf(address: string): Network | null {
  if (isIP(address) === 0 || address.includes('%')) return null;
  const plain = mapped(address) ?? address;
  const kind = isIP(plain) === 6 ? 'ipv6' : 'ipv4';
  if (isMetadata.check(plain, kind)) return null;
  if (isPrivate.check(plain, kind)) return 'private';
  return isSpecial.check(plain, kind) ? null : 'public';
}

/** The IPv4 address inside `::ffff:a.b.c.d`, however that is written. */
function mapped(address: string): string | null {
  if (isIP(address) !== 6 || !isMapped.check(address, 'ipv6')) return null;
  const tail = new URL(`http://[${address}]/`).hostname.slice(1, -1).split(':').slice(-2);
  const [high = 0, low = 0] = tail.map((part) => Number.parseInt(part, 16));
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

const isMapped = listOf([['::ffff:0:0', 96]]);
