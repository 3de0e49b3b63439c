/**
 * The LoCoMo shape (Maharana et al., 2024): an array of samples, each with a `conversation` of sessions. A memory per turn,
 * a conversation per session, `metadata.dia_id` to find the evidence of a question by.
 */
import type { JsonValue } from '@strongroom/client';
import { documentToConversations, type Conversation } from './chat.ts';
import { isObject } from './item.ts';

export function isLocomo(document: JsonValue): boolean {
  const first = Array.isArray(document) ? document[0] : undefined;
  return (
    isObject(first) && isObject(first['conversation']) && Array.isArray(first['conversation']['session_1'])
  );
}

/** A conversation for each sample, named by its `sample_id`. */
export const locomoToConversations = (document: JsonValue): readonly Conversation[] =>
  documentToConversations(document, 'conversation-1');
