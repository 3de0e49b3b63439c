/** For tests: the half that opens data directories, without any. */
import { StrongroomError } from '../../errors.ts';
import type {
  Access,
  DrillReport,
  Finding,
  KeystoreState,
  RecoveryReport,
  LocalCommands,
  RunningServer,
  VerifiedLog,
} from '../local.ts';
import { AGE, NOW, ROTATION } from './fake-server.ts';

export class FakeLocal implements LocalCommands {
  readonly deployments = new Set<string>();
  readonly calls: string[] = [];
  findings: readonly Finding[] = [{ name: 'keystore', status: 'ok', detail: 'two replicas agree' }];
  logs: readonly VerifiedLog[] = [{ log: 'org_1', size: 3, rootHash: 'ab12', broken: null }];
  onServe: () => void = () => undefined;
  /** Thrown by `serve` and `verifyLedger`. */
  failure: StrongroomError | null = null;

  initDeployment(directory: string, settings: { port: number }): Promise<Access> {
    if (this.deployments.has(directory)) return Promise.reject(new StrongroomError('data.exists'));
    this.deployments.add(directory);
    return Promise.resolve({
      url: `https://127.0.0.1:${settings.port}`,
      apiKey: 'sr_production_first',
      ca: `${directory}/tls/ca.pem`,
    });
  }

  isInitialised(directory: string): Promise<boolean> {
    return Promise.resolve(this.deployments.has(directory));
  }

  serve(directory: string, settings: { port: number }): Promise<RunningServer> {
    if (this.failure !== null) return Promise.reject(this.failure);
    if (!this.deployments.has(directory))
      return Promise.reject(new StrongroomError('data.missing', `${directory} holds no deployment`));
    this.calls.push('serve');
    this.onServe();
    return Promise.resolve({
      url: `https://127.0.0.1:${settings.port}`,
      ca: `${directory}/tls/ca.pem`,
      close: () => {
        this.calls.push('close');
        return Promise.resolve();
      },
    });
  }

  createKey(
    directory: string,
    _settings: object,
    input: { name: string },
  ): ReturnType<LocalCommands['createKey']> {
    this.calls.push(`createKey ${directory} ${JSON.stringify(input)}`);
    return Promise.resolve({
      id: 'key_00000000000000000000000001',
      name: input.name,
      environment: 'production',
      scopes: [],
      networks: [],
      state: 'active',
      createdAt: NOW,
      apiKey: 'sr_production_local',
    });
  }

  trustClock(directory: string): Promise<{ now: string }> {
    this.calls.push(`trustClock ${directory}`);
    return Promise.resolve({ now: NOW });
  }

  listRotations(directory: string): ReturnType<LocalCommands['listRotations']> {
    this.calls.push(`listRotations ${directory}`);
    return Promise.resolve({ keys: [AGE] });
  }

  runRotation(directory: string, _settings: object, input: object): ReturnType<LocalCommands['runRotation']> {
    this.calls.push(`runRotation ${directory} ${JSON.stringify(input)}`);
    return Promise.resolve({ rotations: [ROTATION] });
  }

  doctor(): Promise<readonly Finding[]> {
    return Promise.resolve(this.findings);
  }

  verifyLedger(): Promise<readonly VerifiedLog[]> {
    return this.failure === null ? Promise.resolve(this.logs) : Promise.reject(this.failure);
  }

  backUp(directory: string, _settings: object, { kind }: { kind: 'full' | 'incremental' | 'log' }) {
    this.calls.push(`backUp ${directory}`);
    const id = 'bkp_00000000000000000000000001';
    return Promise.resolve({ id, kind, takenAt: NOW, sizeBytes: 12345, rows: 67, copies: 2 });
  }

  drill(): Promise<DrillReport> {
    return Promise.resolve(this.drillReport);
  }

  drillReport: DrillReport = {
    id: 'drl_00000000000000000000000001',
    backup: 'bkp_00000000000000000000000001',
    state: 'passed',
    recoverySeconds: 1.26,
    lossSeconds: 240,
    rows: 67,
    opened: 5,
    faults: [],
  };

  restore(
    _directory: string,
    _settings: object,
    { skipDamaged, from }: { skipDamaged: boolean; from?: string | null },
  ) {
    if (from?.endsWith('/empty') === true)
      return Promise.reject(new StrongroomError('not_found', 'there is no backup here'));
    if (this.failure !== null) return Promise.reject(this.failure);
    const skipped = skipDamaged ? ['bkp_1/000001: it is missing'] : [];
    const found = { backup: 'bkp_00000000000000000000000001', takenAt: NOW, rows: 67, damage: [] };
    return Promise.resolve({ ...found, skipped, differences: [] });
  }

  commit() {
    return Promise.resolve({ takenAt: NOW, epoch: 9, dropped: { memories: 2 }, missing: ['keystore/b'] });
  }

  recover(_data: string, _settings: unknown, isCommitted: boolean): Promise<RecoveryReport> {
    return Promise.resolve({
      epoch: 4,
      newestEpoch: 9,
      requests: 2,
      slots: 7,
      lost: [{ owner: 'vlt_1', leaves: 1, memories: 12 }],
      doubts: [],
      committed: isCommitted ? { epoch: 10, dropped: { memories: 12 }, missing: [] } : null,
    });
  }

  keystore(): Promise<KeystoreState> {
    const dropped = [{ name: 'keystore/b', how: 'lost', reason: 'the disk broke' }];
    return Promise.resolve({ epoch: 9, members: ['keystore/a'], dropped, findings: [] });
  }
}
