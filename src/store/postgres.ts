import type { FaultPoint } from '../environment.ts';
import type { Engine } from './connection.ts';
export async function openPostgresEngine(_target: { url: string; ownerUrl?: string }, _fault: FaultPoint): Promise<Engine> { throw new Error('not yet'); }
