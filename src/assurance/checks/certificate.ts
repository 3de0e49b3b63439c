/**
 * The certificate of an erasure, as a stranger gets it: signed by the key that the deployment shows, in agreement with
 * itself and with the ledger, matched by its requester alone, and with nothing in it about a person.
 */
import { createHash } from 'node:crypto';
import type { Strongroom } from '@strongroom/client';
import { encodeBase64Url } from '../../bytes/encoding.ts';
import { verifyCertificate } from '../../lifecycle/verify-certificate.ts';
import { canaryEnd, canaryWord, withVault } from '../canary-vault.ts';
import { defineCheck, judged } from '../check.ts';
import { replaced } from '../replaced.ts';
import type { World } from '../world.ts';

interface Seen {
  readonly faults: readonly string[];
  readonly keys: number;
  /** Things that were looked for in it: words of the canary and their digests. */
  readonly searched: number;
}

export const certificateCheck = defineCheck<Seen>({
  name: 'certificate',
  place: 'live',
  observe: async (world) => {
    const tenant = await world.tenant(0);
    return withVault(world, tenant, {}, (vault) => observe(world, tenant.client, vault.vault));
  },
  judges: {
    'RET-11': ({ faults, keys, searched }) => judged(searched, faults, { keys, searched }),
  },
  sabotages: [
    {
      name: 'altered-certificate',
      breaks: 'A certificate says another day than the one that was signed.',
      turns: ['RET-11'],
      change: {
        parts: (real) => ({
          ...real,
          erasures: replaced(real.erasures, {
            certificate: async (context, id) => {
              const { certificate, verifierKey } = await real.erasures.certificate(context, id);
              const envelope = JSON.parse(certificate) as { payload: string };
              const text = Buffer.from(envelope.payload, 'base64').toString('utf8');
              const payload = Buffer.from(text.replace('"destroyedAt":"2', '"destroyedAt":"1')).toString(
                'base64',
              );
              return { certificate: certificate.replace(envelope.payload, payload), verifierKey };
            },
          }),
        }),
      },
    },
    {
      name: 'first-certificate-for-all',
      breaks: 'Every erasure is answered with the certificate of the first.',
      turns: ['RET-11'],
      change: {
        parts: (real) => {
          let first: string | null = null;
          return {
            ...real,
            erasures: replaced(real.erasures, {
              certificate: (context, id) => real.erasures.certificate(context, (first ??= id)),
            }),
          };
        },
      },
    },
  ],
});

async function observe(world: World, client: Strongroom, vault: string): Promise<Seen> {
  const faults: string[] = [];
  let keys = 0;
  let searched = 0;
  for (let round = 0; round < 2; round++) {
    const word = canaryWord(world);
    const subject = `person ${word}`;
    const text = `it says ${word}`;
    const requester = `requester ${word}`;
    const nonce = encodeBase64Url(world.random(24));
    await client.vault(vault).add({ text, subject, expiresAt: canaryEnd(world) });
    const reason = `because ${word}`;
    const { id } = await client.erasures.request({ target: { subject }, reason, nonce, requester });
    const { certificate } = await client.erasures.certificate(id);
    const { verifierKey: key } = await client.erasures.certificateKey();
    const report = verifyCertificate(certificate, { key, nonce, requester });
    faults.push(...report.faults);
    if (report.statement === null) continue;
    const { predicate } = report.statement;
    keys += predicate.keys.count;
    if (predicate.erasure.id !== id) faults.push('it is the certificate of another erasure');
    if (report.isRequesters !== true) faults.push('its requester cannot tell that it is theirs');
    const others = { key, nonce, requester: `${requester}?` };
    if (verifyCertificate(certificate, others).isRequesters !== false) faults.push('anybody can claim it');
    const said = JSON.stringify(report.statement);
    for (const needle of needlesOf([word, subject, text, requester, reason, nonce])) {
      searched++;
      if (said.includes(needle)) faults.push('it holds what was typed, or a digest of it');
    }
  }
  return { faults, keys, searched };
}

/** A text and what a hash without a key makes of it. */
const needlesOf = (texts: readonly string[]): string[] =>
  texts.flatMap((text) => [
    text,
    ...['sha1', 'sha256', 'sha512', 'md5'].flatMap((name) => {
      const digest = createHash(name).update(text).digest();
      return [digest.toString('hex'), digest.toString('base64'), digest.toString('base64url')];
    }),
  ]);
