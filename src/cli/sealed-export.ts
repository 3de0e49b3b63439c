/**
 * A sealed export: memories as JSON Lines in a file that nothing opens but the key that was shown when it was written.
 *
 *     offset  size  field
 *          0     4  "SRSE"
 *          4     1  version: 1
 *          5        an encrypted file (crypto/cobblestone.ts) of the lines, under the key, its context `strongroom/sealed-export/1`
 *
 * The key as text is `srx_` and 48 characters of base64url: 32 random bytes, and their CRC-32 (4, big-endian), so that a
 * mistyped key is told apart from another one's.
 */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { concat, decodeBase64Url, encodeBase64Url, encodeUtf8, u32, view } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import { decryptStream, encryptStream } from '../crypto/cobblestone.ts';
import type { Random } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { usage } from './exit.ts';

/** Thirty-two bytes. */
export type ExportKey = Uint8Array;

const HEAD = concat(encodeUtf8('SRSE'), Uint8Array.of(1));
const CONTEXT = encodeUtf8('strongroom/sealed-export/1');
const KEY_BYTES = 32;
const KEY_FORM = /^srx_[\w-]{48}$/;

export const createExportKey = (random: Random): ExportKey => random(KEY_BYTES);

export const exportKeyText = (key: ExportKey): string =>
  `srx_${encodeBase64Url(concat(key, u32(crc32(key))))}`;

/** Throws a usage error for what is not the text of a key, and says nothing of it. */
export function parseExportKey(text: string): ExportKey {
  const bytes = KEY_FORM.test(text) ? decodeBase64Url(text.slice(4)) : new Uint8Array(0);
  const key = bytes.subarray(0, KEY_BYTES);
  if (bytes.length !== KEY_BYTES + 4 || !isEqual(bytes.subarray(KEY_BYTES), u32(crc32(key))))
    throw usage('that is not the key of a sealed export (srx_ and 48 characters): was it cut or mistyped?');
  return key;
}

export async function* sealLines(
  key: ExportKey,
  lines: AsyncIterable<string>,
  random: Random,
): AsyncGenerator<Uint8Array> {
  yield HEAD;
  yield* encryptStream({ key, context: CONTEXT }, bytesOf(lines), random);
}

/** The lines, in pieces as they come, which end anywhere. Throws `box.damaged` at the first byte that is not as it was written. */
export async function* openSealed(path: string, key: ExportKey): AsyncGenerator<string> {
  await requireHead(path);
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let length = 0;
  try {
    const file = createReadStream(path, { start: HEAD.length });
    for await (const piece of decryptStream({ key, context: CONTEXT }, file)) {
      length += piece.length;
      yield text.decode(piece, { stream: true });
    }
  } catch (cause) {
    if (!(cause instanceof StrongroomError) || cause.code !== 'box.damaged') throw cause;
    const detail =
      length === 0
        ? `${path} does not open: the key is another one's, or the file is damaged or cut`
        : `${path} is damaged or cut: after ${length} bytes nothing opens any more`;
    throw new StrongroomError('box.damaged', { detail, cause });
  }
}

async function requireHead(path: string): Promise<void> {
  const head = await headOf(path);
  if (isEqual(head, HEAD)) return;
  const isNewer = view(head).toString('latin1', 0, 4) === 'SRSE' && head.length === HEAD.length;
  throw usage(
    isNewer
      ? `${path} was written by a newer version`
      : `${path} is no sealed export, or its beginning is damaged`,
  );
}

async function headOf(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(new Uint8Array(HEAD.length), 0, HEAD.length, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw usage(`${path} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`);
  }
}

async function* bytesOf(lines: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const line of lines) yield encodeUtf8(line);
}
