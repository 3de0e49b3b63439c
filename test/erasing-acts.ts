/**
 * What may happen in a history (history.ts) that ends more than one memory, and what such an end must reach: people,
 * conversations, filters, vaults, other organizations, what was derived, what lies in the archive.
 */
import { addTenant } from './deployment.ts';
import type { Act, History, Kept } from './history.ts';

const ATTIC = 'attic';
const FATES_OF_WHAT_ENDS: ReadonlySet<string> = new Set(['living', 'either']);

const isThere = ({ versions }: Kept): boolean => FATES_OF_WHAT_ENDS.has(versions.at(-1)?.fate ?? '');

/** Asks for the end of a target, with the dry run's confirmation; everything that it is about is dead. */
async function erase(
  history: History,
  target: object,
  isMeant: (kept: Kept) => boolean,
  more: { key?: string; graceDays?: number } = {},
): Promise<boolean> {
  const { key, ...rest } = more;
  const as = key === undefined ? {} : { key };
  const { deployment } = history;
  const plan = await deployment.must('POST', '/v1/erasures', { ...as, body: { target, dryRun: true } });
  const confirm = plan.json['confirm'];
  await deployment.must('POST', '/v1/erasures', {
    ...as,
    body: { target, reason: 'a history', confirm, ...rest },
  });
  for (const kept of history.all) if (isThere(kept) && isMeant(kept)) history.die(kept);
  return true;
}

/** Something in a vault whose memories are archived after a day. */
async function putAway(history: History): Promise<Kept> {
  const { body, version } = history.content();
  const { subject, conversation } = history.somewhere();
  const { json } = await history.deployment.must('POST', `/v1/vaults/${ATTIC}/memories`, {
    body: { ...body, subject, conversation },
  });
  return history.keep(String(json['id']), { vault: ATTIC, subject, conversation }, version, true);
}

export const ERASING: readonly Act[] = [
  {
    name: 'derive',
    weight: 3,
    run: async (history) => {
      const source = history.pick(history.living());
      if (source === undefined) return false;
      const { body, version } = history.content();
      const { vault } = source;
      const { json } = await history.deployment.must('POST', `/v1/vaults/${vault}/memories`, {
        body: { ...body, derivedFrom: [source.id] },
      });
      const of = { vault, subject: '', conversation: '' };
      source.derived.push(history.keep(String(json['id']), of, version, true));
      return true;
    },
  },
  {
    name: 'erase a person',
    weight: 1.5,
    run: async (history) => {
      const one = history.pick(history.living());
      if (one === undefined) return false;
      return erase(history, { subject: one.subject }, ({ subject }) => subject === one.subject);
    },
  },
  {
    name: 'erase a conversation',
    weight: 1,
    run: async (history) => {
      const one = history.pick(history.living());
      if (one === undefined) return false;
      const { vault, conversation } = one;
      return erase(
        history,
        { vault, conversation },
        (kept) => kept.vault === vault && kept.conversation === conversation,
      );
    },
  },
  {
    name: 'erase what a filter keeps',
    weight: 1,
    run: async (history) => {
      const one = history.pick(history.living());
      if (one === undefined) return false;
      const { vault, subject, conversation } = one;
      return erase(
        history,
        { vault, filter: { subject, conversation } },
        (kept) => kept.vault === vault && kept.subject === subject && kept.conversation === conversation,
      );
    },
  },
  {
    name: 'make a vault',
    weight: 1,
    run: async (history) => {
      // A name of its own for ever: one that comes back would be another vault.
      const name = `vault-${history.done.get('make a vault') ?? 0}`;
      await history.deployment.must('POST', '/v1/vaults', { body: { name } });
      history.vaults = [...history.vaults, name];
      return true;
    },
  },
  {
    name: 'erase a vault',
    weight: 0.7,
    run: async (history) => {
      const vault = history.pick(history.vaults.slice(1));
      if (vault === undefined) return false;
      history.vaults = history.vaults.filter((name) => name !== vault);
      history.gone.add(vault);
      return erase(history, { vault }, (kept) => kept.vault === vault);
    },
  },
  {
    name: 'put into the attic',
    weight: 1.5,
    run: async (history) => {
      await putAway(history);
      return true;
    },
  },
  {
    name: 'erase from the attic',
    weight: 0.7,
    run: async (history) => {
      const one = history.pick(history.aside(ATTIC)) ?? (await putAway(history));
      return erase(history, { memory: one.id }, ({ id }) => id === one.id);
    },
  },
  {
    name: 'found an organization',
    weight: 0.5,
    run: async (history) => {
      const { deployment } = history;
      await deployment.stop();
      const tenant = await addTenant(deployment);
      await deployment.serve();
      const { body, version } = history.content();
      const vault = `${tenant.organization}/default`;
      const { json } = await deployment.must('POST', '/v1/vaults/default/memories', {
        key: tenant.apiKey,
        body: { ...body, subject: 'person 1' },
      });
      const kept = history.keep(String(json['id']), { vault, subject: '', conversation: '' }, version, true);
      history.neighbours = [...history.neighbours, { ...tenant, kept }];
      return true;
    },
  },
  {
    name: 'close an organization',
    weight: 0.4,
    run: async (history) => {
      const one = history.pick(history.neighbours);
      if (one === undefined) return false;
      const { organization, apiKey, kept } = one;
      history.neighbours = history.neighbours.filter((each) => each !== one);
      history.gone.add(organization);
      await erase(history, { organization }, (each) => each === kept, { key: apiKey, graceDays: 0 });
      // Its days of grace are none; the next chores end it.
      await history.restarted((open) => open.erasures.resume());
      return true;
    },
  },
];
