/**
 * The last finding of each claim, kept in the deployment's own table so that a restart forgets nothing. What is kept is
 * no proof: every result that is shown has its digest in the ledger.
 */
import { decodeUtf8, encodeUtf8 } from '../bytes/encoding.ts';
import { SYSTEM, type Store } from '../store/store.ts';
import type { Finding } from './standing.ts';

const NAME = 'verification.findings';

export class Findings {
  readonly #store: Pick<Store, 'read' | 'write'>;
  #known: Map<string, Finding> | null = null;

  constructor(store: Pick<Store, 'read' | 'write'>) {
    this.#store = store;
  }

  async all(): Promise<ReadonlyMap<string, Finding>> {
    this.#known ??= await this.#load();
    return this.#known;
  }

  async keep(findings: readonly Finding[]): Promise<void> {
    if (findings.length === 0) return;
    const next = new Map(await this.all());
    for (const finding of findings) next.set(finding.claim, finding);
    const value = encodeUtf8(JSON.stringify([...next.values()]));
    await this.#store.write(SYSTEM, async (tx) => {
      const row = { name: NAME, value, change: tx.change };
      await tx.sql
        .insertInto('meta')
        .values(row)
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ value, change: tx.change }))
        .execute();
    });
    this.#known = next;
  }

  async #load(): Promise<Map<string, Finding>> {
    const row = await this.#store.read(SYSTEM, (db) =>
      db.selectFrom('meta').select('value').where('name', '=', NAME).executeTakeFirst(),
    );
    if (row === undefined) return new Map();
    const findings = JSON.parse(decodeUtf8(row.value)) as readonly Finding[];
    return new Map(findings.map((finding) => [finding.claim, finding]));
  }
}
