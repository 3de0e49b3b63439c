/** What is open, as the server wants it: cursors become positions, paths become vaults, and health is asked for. */
import { errorFields, type Log } from './http/request-log.ts';
import type { Assurance } from './assurance/assurance.ts';
import { claimGauges } from './assurance/gauges.ts';
import type { HealthCheck, HttpParts } from './http/parts.ts';
import { StrongroomError } from './errors.ts';
import { keystoreCheck, keystoreGauges } from './keystore-health.ts';
import { isReadAction } from './ledger/actions.ts';
import { SYSTEM } from './store/store.ts';
import type { Strongroom } from './strongroom.ts';

export function httpParts(
  open: Strongroom,
  log: Log,
  assurance: Pick<Assurance, 'verify' | 'standings'>,
): HttpParts {
  const { access, apiKeys, cursors, idempotency, ledgerReads, memories, recorder, refusals, vaults } = open;
  const { retention, holds, archiveRequests } = open;
  const { certificates, erasureRequests, vaultEndings } = open;
  return {
    access: {
      authenticate: (apiKey, address) => access.authenticate(apiKey, address),
      authorize: async (context, action, vault) => {
        access.authorize(context, action);
        if (open.restoring !== null && !isReadAction(action)) throw new StrongroomError('store.restoring');
        if (vault === null) return;
        if (action === 'vault.restore') await vaults.reachTrashed(context, action, vault);
        else if (action === 'retention.explain') await vaults.reachKept(context, action, vault);
        else await vaults.reach(context, action, vault);
      },
      createKey: (context, input) => apiKeys.create(context, input),
      listKeys: async (context, { limit, cursor }) => {
        const binding = { organization: context.organization, list: 'keys' };
        const page = await apiKeys.list(context, { limit, after: cursors.open(binding, cursor) });
        return { keys: page.keys, next: page.last === null ? null : cursors.seal(binding, page.last) };
      },
      rotateKey: (context, key) => apiKeys.rotate(context, key),
      revokeKey: (context, key) => apiKeys.revoke(context, key),
    },
    vaults: {
      createVault: async (context, input) => {
        const vault = await vaults.createVault(context, input);
        open.indexes.expect(vault);
        return vault;
      },
      listVaults: async (context, { limit, cursor, state = 'live' }) => {
        const binding = { organization: context.organization, list: 'vaults', query: { state } };
        const page = await vaults.listVaults(context, { limit, state, after: cursors.open(binding, cursor) });
        return { vaults: page.vaults, next: page.last === null ? null : cursors.seal(binding, page.last) };
      },
      getVault: (context, vault) => vaults.getVault(context, vault),
      updateVault: (context, vault, patch, expected) => vaults.updateVault(context, vault, patch, expected),
      deleteVault: (context, vault, expected) => vaultEndings.deleteVault(context, vault, expected),
      restoreVault: (context, vault) => vaultEndings.restoreVault(context, vault),
    },
    memories,
    retention,
    holds,
    archive: archiveRequests,
    exports: open.exports,
    erasures: {
      request: (context, input) => erasureRequests.request(context, input),
      list: (context, query) => erasureRequests.list(context, query),
      get: (context, id) => erasureRequests.get(context, id),
      cancel: (context, id) => erasureRequests.cancel(context, id),
      recipients: (context, id) => erasureRequests.recipients(context, id),
      certificate: (context, id) => certificates.get(context, id),
      certificateKey: (context) => certificates.key(context),
    },
    ledger: ledgerReads,
    verifications: assurance,
    backups: open.backupDesk,
    rotations: open.rotationRequests,
    idempotency,
    records: {
      record: (context, deed) => recorder.record(context, deed),
      countAnonymous: (refusal) => refusals.count(refusal),
    },
    health: {
      live: () => Promise.resolve([]),
      ready: () => readiness(open, log),
      gauges: async () => [
        {
          name: 'strongroom_keyring_epoch_number',
          help: 'The epoch of the keyring.',
          value: open.keyring.epoch,
        },
        {
          name: 'strongroom_retention_overdue_seconds',
          help: 'By how much the most overdue thing outlives its retention.',
          value: Math.floor(open.scheduler.state.overdueMs / 1000),
        },
        {
          name: 'strongroom_retention_run_timestamp_seconds',
          help: 'When what is over was last ended without an error.',
          value: Math.floor(open.scheduler.state.ranAt / 1000),
        },
        {
          name: 'strongroom_clock_ahead_seconds',
          help: 'How far the clock is ahead of what is trusted: nothing is destroyed by it.',
          value: Math.floor(open.scheduler.state.aheadMs / 1000),
        },
        ...(await keystoreGauges(open)),
        ...claimGauges(
          // A store that cannot be read is told by readiness.
          await assurance.standings().catch(() => []),
          open.store.health.ok && open.ledger.health.ok,
        ),
      ],
    },
  };
}

/** Asked of the parts themselves, each time: a setting that says "on" proves nothing. */
async function readiness(open: Strongroom, log: Log): Promise<readonly HealthCheck[]> {
  const { store, ledger } = open;
  const answers = await check('store', log, () => store.read(SYSTEM, (_db, head) => Promise.resolve(head)));
  return [
    store.health.ok ? answers : { name: 'store', ...store.health },
    await check('keyring', log, () => Promise.resolve(open.keyring.spareLeaves)),
    { name: 'ledger', ...ledger.health },
    await keystoreCheck(open),
  ];
}

async function check(name: string, log: Log, work: () => Promise<unknown>): Promise<HealthCheck> {
  try {
    await work();
    return { name, ok: true };
  } catch (error) {
    log.error(errorFields(new StrongroomError('internal', { cause: error })), `${name} is not ready`);
    return { name, ok: false, detail: 'does not answer' };
  }
}
