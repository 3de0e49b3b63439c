/** A legal hold as the server knows it, how its row is read and written, and how it is shown. */
import type { Hold as HoldView } from '@strongroom/client';
import { organizationScope, type Organization } from '../access/organizations.ts';
import { decodeUtf8, encodeUtf8 } from '../bytes/encoding.ts';
import { StrongroomError } from '../errors.ts';
import type { HoldId } from '../ids.ts';
import type { RecordBoxes, RecordSealer } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import type { HoldRow } from '../store/schema-retention.ts';

/** What it is called and why it was placed: sealed, because people type it. */
export interface HoldAbout {
  readonly name?: string | undefined;
  readonly reason?: string | undefined;
}

/** Where it lies, by ids. */
export interface HoldPlace {
  readonly kind: HoldRow['kind'];
  readonly vault: string | null;
  readonly target: string | null;
  readonly memories: readonly string[];
}

export interface HoldNames {
  readonly subject?: string | undefined;
  readonly conversation?: string | undefined;
}

export function sealAbout(
  sealer: RecordSealer,
  organization: Organization,
  { id, slot }: { readonly id: HoldId; readonly slot: Slot },
  about: HoldAbout,
): Uint8Array {
  return boxesOf(sealer, organization, id, slot).seal('about_box', encodeUtf8(JSON.stringify(about)));
}

/** Empty where its slot is dead. */
export function openAbout(
  sealer: RecordSealer,
  organization: Organization,
  { id, slot, about_box }: Pick<HoldRow, 'id' | 'slot' | 'about_box'>,
): HoldAbout {
  if (slot === null || about_box === null) return {};
  try {
    const bytes = boxesOf(sealer, organization, id, slot as Slot).open('about_box', about_box);
    return JSON.parse(decodeUtf8(bytes)) as HoldAbout;
  } catch (error) {
    if (error instanceof StrongroomError && error.code === 'erased') return {};
    throw error;
  }
}

export function holdView(
  row: HoldRow,
  about: HoldAbout,
  memories: readonly string[],
  names: HoldNames,
): HoldView {
  const { kind, vault, target } = row;
  return {
    id: row.id,
    ...(about.name === undefined ? {} : { name: about.name }),
    ...(about.reason === undefined ? {} : { reason: about.reason }),
    kind,
    target: {
      ...(kind === 'vault' && target !== null ? { vault: target } : vault === null ? {} : { vault }),
      ...(names.subject === undefined ? {} : { subject: names.subject }),
      ...(names.conversation === undefined ? {} : { conversation: names.conversation }),
      ...(kind === 'memories' ? { memories: [...memories] } : {}),
    },
    state: row.state,
    placedBy: row.placed_by,
    createdAt: new Date(row.created_at).toISOString(),
    ...(row.released_at === null ? {} : { releasedAt: new Date(row.released_at).toISOString() }),
  };
}

const boxesOf = (sealer: RecordSealer, organization: Organization, id: string, slot: Slot): RecordBoxes =>
  sealer.at({
    table: 'holds',
    organization: organization.id,
    vault: '',
    id,
    version: 1,
    own: slot,
    scope: organizationScope(organization),
  });
