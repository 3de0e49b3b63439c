/**
 * The closure attack: what somebody can read who has today's keystore and every byte ever written.
 *
 * It shares no code with the keyring. From the bytes of today's root files it takes every 32-byte value, and every key
 * that the published rules derive from one, tries them on every box until nothing new opens, takes the values of what
 * opened, and so on; then it derives slot keys from every seed that it saw and tries every record. Whoever calls looks
 * through the plaintexts for what should be gone, and makes sure that what should live was opened.
 */
import { createDecipheriv, createHash, createHmac, hkdfSync } from 'node:crypto';

export interface AttackedBox {
  /** For the result. */
  readonly name: string;
  /** version ‖ nonce 12 ‖ ciphertext ‖ tag 16. */
  readonly bytes: Uint8Array;
  readonly associated: Uint8Array;
}

/** A page of the keyring: height 0 is a leaf page, 255 the top page. */
export interface AttackedPage extends AttackedBox {
  readonly height: number;
  readonly index: number;
}

/** A box under a record key: the slots that decide it stand in its row, in the clear. */
export interface AttackedRecord extends AttackedBox {
  readonly own: number;
  /** In the order of their roles. */
  readonly scope: readonly number[];
  readonly info: Uint8Array;
}

/** A box under a key of the service itself: one slot and the key's name. */
export interface AttackedService extends AttackedBox {
  readonly own: number;
  readonly service: string;
}

/** An encrypted file of any length (docs/format.md): a piece of a backup, an archive. */
export interface AttackedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly context: Uint8Array;
  readonly own: number;
  /** Of a file under a record key, the slots of its scope; null: it is a piece of a backup, which has none. */
  readonly scope: readonly number[] | null;
  readonly info: Uint8Array;
  /** The boxes that lie in what it opens to. */
  readonly within: (plaintext: Buffer) => readonly AttackedRecord[];
}

export interface AttackInput {
  readonly deployment: Uint8Array;
  /** Today's root files, one for each replica, as they lie on the disk. */
  readonly roots: readonly Uint8Array[];
  readonly pages: readonly AttackedPage[];
  readonly records: readonly AttackedRecord[];
  readonly services?: readonly AttackedService[];
  readonly files?: readonly AttackedFile[];
}

export interface AttackResult {
  /** Everything that opened, by name. */
  readonly opened: ReadonlyMap<string, Uint8Array>;
  /** How many different 32-byte values were tried. */
  readonly values: number;
}

const KEY_BYTES = 32;
const LEAF_DEPTH = 12;
const TOP_HEAD_BYTES = 22;
/** A random value of 32 bytes with fewer different ones does not occur. */
const DIFFERENT_BYTES_MIN = 18;
const CANDIDATES_MAX = 4096;
const SMALL_BYTES = 1500;
const BLOCK_BYTES = 4096;

export function attack(input: AttackInput): AttackResult {
  const attacker = new Attacker(input);
  const { stackTraceLimit } = Error;
  // Nearly every try fails, and where is no question.
  Error.stackTraceLimit = 0;
  try {
    for (const root of input.roots) attacker.take(root);
    attacker.closePages();
    attacker.tryFiles();
    attacker.tryRecords();
    attacker.tryServices();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
  return { opened: attacker.opened, values: attacker.tried };
}

/** Associated data of a page, from the specification. */
export function pageContext(deployment: Uint8Array, height: number, index: number): Uint8Array {
  const tail = Buffer.alloc(5);
  tail.writeUInt8(height);
  tail.writeUInt32BE(index, 1);
  return Buffer.concat([Buffer.from('strongroom/keyring/page/1'), deployment, tail]);
}

/** Names of what opened and contains one of the needles, as text or as bytes. */
export function findIn(opened: ReadonlyMap<string, Uint8Array>, needles: readonly Uint8Array[]): string[] {
  return [...opened].flatMap(([name, bytes]) =>
    needles.some((needle) => Buffer.from(bytes).includes(needle)) ? [name] : [],
  );
}

class Attacker {
  readonly opened = new Map<string, Uint8Array>();
  readonly #input: AttackInput;
  readonly #values = new Set<string>();
  readonly #queue: Buffer[] = [];
  #closed: AttackedPage[];
  /** Seeds by leaf, then by label; several where versions differ. */
  readonly #seeds = new Map<number, Map<number, Set<string>>>();
  readonly #slotKeys = new Map<number, readonly Buffer[]>();
  /** With those that are found in files. */
  readonly #records: Map<string, AttackedRecord>;

  constructor(input: AttackInput) {
    this.#input = input;
    this.#closed = [...input.pages];
    this.#records = new Map(input.records.map((record) => [record.name, record]));
  }

  get tried(): number {
    return this.#values.size;
  }

  /** Every 32-byte value in these bytes: at any offset of what is small, at any even one of the rest. */
  take(bytes: Uint8Array): void {
    const stride = bytes.length <= SMALL_BYTES || bytes.length % BLOCK_BYTES === 0 ? 1 : 2;
    for (let at = 0; at + KEY_BYTES <= bytes.length; at += stride) {
      const value = Buffer.from(bytes.subarray(at, at + KEY_BYTES));
      if (new Set(value).size < DIFFERENT_BYTES_MIN) continue;
      const name = value.toString('latin1');
      if (this.#values.has(name)) continue;
      this.#values.add(name);
      this.#queue.push(value);
    }
  }

  closePages(): void {
    const topInfo = Buffer.concat([Buffer.from('strongroom/keyring/top/1'), this.#input.deployment]);
    for (let value = this.#queue.pop(); value !== undefined; value = this.#queue.pop()) {
      for (const key of [value, Buffer.from(hkdfSync('sha256', value, '', topInfo, KEY_BYTES))]) {
        this.#closed = this.#closed.filter((page) => !this.#tryPage(page, key));
        this.#tryDirectly(key);
      }
    }
  }

  #tryPage(page: AttackedPage, key: Buffer): boolean {
    const plaintext = openBox(page, key);
    if (plaintext === null) return false;
    this.opened.set(page.name, plaintext);
    this.take(plaintext);
    this.#takeSeeds(page, plaintext);
    return true;
  }

  /** A known value that opens a record by itself would be against every rule; it is tried all the same. */
  #tryDirectly(key: Buffer): void {
    for (const record of [...this.#records.values(), ...(this.#input.services ?? [])]) {
      if (this.opened.has(record.name)) continue;
      const plaintext = openBox(record, key);
      if (plaintext !== null) this.opened.set(record.name, plaintext);
    }
  }

  #takeSeeds(page: AttackedPage, plaintext: Buffer): void {
    if (page.height === 0) {
      for (let at = 0; at + 34 <= plaintext.length; at += 34) {
        this.#addSeed(page.index, plaintext.readUInt16BE(at), plaintext.subarray(at + 2, at + 34));
      }
      return;
    }
    const isTop = page.height === 255;
    for (let at = isTop ? TOP_HEAD_BYTES : 0; at + 34 <= plaintext.length;) {
      const kind = plaintext[at + 1];
      if (kind === 1)
        this.#addSeed(
          (isTop ? 0 : page.index * 256) + (plaintext[at] as number),
          1,
          plaintext.subarray(at + 2, at + 34),
        );
      at += kind === 1 ? 34 : 50;
    }
  }

  #addSeed(leaf: number, label: number, seed: Buffer): void {
    const labels = this.#seeds.get(leaf) ?? new Map<number, Set<string>>();
    this.#seeds.set(leaf, labels);
    const seeds = labels.get(label) ?? new Set<string>();
    labels.set(label, seeds);
    seeds.add(seed.toString('latin1'));
  }

  /** Every key that any seen seed gives for this slot. */
  #keysOf(slot: number): readonly Buffer[] {
    const known = this.#slotKeys.get(slot);
    if (known !== undefined) return known;
    const label = 2 ** LEAF_DEPTH + (slot % 2 ** LEAF_DEPTH);
    const labels = this.#seeds.get(Math.floor(slot / 2 ** LEAF_DEPTH)) ?? new Map<number, Set<string>>();
    const keys = new Set<string>();
    for (let steps = 0; label >> steps > 0; steps++) {
      for (const seed of labels.get(label >> steps) ?? [])
        keys.add(descend(Buffer.from(seed, 'latin1'), label, steps).toString('latin1'));
    }
    const found = [...keys].map((key) => Buffer.from(key, 'latin1'));
    this.#slotKeys.set(slot, found);
    return found;
  }

  /** Every key that their slots give, and every value as it is; then what lies in those that opened. */
  tryFiles(): void {
    const values = [...this.#values].map((value) => Buffer.from(value, 'latin1'));
    const found: AttackedRecord[] = [];
    for (const file of this.#input.files ?? []) {
      const keys =
        file.scope === null
          ? this.#keysOf(file.own).map((own) => hkdf(own, 'strongroom/backup/1', file.info))
          : this.#recordKeys({ ...file, scope: file.scope });
      for (const key of [...keys, ...values]) {
        const plaintext = openFile(file, key);
        if (plaintext === null) continue;
        this.opened.set(file.name, plaintext);
        found.push(...file.within(plaintext));
        break;
      }
    }
    const added = found.filter(({ name }) => !this.#records.has(name));
    for (const record of added) this.#records.set(record.name, record);
    if (added.length > 0) for (const value of values) this.#tryDirectly(value);
  }

  tryRecords(): void {
    for (const record of this.#records.values()) {
      if (this.opened.has(record.name)) continue;
      for (const key of this.#recordKeys(record)) {
        const plaintext = openBox(record, key);
        if (plaintext !== null) this.opened.set(record.name, plaintext);
      }
    }
  }

  #recordKeys({ own, scope, info }: Pick<AttackedRecord, 'own' | 'scope' | 'info'>): Buffer[] {
    const candidates = combinations(scope.map((slot) => this.#keysOf(slot)));
    return this.#keysOf(own).flatMap((key) =>
      candidates.map((keys) =>
        hkdf(key, createHmac('sha256', 'strongroom/scope/1').update(Buffer.concat(keys)).digest(), info),
      ),
    );
  }

  tryServices(): void {
    for (const box of this.#input.services ?? []) {
      for (const own of this.#keysOf(box.own)) {
        const key = hkdfSync('sha256', own, 'strongroom/service/1', box.service, KEY_BYTES);
        const plaintext = openBox(box, Buffer.from(key));
        if (plaintext !== null) this.opened.set(box.name, plaintext);
      }
    }
  }
}

/** From a seed `steps` levels above the label down to it. */
function descend(seed: Buffer, label: number, steps: number): Buffer {
  let at = seed;
  for (let step = steps - 1; step >= 0; step--) {
    const children = createHash('sha512').update('srggm/1').update(Buffer.of(0)).update(at).digest();
    at = (label >> step) & 1 ? children.subarray(32) : children.subarray(0, 32);
  }
  return at;
}

function combinations(lists: readonly (readonly Buffer[])[]): Buffer[][] {
  let all: Buffer[][] = [[]];
  for (const list of lists) {
    all = all.flatMap((head) => list.map((item) => [...head, item]));
    if (all.length > CANDIDATES_MAX) throw new RangeError('too many versions of slot keys');
  }
  return all;
}

const hkdf = (key: Uint8Array, salt: string | Buffer, info: Uint8Array): Buffer =>
  Buffer.from(hkdfSync('sha256', key, salt, info, KEY_BYTES));

/** c2sp.org/chunked-encryption v1 with AES-256-GCM; null where the key is not the file's. */
function openFile({ bytes, context }: AttackedFile, input: Buffer): Buffer | null {
  const label = 'c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0';
  const info = Buffer.concat([Buffer.from(label), bytes.subarray(0, 24), context]);
  const first = createHmac('sha512', input).update(info).update(Buffer.of(1)).digest();
  const second = createHmac('sha512', input).update(first).update(info).update(Buffer.of(2)).digest();
  const [key, nonce, commitment] = [first.subarray(0, 32), first.subarray(32, 44), first.subarray(44)];
  if (!Buffer.concat([commitment, second.subarray(0, 12)]).equals(bytes.subarray(24, 56))) return null;
  const chunks: Buffer[] = [];
  for (let at = 56, number = 0; at < bytes.length; at += 16_400, number++) {
    const chunk = bytes.subarray(at, at + 16_400);
    const own = Buffer.from(nonce);
    own.writeUInt32BE((own.readUInt32BE(8) ^ number) >>> 0, 8);
    const decipher = createDecipheriv('aes-256-gcm', key, own, { authTagLength: 16 });
    decipher.setAuthTag(chunk.subarray(-16));
    chunks.push(decipher.update(chunk.subarray(0, -16)), decipher.final());
  }
  return Buffer.concat(chunks);
}

function openBox({ bytes, associated }: AttackedBox, key: Buffer): Buffer | null {
  const end = bytes.length - 16;
  if (end < 13) return null;
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(1, 13), { authTagLength: 16 });
  decipher.setAAD(associated);
  decipher.setAuthTag(bytes.subarray(end));
  const plaintext = decipher.update(bytes.subarray(13, end));
  try {
    decipher.final();
    return plaintext;
  } catch {
    return null;
  }
}
