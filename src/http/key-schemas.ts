/** What API keys look like on the wire; held equal to the client's types by a test. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { LIMITS } from '../limits.ts';
import { ACTIONS, isAction, nounOf, type Action } from '../ledger/actions.ts';
import { label, schemaNotes, time } from './schema-parts.ts';
import { environment } from './vault-schemas.ts';

const NOUNS: ReadonlySet<string> = new Set((Object.keys(ACTIONS) as Action[]).map(nounOf));

const actionPattern = z.string().refine(isActionPattern, { error: 'is not an action, `noun.*` or `*`' });
const network = z.string().refine(isCidr, { error: 'is not an address or a CIDR range' });

const keyScopeInput = z.strictObject({
  actions: z.array(actionPattern).min(1).max(LIMITS.keyScopesMax),
  vaults: z.array(label).min(1).max(LIMITS.keyScopesMax),
});

export const keyInput = z.strictObject({
  name: label,
  environment: environment.optional(),
  scopes: z.array(keyScopeInput).max(LIMITS.keyScopesMax).optional(),
  networks: z.array(network).max(LIMITS.keyNetworksMax).optional(),
  expiresAt: time.nullable().optional(),
});

export const key = z.object({
  id: z.string(),
  name: z.string(),
  environment,
  scopes: z.array(z.object({ actions: z.array(z.string()), vaults: z.array(z.string()) })),
  networks: z.array(z.string()),
  state: z.enum(['active', 'revoked']),
  createdAt: z.string(),
  expiresAt: z.string().optional(),
  revokedAt: z.string().optional(),
});

export const newKey = key.extend({ apiKey: z.string() });
export const keyPage = z.object({ keys: z.array(key), next: z.string().nullable() });

schemaNotes.add(key, { id: 'Key' });

function isActionPattern(text: string): boolean {
  if (text === '*' || isAction(text)) return true;
  return text.endsWith('.*') && NOUNS.has(text.slice(0, -2));
}

function isCidr(text: string): boolean {
  const [address = '', bits, more] = text.split('/');
  const version = isIP(address);
  if (version === 0 || more !== undefined || address.includes('%')) return false;
  return (
    bits === undefined || (/^(?:0|[1-9]\d{0,2})$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
  );
}
