/** What callers send, checked against the vault and brought into the form that is kept. */
import type { MemoryInput, MemoryPatch, MessageInput } from '@strongroom/client';
import { StrongroomError } from '../errors.ts';
import { toFloat32, type MemoryBody } from './memory-content.ts';
import type { OpenedMemory } from './memory-row.ts';
import type { Vault } from './vault.ts';

/** A memory that is to be kept: names are the caller's own. */
export interface MemoryDraft {
  readonly body: MemoryBody;
  readonly vector: Float32Array | null;
  readonly subject: string | null;
  readonly conversation: string | null;
  readonly expiresAt: number | null;
  /** Whether an embedder may see the text. */
  readonly embed: boolean;
  /** JSON Pointer of the input it came from, for faults. */
  readonly path: string;
}

/** A memory each, and one for each message of an input that has `messages`. `many` says how faults are addressed. */
export function draftMemories(inputs: readonly MemoryInput[], many: boolean, now: number): MemoryDraft[] {
  return inputs.flatMap((input, index) => {
    const path = many ? `/memories/${index}` : '';
    if (input.messages === undefined) return [draftMemory(input, path, now)];
    const { messages, ...common } = input;
    return messages.map((message, position) =>
      draftMemory(inputOfMessage(common, message), `${path}/messages/${position}`, now),
    );
  });
}

/** The memory after a patch: what is absent stays, `null` removes. */
export function patchMemory(
  current: OpenedMemory,
  names: { readonly subject: string | null; readonly conversation: string | null },
  patch: MemoryPatch,
  now: number,
): MemoryDraft {
  const { body, row, vector } = current;
  const after: MemoryInput = {
    text: patched(patch.text, body.text),
    metadata: patched(patch.metadata, body.metadata),
    speaker: patched(patch.speaker, body.speaker),
    at: patched(patch.at, body.at === undefined ? undefined : new Date(body.at).toISOString()),
    kind: patched(patch.kind, body.kind),
    visibility: patched(patch.visibility, body.visibility === 'vault' ? 'vault' : undefined),
    derivedFrom: body.derivedFrom === undefined ? undefined : [...body.derivedFrom],
    subject: patched(patch.subject, names.subject ?? undefined),
    conversation: patched(patch.conversation, names.conversation ?? undefined),
  };
  const draft = draftMemory(after, '', now);
  const kept = patch.vector === undefined ? vector : patch.vector === null ? null : toFloat32(patch.vector);
  if (after.text === undefined && kept === null) throw invalid('', 'a memory needs a text or a vector');
  const expiresAt =
    patch.expiresAt === undefined ? row.expires_at : expiryOf(patch.expiresAt, '/expiresAt', now);
  return { ...draft, vector: kept, expiresAt };
}

/** Throws `request.invalid` with the place of the first vector that the vault cannot hold. */
export function checkVectors(vault: Vault, drafts: readonly MemoryDraft[]): number | null {
  let dimensions = vault.dimensions;
  for (const { vector, path } of drafts) {
    if (vector === null) continue;
    checkVector(vault, vector, dimensions, `${path}/vector`);
    dimensions ??= vector.length;
  }
  return dimensions;
}

/** Throws `request.invalid` unless the vector has the vault's dimensions and, under cosine, a direction. */
export function checkVector(
  vault: Vault,
  vector: Float32Array,
  dimensions: number | null,
  path: string,
): void {
  if (dimensions !== null && vector.length !== dimensions)
    throw invalid(path, `has ${vector.length} dimensions; the vault has ${dimensions}`);
  if (vault.metric === 'cosine' && vector.every((value) => value === 0))
    throw invalid(path, 'is zero everywhere, so it has no direction to compare');
}

export const invalid = (path: string, message: string): StrongroomError =>
  new StrongroomError('request.invalid', {
    detail: path === '' ? message : `${path}: ${message}`,
    faults: [{ path, message }],
  });

function draftMemory(input: MemoryInput, path: string, now: number): MemoryDraft {
  return {
    body: {
      ...(input.text === undefined ? {} : { text: input.text }),
      ...(input.metadata === undefined ? {} : { metadata: input.metadata }),
      ...(input.speaker === undefined ? {} : { speaker: input.speaker }),
      ...(input.at === undefined ? {} : { at: timeOf(input.at, `${path}/at`) }),
      ...(input.kind === undefined ? {} : { kind: input.kind }),
      ...(input.derivedFrom === undefined ? {} : { derivedFrom: [...new Set(input.derivedFrom)] }),
      ...(input.visibility === undefined ? {} : { visibility: input.visibility }),
    },
    vector: input.vector === undefined ? null : toFloat32(input.vector),
    subject: input.subject ?? null,
    conversation: input.conversation ?? null,
    expiresAt: expiryOf(input.expiresAt, `${path}/expiresAt`, now),
    embed: input.embed !== false,
    path,
  };
}

/** The role stands in the metadata where a name says who spoke, so that neither is lost. */
function inputOfMessage(common: Omit<MemoryInput, 'messages'>, message: MessageInput): MemoryInput {
  const { role, content, name, at } = message;
  return {
    ...common,
    text: content,
    speaker: name ?? role,
    kind: common.kind ?? 'message',
    ...(name === undefined ? {} : { metadata: { ...common.metadata, role } }),
    ...(at === undefined ? {} : { at }),
  };
}

const patched = <T>(next: T | null | undefined, before: T | undefined): T | undefined =>
  next === undefined ? before : (next ?? undefined);

function timeOf(text: string, path: string): number {
  const at = Date.parse(text);
  if (!Number.isFinite(at)) throw invalid(path, 'not a time');
  return at;
}

function expiryOf(text: string | null | undefined, path: string, now: number): number | null {
  if (text === undefined || text === null) return null;
  const at = timeOf(text, path);
  if (at <= now) throw invalid(path, 'lies in the past');
  return at;
}
