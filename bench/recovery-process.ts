/** Runs the recovery benchmark alone: `node --conditions=source bench/recovery-process.ts [memories] [rounds]`. */
import { recoveryFigures, recoveryText } from './recovery.ts';

const [memories = '100000', rounds = '3'] = process.argv.slice(2);
console.log(recoveryText(await recoveryFigures(Number(memories), Number(rounds))));
