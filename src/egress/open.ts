/** The way to the outside as the settings have it: by default none. */
import { readFile } from 'node:fs/promises';
import { resolve as resolvePath } from 'node:path';
import type { Settings } from '../config.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { Egress, type EgressParts } from './egress.ts';
import { ServiceEmbedder, type Embedder } from './embedder.ts';
import { endpointOf } from './embedding-protocol.ts';
import { resolveName, type Place, type Resolve } from './exchange.ts';
import { realTimer, type Timer } from '../timer.ts';

export interface OpenEgress extends Pick<EgressParts, 'store' | 'ledger'> {
  readonly directory: string;
  readonly settings: Settings;
  readonly environment: Environment;
  readonly timer?: Timer;
  readonly resolve?: Resolve;
}

export interface OpenedEgress {
  readonly egress: Egress;
  readonly embedder: Embedder | null;
}

export async function openEgress(options: OpenEgress): Promise<OpenedEgress> {
  const { settings, environment, store, ledger, timer = realTimer, resolve = resolveName } = options;
  const { clock, random } = environment;
  const place = await embeddingPlace(options);
  const places = place === null ? {} : { embedding: place };
  const egress = new Egress({ store, ledger, clock, timer, resolve, places });
  const { embedder: kind, embedderModel: model } = settings;
  if (kind === 'none' || model === undefined) return { egress, embedder: null };
  const service = {
    kind,
    model,
    dimensions: settings.embedderDimensions ?? null,
    apiKey: settings.embedderApiKey ?? null,
    charactersMax: settings.embedderCharacters,
  };
  return { egress, embedder: new ServiceEmbedder({ egress, service, clock, random, timer }) };
}

async function embeddingPlace({ directory, settings }: OpenEgress): Promise<Place | null> {
  const { embedder, embedderUrl, embedderNetwork, embedderCa } = settings;
  if (embedder === 'none' || embedderUrl === undefined) return null;
  const place = { url: endpointOf(embedder, embedderUrl), network: embedderNetwork };
  if (embedderCa === undefined) return place;
  try {
    return { ...place, ca: await readFile(resolvePath(directory, embedderCa), 'utf8') };
  } catch (cause) {
    throw new StrongroomError('config.invalid', { detail: 'embedderCa: the file cannot be read', cause });
  }
}
