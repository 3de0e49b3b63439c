/** For tests: the half that opens data directories, without any. */
import { StrongroomError } from '../../errors.ts';
import type { Access, Finding, LocalCommands, RunningServer, VerifiedLog } from '../local.ts';
import { NOW } from './fake-server.ts';

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

  doctor(): Promise<readonly Finding[]> {
    return Promise.resolve(this.findings);
  }

  verifyLedger(): Promise<readonly VerifiedLog[]> {
    return this.failure === null ? Promise.resolve(this.logs) : Promise.reject(this.failure);
  }
}
