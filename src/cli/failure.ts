/** How a failure reads: one line with its code, what and where; the faults below it; and what to do. */
import { StrongroomError, type ErrorCode, type Fault } from '../errors.ts';
import { called, printable } from './show/text.ts';

/** What to do, where it is the same for every occurrence. `strongroom` stands for how the command is called. */
const ADVICE: Partial<Record<ErrorCode, string>> = {
  'auth.required':
    'Paste the lines that the first start (or strongroom init) printed. If the key is lost: stop the server, then strongroom key create NAME --data DIR.',
  'auth.invalid':
    'Check STRONGROOM_API_KEY. If the key is lost: stop the server, then strongroom key create NAME --data DIR.',
  'auth.expired': 'Ask for a new key (strongroom key create NAME).',
  'access.refused': 'Ask for a key whose scopes name this action and vault (strongroom key list).',
  'access.network': 'Use the key from a network that it allows (strongroom key list).',
  not_found: 'See what is there: strongroom vault list, strongroom list --vault NAME.',
  'purpose.required': 'Say why with --purpose TEXT.',
  'rate.limited': 'Wait a moment, then do it again.',
  'version.mismatch': 'Get it again, then change what is there now.',
  busy: 'Do it again in a moment.',
  'epoch.changed': 'Do it again.',
  'server.unreachable': 'Is the server running (strongroom serve --data DIR) and STRONGROOM_URL right?',
  'server.untrusted': "Set STRONGROOM_CA to tls/ca.pem in the server's data directory.",
  'answer.invalid': 'Check STRONGROOM_URL: something else than Strongroom answers there.',
  'tls.required': 'Use an https:// address, or one of this machine.',
  'data.missing': 'Make a deployment with strongroom init --data DIR.',
  'data.in_use': 'Stop the other process first, or give another --data DIR.',
  'data.exists': 'Serve it with strongroom serve --data DIR.',
  'port.taken': 'Give another with --port N, or stop what listens there.',
  'store.restoring': 'Make it the deployment with strongroom backup restore --commit --data DIR.',
  'keystore.exposed': 'Take the rights of others away: chmod -R go= DIR/keystore.',
  internal: 'The log of the server says more under the id of the request.',
};

/** The problem as JSON, for `--json`. */
export function failureToJson(error: unknown): string {
  if (!(error instanceof StrongroomError))
    return JSON.stringify({
      code: 'internal',
      detail: error instanceof Error ? error.message : String(error),
    });
  const { code, status, message, faults, requestId } = error;
  return JSON.stringify({
    code,
    status,
    detail: message,
    ...(faults.length > 0 ? { errors: faults } : {}),
    ...(requestId === undefined ? {} : { requestId }),
  });
}

/** `command`: how the user calls this program. */
export function failureToText(error: unknown, command: string): string {
  if (isOfFile(error)) return `strongroom: ${printable(error.message)}\n`;
  if (!(error instanceof StrongroomError)) {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `strongroom: unexpected error: ${printable(what, { keepBreaks: true })}\n`;
  }
  const { code, faults, message, requestId } = error;
  // Without a request it was this program that could not make sense of what it was given.
  const label = code === 'request.invalid' && requestId === undefined ? 'usage' : code;
  const where = requestId === undefined ? '' : ` (${requestId})`;
  const lines = [`strongroom: ${label}: ${printable(message)}${where}`];
  for (const text of faults.map(faultToText)) if (!message.includes(text)) lines.push(`  ${text}`);
  // What a local command did not find is no vault and no memory: what it says itself must do.
  const advice = code === 'not_found' && requestId === undefined ? undefined : ADVICE[code];
  if (advice !== undefined) lines.push(`  ${called(advice, command)}`);
  return `${lines.join('\n')}\n`;
}

/** The system says itself which file it was, and what was wrong with it: nothing of that is a mistake of this program. */
const isOfFile = (error: unknown): error is Error =>
  error instanceof Error && 'syscall' in error && 'path' in error && typeof error.path === 'string';

function faultToText({ path, message, in: place }: Fault): string {
  const where = [place, path].filter((part) => part !== undefined && part !== '').join(' ');
  return printable(where === '' ? message : `${where}: ${message}`);
}
