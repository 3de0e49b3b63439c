/**
 * A small process for `erasure-kill.test.ts`: opens a deployment, erases what it is told, waits until the rows are gone, says so
 * and ends. It asks through the function that the server itself answers from.
 *
 *     node erasure-process.ts DIRECTORY TARGET (JSON)
 */
import type { ErasureTarget } from '@strongroom/client';
import { realEnvironment } from '../../src/environment.ts';
import { silentLog } from '../../src/http/request-log.ts';
import { openStrongroom } from '../../src/strongroom.ts';
import { systemContext } from '../afterwards.ts';
import { settingsOf } from '../deployment.ts';

export const ASKED = 'asked';

if (import.meta.main) {
  const [directory = '', target = '{}'] = process.argv.slice(2);
  const open = await openStrongroom({
    directory,
    settings: settingsOf(),
    environment: realEnvironment,
    log: silentLog,
    onFatal: () => process.exit(70),
  });
  const context = await systemContext(open);
  await open.erasureRequests.request(context, {
    target: JSON.parse(target) as ErasureTarget,
    reason: 'to be killed',
  });
  // From here on it was answered: whatever kills the process now, it must be so.
  process.stdout.write(`${ASKED}\n`);
  await open.erasures.settled();
  await open.close();
}
