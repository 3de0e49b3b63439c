/** What is asked of vectors beside the query itself. */
export interface Neighbours {
  readonly limit: number;
  /** The part of the true neighbours that a search is to find, on the average. */
  readonly recall: number;
  /** Null where every document is kept. */
  readonly keeps: ((document: number) => boolean) | null;
  /** Which of two documents comes first at equal scores. */
  tieOf(this: void, a: number, b: number): boolean;
}
