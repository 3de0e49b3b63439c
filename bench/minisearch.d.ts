/** The part of minisearch that is used here, so that the checkout type-checks before bench/ is installed. */
declare module 'minisearch' {
  export default class MiniSearch {
    constructor(options: { fields: string[] });
    addAll(documents: readonly object[]): void;
    search(query: string): { id: string; score: number }[];
  }
}
