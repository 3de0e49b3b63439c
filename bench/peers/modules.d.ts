/** The parts of the peers that are used here, so that types are checked where the peers are not installed. */
declare module '@zvec/zvec' {
  export const ZVecDataType: { readonly VECTOR_FP32: number };
  export const ZVecIndexType: { readonly HNSW: number };
  export const ZVecMetricType: { readonly COSINE: number };
  export function ZVecInitialize(options: { queryThreads: number; optimizeThreads: number }): void;
  export interface ZVecSchema {
    readonly name: string;
  }
  export const ZVecCollectionSchema: new (schema: { name: string; vectors: object }) => ZVecSchema;
  export interface ZVecCollection {
    insertSync(documents: readonly { id: string; vectors: Record<string, Float32Array> }[]): unknown;
    optimizeSync(): void;
    querySync(query: {
      fieldName: string;
      vector: Float32Array;
      topk: number;
      outputFields: readonly string[];
      params: object;
    }): readonly { readonly id: string }[];
    closeSync(): void;
  }
  export function ZVecCreateAndOpen(path: string, schema: ZVecSchema): ZVecCollection;
}

declare module '@lancedb/lancedb' {
  interface Query {
    column(name: string): Query;
    distanceType(type: string): Query;
    limit(count: number): Query;
    nprobes(count: number): Query;
    ef(count: number): Query;
    refineFactor(factor: number): Query;
    select(columns: readonly string[]): Query;
    toArray(): Promise<readonly { readonly id: number }[]>;
  }
  export interface Table {
    add(data: object): Promise<unknown>;
    createIndex(column: string, options: { config: object }): Promise<void>;
    optimize(): Promise<unknown>;
    vectorSearch(vector: Float32Array): Query;
  }
  export interface Connection {
    createTable(name: string, data: object): Promise<Table>;
    close(): void;
  }
  export function connect(path: string): Promise<Connection>;
  export const Index: {
    hnswSq(options: object): object;
    ivfRq(options: object): object;
  };
}

declare module 'apache-arrow' {
  export const Table: new (columns: object) => object;
  export const Field: new (name: string, type: object, nullable: boolean) => object;
  export const FixedSizeList: new (size: number, field: object) => object;
  export const Float32: new () => object;
  export const Int32: new () => object;
  export function makeData(of: object): object;
  export function makeVector(of: object): object;
}

declare module 'sqlite-vec' {
  export function getLoadablePath(): string;
}
