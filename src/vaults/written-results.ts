/** What a search answers when the index has written it: JSON text that goes out as it is, and is read only where somebody looks into it. */
import type { SearchResult, SearchResults } from '@strongroom/client';

export class WrittenResults implements SearchResults {
  /** The whole answer. */
  readonly text: string;

  /** @param list the JSON text of the results. */
  constructor(list: string) {
    this.text = `{"results":${list}}`;
  }

  get results(): SearchResult[] {
    return (JSON.parse(this.text) as SearchResults).results;
  }
}
