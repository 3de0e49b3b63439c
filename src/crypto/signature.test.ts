import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { concat, decodeHex, encodeHex, encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import { SigningKey, verifySignature } from './signature.ts';

// RFC 8032, section 7.1.
const CASES = [
  {
    seed: '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    publicKey: 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    message: '',
    signature:
      'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155' +
      '5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  },
  {
    seed: '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    publicKey: '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    message: '72',
    signature:
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
      '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  },
  {
    seed: 'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    publicKey: 'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    message: 'af82',
    signature:
      '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac' +
      '18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  },
  {
    seed: '833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42',
    publicKey: 'ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf',
    message:
      'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a' +
      '2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    signature:
      'dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589' +
      '09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704',
  },
];

const verify = (publicKey: string, message: Uint8Array, signature: string): boolean =>
  verifySignature(decodeHex(publicKey), message, decodeHex(signature));

test('keys and signatures are those of RFC 8032', () => {
  for (const { seed, publicKey, message, signature } of CASES) {
    const key = new SigningKey(decodeHex(seed));
    assert.equal(encodeHex(key.publicKey), publicKey);
    assert.equal(encodeHex(key.sign(decodeHex(message))), signature);
    assert.ok(verify(publicKey, decodeHex(message), signature));
  }
});

test('a signature of another message, by another key, or with any bit changed is refused', () => {
  const key = new SigningKey(new Uint8Array(32).fill(1));
  const message = encodeUtf8('who did what');
  const signature = key.sign(message);
  assert.ok(verifySignature(key.publicKey, message, signature));
  assert.ok(!verifySignature(key.publicKey, encodeUtf8('who did what?'), signature));
  assert.ok(!verifySignature(new SigningKey(new Uint8Array(32)).publicKey, message, signature));
  for (let bit = 0; bit < 512; bit++)
    assert.ok(!verifySignature(key.publicKey, message, flip(signature, bit)), `${bit}`);
  for (let bit = 0; bit < 256; bit++)
    assert.ok(!verifySignature(flip(key.publicKey, bit), message, signature), `${bit}`);
});

test('keys and signatures of another length are refused', () => {
  const key = new SigningKey(new Uint8Array(32).fill(1));
  const signature = key.sign(new Uint8Array(0));
  const nothing = new Uint8Array(0);
  for (const length of [0, 1, 32, 63]) {
    assert.ok(!verifySignature(key.publicKey, nothing, signature.slice(0, length)));
  }
  assert.ok(!verifySignature(key.publicKey, nothing, concat(signature, Uint8Array.of(0))));
  assert.ok(!verifySignature(key.publicKey.slice(1), nothing, signature));
  assert.throws(() => new SigningKey(new Uint8Array(31)), RangeError);
});

// Numbers chosen from Project Wycheproof's Ed25519 tests.
const PUBLIC_KEY = '7d4d0e7f6153a69b6242b522abbee685fda4420f8834b108c3bdae369ef549fa';

test('a signature whose S was raised by a multiple of the group order is refused', () => {
  const r = '7c38e026f29e14aabd059a0f2db8b0cd783040609a8be684db12f82a27774ab0';
  const raised = [
    '67654bce3832c2d76f8f6f5dafc08d9339d4eef676573336a5c51eb6f946b31d',
    '5439412b5395d42f462c67008eba6ca839d4eef676573336a5c51eb6f946b32d',
    '2ee12ce5875bf9dff26556464bae2ad239d4eef676573336a5c51eb6f946b34d',
  ];
  for (const s of raised) assert.ok(!verify(PUBLIC_KEY, encodeUtf8('Test'), r + s));
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const little = (bytes: string): bigint => BigInt(`0x${encodeHex(decodeHex(bytes).toReversed())}`);
  const s = (little(raised[0]!) - order).toString(16).padStart(64, '0');
  assert.ok(
    verify(PUBLIC_KEY, encodeUtf8('Test'), r + encodeHex(decodeHex(s).toReversed())),
    'the one with S itself',
  );
});

test('a signature with a changed R, zeros for R and S, or its zero byte left out is refused', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['3f', '00'.repeat(64)],
    ['3f', `${'00'.repeat(32)}01${'00'.repeat(31)}`],
    [
      '313233343030',
      '647c1492402ab5ce03e2c3a7f0384d051b9cf3570f1207fc78c1bcc98c281c2b' +
        '1d125e5538f38afbcc1c84e489521083041d24bc6240767029da063271a1ff0c',
    ],
    [
      '546573743137',
      '93de3ca252426c95f735cb9edd92e83321ac62372d5aa5b379786bae111ab6b1' +
        '7251330e8f9a7c30d6993137c596007d7b001409287535ac4804e662bc58a3',
    ],
  ];
  for (const [message, signature] of cases) assert.ok(!verify(PUBLIC_KEY, decodeHex(message), signature));
});

test('signatures that are hard to compute are accepted', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    [
      '4abfb535313705a6570018440cdec1a3ae33e51f352112fa6acbd0c6bc3ea859',
      '321b5f663c19e30ee7bbb85e48ecf44db9d3f512',
      'f296715e855d8aecccba782b670163dedc4458fe4eb509a856bcac450920fd2e' +
        '95a3a3eb212d2d9ccaf948c39ae46a2548af125f8e2ad9b77bd18f92d59f9200',
    ],
    [
      '4f2162e6bf03a712db0efa418b7e7006e23871d9d7ec555a313885c4afd96385',
      'c48890e92aeeb3af04858a8dc1d34f16a4347b91',
      '367d07253a9d5a77d054b9c1a82d3c0a448a51905343320b3559325ef4183960' +
        '8aa45564978da1b2968c556cfb23b0c98a9be83e594d5e769d69d1156e1b1506',
    ],
  ];
  for (const [publicKey, message, signature] of cases)
    assert.ok(verify(publicKey, decodeHex(message), signature));
});

test('no signature counts under a key of small order or in a second encoding', () => {
  // Cases of C2SP's CCTV that many verifiers accept: R of small order, A of small order, both, and not canonical.
  const cases: readonly (readonly [string, string, string])[] = [
    ['00'.repeat(32), 'ed25519vectors 11', '00'.repeat(64)],
    [
      '10eb7c3acfb2bed3e0d6ab89bf5a3d6afddd1176ce4812e38d9fd485058fdb1f',
      'ed25519vectors 3',
      `${'00'.repeat(32)}9472a69cd9a701a50d130ed52189e2455b23767db52cacb8716fb896ffeeac09`,
    ],
    [
      `ed${'ff'.repeat(30)}7f`,
      'ed25519vectors 23',
      `c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a${'00'.repeat(32)}`,
    ],
  ];
  for (const [publicKey, message, signature] of cases)
    assert.ok(!verify(publicKey, encodeUtf8(message), signature));
  // The neutral element as key and R with S = 0 satisfies the equation for every message.
  const neutral = `01${'00'.repeat(31)}`;
  for (const message of ['yes', 'no'])
    assert.ok(!verify(neutral, encodeUtf8(message), `${neutral}${'00'.repeat(32)}`));
});

test('a signing key shows nothing of itself', () => {
  const key = new SigningKey(new Uint8Array(32).fill(0xab));
  assert.doesNotMatch(inspect(key, { showHidden: true, depth: 9 }) + JSON.stringify(key), /abab|171, ?171/);
});

function flip(bytes: Uint8Array, bit: number): Bytes {
  const changed = new Uint8Array(bytes);
  changed[bit >> 3]! ^= 1 << (bit & 7);
  return changed;
}
