/**
 * Subjects (people, per organization) and conversations (per vault): the caller's own names for them, and the slots
 * that end everything about them. A name that is new gets its row and its slot with the first memory that bears it.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { decodeUtf8, encodeUtf8 } from '../bytes/encoding.ts';
import { organizationScope, type Organization, type Organizations } from '../access/organizations.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { ConversationId, NewId, OrganizationId, SubjectId } from '../ids.ts';
import type { RecordBoxes, RecordSealer } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import type { SlotAllocator } from '../store/slots.ts';
import type { ConversationRow, SubjectRow } from '../store/schema.ts';
import { insertRows, type Store, type Tx } from '../store/store.ts';
import { Directory, Names, type Named } from './directory.ts';
import { onRollback } from './rollback.ts';
import { vaultScope, type Vault } from './vault.ts';

export interface Subject extends Named {
  readonly id: SubjectId;
  readonly slot: Slot;
}

export interface Conversation extends Named {
  readonly id: ConversationId;
  readonly slot: Slot;
}

export interface PeopleParts {
  readonly store: Store;
  readonly sealer: RecordSealer;
  readonly slots: SlotAllocator;
  readonly organizations: Organizations;
  readonly newId: NewId;
  readonly environment: Environment;
}

export class People {
  readonly #parts: PeopleParts;
  readonly #subjects: Directory<Subject>;
  /** By vault. */
  readonly #conversations = new Map<string, Promise<Names<Conversation>>>();

  constructor(parts: PeopleParts) {
    this.#parts = parts;
    this.#subjects = new Directory((organization) => this.#loadSubjects(organization as OrganizationId));
  }

  subjects(organization: OrganizationId): Promise<Names<Subject>> {
    return this.#subjects.of(organization);
  }

  conversations(vault: Vault): Promise<Names<Conversation>> {
    const known = this.#conversations.get(vault.id);
    if (known !== undefined) return known;
    const names = this.#loadConversations(vault);
    this.#conversations.set(vault.id, names);
    names.catch(() => this.#conversations.delete(vault.id));
    return names;
  }

  /** The subject of that name, made in the transaction if it is new. */
  async ensureSubject(tx: Tx, organization: Organization, name: string): Promise<Subject> {
    const names = await this.subjects(organization.id);
    const known = names.withName(name);
    if (known !== undefined) return known;
    const { slots, environment, newId } = this.#parts;
    const subject: Subject = { id: newId('subject'), name, slot: await slots.takeOne(tx, organization.id) };
    await tx.sql
      .insertInto('subjects')
      .values({
        id: subject.id,
        organization: organization.id,
        slot: subject.slot,
        state: 'live',
        name_box: this.#subjectBoxes(organization, subject).seal('name_box', encodeUtf8(name)),
        created_at: environment.clock.now(),
        change: tx.change,
      })
      .execute();
    names.put(subject);
    onRollback(tx, () => names.remove(subject.id));
    return subject;
  }

  /** The conversation of that name in the vault, made in the transaction if it is new. */
  async ensureConversation(tx: Tx, vault: Vault, name: string): Promise<Conversation> {
    const names = await this.conversations(vault);
    const known = names.withName(name);
    if (known !== undefined) return known;
    const { slots, environment, newId } = this.#parts;
    const conversation: Conversation = {
      id: newId('conversation'),
      name,
      slot: await slots.takeOne(tx, vault.id),
    };
    await tx.sql
      .insertInto('conversations')
      .values({
        id: conversation.id,
        organization: vault.organization.id,
        vault: vault.id,
        slot: conversation.slot,
        state: 'live',
        name_box: this.#conversationBoxes(vault, conversation).seal('name_box', encodeUtf8(name)),
        created_at: environment.clock.now(),
        change: tx.change,
      })
      .execute();
    names.put(conversation);
    onRollback(tx, () => names.remove(conversation.id));
    return conversation;
  }

  /** Takes a person who is being erased out of the directory: who bears the name from now on is somebody new. */
  async forgetSubject(tx: Tx, organization: OrganizationId, subject: Subject): Promise<void> {
    const { change } = tx;
    await tx.sql
      .updateTable('subjects')
      .set({ state: 'erased', change })
      .where('id', '=', subject.id)
      .execute();
    const names = await this.subjects(organization);
    names.remove(subject.id);
    onRollback(tx, () => names.put(subject));
  }

  /** The same for a conversation. */
  async forgetConversation(tx: Tx, vault: Vault, conversation: Conversation): Promise<void> {
    const { change } = tx;
    await tx.sql
      .updateTable('conversations')
      .set({ state: 'erased', change })
      .where('id', '=', conversation.id)
      .execute();
    const names = await this.conversations(vault);
    names.remove(conversation.id);
    onRollback(tx, () => names.put(conversation));
  }

  /** Forgets what is known of a vault's conversations, or (null) of an organization's people. */
  drop(of: { readonly organization: OrganizationId; readonly vault: string | null }): void {
    if (of.vault === null) this.#subjects.drop(of.organization);
    else this.#conversations.delete(of.vault);
  }

  /** Puts a person's row back as it lay in a backup. False where its key is gone, or another bears the name by now. */
  async putBackSubject(tx: Tx, organization: Organization, row: SubjectRow): Promise<boolean> {
    const names = await this.subjects(organization.id);
    const subject = matchErased(() => this.#openSubject(organization, row));
    if (subject === null || names.withName(subject.name) !== undefined) return false;
    await insertRows(tx.sql, 'subjects', [{ ...row, change: tx.change }]);
    names.put(subject);
    onRollback(tx, () => names.remove(subject.id));
    return true;
  }

  /** The same for a conversation. */
  async putBackConversation(tx: Tx, vault: Vault, row: ConversationRow): Promise<boolean> {
    const names = await this.conversations(vault);
    const conversation = matchErased(() => this.#openConversation(vault, row));
    if (conversation === null || names.withName(conversation.name) !== undefined) return false;
    await insertRows(tx.sql, 'conversations', [{ ...row, change: tx.change }]);
    names.put(conversation);
    onRollback(tx, () => names.remove(conversation.id));
    return true;
  }

  #openSubject(organization: Organization, row: SubjectRow): Subject {
    const subject = { id: row.id as SubjectId, slot: row.slot as Slot };
    const name = decodeUtf8(this.#subjectBoxes(organization, subject).open('name_box', row.name_box));
    return { ...subject, name };
  }

  #openConversation(vault: Vault, row: ConversationRow): Conversation {
    const conversation = { id: row.id as ConversationId, slot: row.slot as Slot };
    const name = decodeUtf8(this.#conversationBoxes(vault, conversation).open('name_box', row.name_box));
    return { ...conversation, name };
  }

  async #loadSubjects(id: OrganizationId): Promise<readonly Subject[]> {
    const { store, organizations } = this.#parts;
    const organization = await organizations.get(id);
    const rows = await store.read(id, (db) =>
      db.selectFrom('subjects').selectAll().where('state', '=', 'live').execute(),
    );
    return eachInTurn(rows, (row) => {
      const subject = { id: row.id as SubjectId, slot: row.slot as Slot };
      const name = decodeUtf8(this.#subjectBoxes(organization, subject).open('name_box', row.name_box));
      return { ...subject, name };
    });
  }

  async #loadConversations(vault: Vault): Promise<Names<Conversation>> {
    const rows = await this.#parts.store.read(vault.organization.id, (db) =>
      db
        .selectFrom('conversations')
        .selectAll()
        .where('vault', '=', vault.id)
        .where('state', '=', 'live')
        .execute(),
    );
    const entries = await eachInTurn(rows, (row) => {
      const conversation = { id: row.id as ConversationId, slot: row.slot as Slot };
      const name = decodeUtf8(this.#conversationBoxes(vault, conversation).open('name_box', row.name_box));
      return { ...conversation, name };
    });
    return new Names(entries);
  }

  #subjectBoxes(organization: Organization, { id, slot }: Pick<Subject, 'id' | 'slot'>): RecordBoxes {
    return this.#parts.sealer.at({
      table: 'subjects',
      organization: organization.id,
      vault: '',
      id,
      version: 1,
      own: slot,
      scope: organizationScope(organization),
    });
  }

  #conversationBoxes(vault: Vault, { id, slot }: Pick<Conversation, 'id' | 'slot'>): RecordBoxes {
    return this.#parts.sealer.at({
      table: 'conversations',
      organization: vault.organization.id,
      vault: vault.id,
      id,
      version: 1,
      own: slot,
      scope: vaultScope(vault),
    });
  }
}

/** Null where the key is gone. */
function matchErased<T>(open: () => T): T | null {
  try {
    return open();
  } catch (error) {
    if (error instanceof StrongroomError && error.code === 'erased') return null;
    throw error;
  }
}

/** Names opened before others get their turn. */
const TURN_ROWS = 500;

async function eachInTurn<Row, Result>(rows: readonly Row[], work: (row: Row) => Result): Promise<Result[]> {
  const results: Result[] = [];
  for (const row of rows) {
    results.push(work(row));
    if (results.length % TURN_ROWS === 0) await turn();
  }
  return results;
}
