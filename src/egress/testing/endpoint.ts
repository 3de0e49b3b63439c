/** A service on a loopback port of this machine, which answers as a test wants and notes what it was asked. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export type Reply = (res: ServerResponse, asked: Asked) => void;

export interface Endpoint {
  readonly url: string;
  readonly asked: readonly Asked[];
  /** How it answers from now on. */
  reply: Reply;
}

export const answerJson =
  (value: unknown, status = 200): Reply =>
  (res) => {
    res.writeHead(status, { 'content-type': 'application/json' });
    res.end(JSON.stringify(value));
  };

/** A vector that says which words a text holds, so that texts that share words are near one another. */
export const wordVector = (text: string, dimensions: number): number[] => {
  const vector = Array.from({ length: dimensions }, () => 0.001);
  for (const word of text.toLowerCase().match(/[a-z]+/g) ?? []) {
    let hash = 7;
    for (const letter of word) hash = (hash * 31 + letter.charCodeAt(0)) % 65_521;
    vector[hash % dimensions] = (vector[hash % dimensions] ?? 0) + 1;
  }
  return vector;
};

interface EmbeddingInput {
  readonly input: readonly string[];
}

/** Answers as services with the OpenAI form do, its list in another order than the texts. */
export const openAiReply =
  (dimensions: number): Reply =>
  (res, { body }) => {
    const { input } = JSON.parse(body) as EmbeddingInput;
    const data = input.map((text, index) => ({
      object: 'embedding',
      index,
      embedding: wordVector(text, dimensions),
    }));
    answerJson({ object: 'list', data: data.toReversed(), model: 'm', usage: { prompt_tokens: 1 } })(res, {
      method: '',
      path: '',
      headers: {},
      body,
    });
  };

export async function startEndpoint(t: TestContext, reply: Reply): Promise<Endpoint> {
  const asked: Asked[] = [];
  const endpoint = { url: '', asked, reply };
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const { method = '', url: path = '', headers } = req;
      const one = { method, path, headers, body: Buffer.concat(chunks).toString('utf8') };
      asked.push(one);
      endpoint.reply(res, one);
    });
  });
  endpoint.url = `http://127.0.0.1:${await listening(server)}`;
  t.after(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return endpoint;
}

const listening = (server: Server): Promise<number> =>
  new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
  );
