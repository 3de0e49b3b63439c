/**
 * Vectors for what comes without one, in vaults that name an embedder: before the transaction, never inside.
 *
 * If the service gives none, what was asked for fails and nothing is kept: a memory that lies there without its vector would be
 * missed by searches for good. Whoever wants it all the same says `embed: false`, and then nothing leaves.
 */
import type { MemoryPatch } from '@strongroom/client';
import type { RequestContext } from '../access/context.ts';
import type { Embedder } from '../egress/embedder.ts';
import { StrongroomError } from '../errors.ts';
import type { MemoryDraft } from './memory-input.ts';
import type { Vault } from './vault.ts';

export class Embedding {
  readonly #embedder: Embedder | null;

  constructor(embedder: Embedder | null) {
    this.#embedder = embedder;
  }

  /** The drafts, those with a text and without a vector with one. */
  async drafts(
    context: RequestContext,
    vault: Vault,
    drafts: readonly MemoryDraft[],
  ): Promise<readonly MemoryDraft[]> {
    if (vault.embedder === null) return drafts;
    const isMissing = ({ vector, embed, body }: MemoryDraft): boolean =>
      vector === null && embed && body.text !== undefined;
    const texts = drafts.filter(isMissing).map(({ body }) => body.text ?? '');
    const vectors = (await this.#embed(context, vault, texts)).values();
    return drafts.map((draft) =>
      isMissing(draft) ? { ...draft, vector: vectors.next().value ?? null } : draft,
    );
  }

  /** A patch that changes the text and not the vector, with the new text's vector; the old one never stays beside it. */
  async patch(context: RequestContext, vault: Vault, patch: MemoryPatch): Promise<MemoryPatch> {
    if (!this.changesVector(vault, patch)) return patch;
    if (typeof patch.text !== 'string' || patch.embed === false) return { ...patch, vector: null };
    const [vector] = await this.#embed(context, vault, [patch.text]);
    return { ...patch, vector: vector === undefined ? null : Array.from(vector) };
  }

  changesVector(vault: Vault, patch: MemoryPatch): boolean {
    return vault.embedder !== null && patch.text !== undefined && patch.vector === undefined;
  }

  async query(context: RequestContext, vault: Vault, query: string): Promise<Float32Array<ArrayBuffer>> {
    const [vector] = await this.#embed(context, vault, [query]);
    if (vector === undefined) throw new StrongroomError('internal', 'a query without its vector');
    return vector;
  }

  async #embed(
    context: RequestContext,
    vault: Vault,
    texts: readonly string[],
  ): Promise<readonly Float32Array<ArrayBuffer>[]> {
    if (texts.length === 0) return [];
    const embedder = this.#embedder;
    if (embedder === null || embedder.model !== vault.embedder)
      throw failed(`the vault's vectors come from ${vault.embedder}, which this server does not have`);
    const { organization, principal, requestId } = context;
    const asker = { organization, principal: principal.id, request: requestId, target: vault.id };
    const vectors = await embedder.embed(texts, asker);
    for (const vector of vectors) requireFit(vault, vector);
    return vectors;
  }
}

/** What callers bring is checked with their place; of what the service gave, the service is to blame. */
function requireFit(vault: Vault, vector: Float32Array): void {
  if (vault.dimensions !== null && vector.length !== vault.dimensions)
    throw failed(`the embedding service gave ${vector.length} dimensions; the vault has ${vault.dimensions}`);
  if (vault.metric === 'cosine' && vector.every((value) => value === 0))
    throw failed('the embedding service gave a vector without a direction');
}

const failed = (detail: string): StrongroomError => new StrongroomError('embedder.failed', detail);
