/** Ways of breaking what the sweep looks at. */
import type { HttpParts, Principal, RequestContext } from '../../http/parts.ts';
import type { Sabotage } from '../check.ts';
import { replaced } from '../replaced.ts';

export const SWEEP_SABOTAGES: readonly Sabotage[] = [
  {
    name: 'silent-reads',
    breaks: 'Nothing is written down of a memory that is read.',
    turns: ['AUD-01'],
    change: {
      ledger: (real) =>
        replaced(real, {
          append: (tx, draft) => {
            if (draft.action !== 'memory.get') real.append(tx, draft);
          },
        }),
    },
  },
  {
    name: 'silent-refusals',
    breaks: 'Nothing is written down of what is refused.',
    turns: ['AUD-01'],
    change: {
      parts: (real) => ({
        ...real,
        records: replaced(real.records, {
          record: (context, deed) => {
            if (deed.outcome === undefined || deed.outcome === 'done')
              return real.records.record(context, deed);
            context.recorded = true;
            return Promise.resolve();
          },
        }),
      }),
    },
  },
  {
    name: 'double-entries',
    breaks: 'A search is written down twice.',
    turns: ['AUD-01'],
    change: {
      ledger: (real) =>
        replaced(real, {
          append: (tx, draft) => {
            real.append(tx, draft);
            if (draft.action === 'memory.search') real.append(tx, draft);
          },
        }),
    },
  },
  {
    name: 'uncounted-strangers',
    breaks: 'Every third refusal of a stranger is not counted.',
    turns: ['AUD-01'],
    change: {
      parts: (real) => {
        let refusals = 0;
        return {
          ...real,
          records: replaced(real.records, {
            countAnonymous: (refusal) => {
              if (++refusals % 3 !== 0) real.records.countAnonymous(refusal);
            },
          }),
        };
      },
    },
  },
  {
    name: 'back-door',
    breaks: 'The server answers on a URL that is in no catalogue.',
    turns: ['AUD-01'],
    change: {
      app: (app) => {
        app.get('/v1/back-door', (_, reply) => reply.send('{}'));
      },
    },
  },
  {
    name: 'traces-in-answers',
    breaks: 'Refusals show where in the program they were thrown.',
    turns: ['NET-04'],
    change: {
      app: (app) => {
        app.addHook('onSend', (_, reply, payload, done) => {
          const isText = reply.statusCode >= 400 && typeof payload === 'string';
          void reply.removeHeader('content-length');
          done(
            null,
            isText
              ? payload.replace(/\}$/, `,"stack":${JSON.stringify(String(new Error('x').stack))}}`)
              : payload,
          );
        });
      },
    },
  },
  {
    name: 'no-policy',
    breaks: 'Answers carry no content security policy.',
    turns: ['NET-04'],
    change: {
      app: (app) => {
        app.addHook('onSend', (_, reply, payload, done) => {
          void reply.removeHeader('content-security-policy');
          done(null, payload);
        });
      },
    },
  },
  {
    name: 'undeclared-member',
    breaks: 'A memory is answered with what is not declared.',
    turns: ['NET-04'],
    change: {
      app: (app) => {
        app.addHook('onSend', (_, reply, payload, done) => {
          void reply.removeHeader('content-length');
          const isMemory = typeof payload === 'string' && payload.startsWith('{"id":"mem_');
          done(null, isMemory ? payload.replace('{', '{"slot":7,') : payload);
        });
      },
    },
  },
  {
    name: 'open-door',
    breaks: 'Whoever shows a wrong key is taken for the last one who showed a right one.',
    turns: ['ACC-05'],
    change: {
      parts: (real) => {
        let last: Principal | null = null;
        return withAuthentication(real, async (apiKey, address) => {
          try {
            last = await real.access.authenticate(apiKey, address);
          } catch (error) {
            if (last === null) throw error;
          }
          return last;
        });
      },
    },
  },
  {
    name: 'readers-write',
    breaks: 'Whoever may read may write.',
    turns: ['KEY-04'],
    change: {
      parts: (real) =>
        withAuthentication(real, async (apiKey, address) => {
          const principal = await real.access.authenticate(apiKey, address);
          const isReader = principal.grants.some(({ actions }) => actions.includes('memory.get'));
          return isReader ? { ...principal, grants: [{ actions: ['*'], vaults: ['*'] }] } : principal;
        }),
    },
  },
  {
    name: 'any-vault-of-any-tenant',
    breaks: 'A vault that the asking tenant does not have is shown as the tenant who asked before.',
    turns: ['TEN-01'],
    change: {
      parts: (real) => {
        const askers = new Map<string, RequestContext>();
        return {
          ...real,
          access: replaced(real.access, {
            authorize: (context, action, vault) => {
              askers.set(context.organization, context);
              return action === 'vault.get'
                ? real.access.authorize(context, action, null)
                : real.access.authorize(context, action, vault);
            },
          }),
          vaults: replaced(real.vaults, {
            getVault: async (context, vault) => {
              try {
                return await real.vaults.getVault(context, vault);
              } catch (error) {
                const other = [...askers.values()].find(
                  ({ organization }) => organization !== context.organization,
                );
                if (other === undefined) throw error;
                return await real.vaults.getVault({ ...other, requestId: '' }, vault);
              }
            },
          }),
        };
      },
    },
  },
];

const withAuthentication = (
  real: HttpParts,
  authenticate: HttpParts['access']['authenticate'],
): HttpParts => ({ ...real, access: replaced(real.access, { authenticate }) });
