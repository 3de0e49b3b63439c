/** The part of usearch that is used here, so that types are checked where the peers are not installed. */
declare module 'usearch' {
  export const MetricKind: { readonly Cos: string; readonly IP: string; readonly L2sq: string };
  export const ScalarKind: { readonly F32: string };
  export interface IndexConfig {
    readonly metric: string;
    readonly dimensions: number;
    readonly quantization: string;
    readonly connectivity: number;
    readonly expansion_add: number;
    readonly expansion_search: number;
    readonly multi: boolean;
  }
  export class Index {
    constructor(config: IndexConfig);
    add(keys: BigUint64Array, vectors: Float32Array, threads: number): void;
    search(vector: Float32Array, k: number, threads: number): { readonly keys: BigUint64Array };
    save(path: string): void;
    load(path: string): void;
  }
}
