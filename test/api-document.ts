/**
 * What the OpenAPI document says may be sent, as a list: so that a test can ask for every operation and every field,
 * and a new one that nobody thought of makes it fail.
 */

export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
}

interface Parameter {
  readonly in: 'path' | 'query' | 'header';
  readonly name: string;
  readonly schema: Schema;
}

export interface ApiDocument {
  readonly paths: Readonly<
    Record<
      string,
      Readonly<
        Record<
          string,
          {
            readonly operationId: string;
            readonly parameters?: readonly Parameter[];
            readonly requestBody?: {
              readonly content: Readonly<Record<string, { readonly schema: Schema }>>;
            };
            readonly security?: readonly unknown[];
          }
        >
      >
    >
  >;
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> };
}

export interface Operation {
  readonly name: string;
  readonly method: string;
  /** With `{parameters}`. */
  readonly path: string;
  /** Whether it answers without a key. */
  readonly isOpen: boolean;
  /** Where a caller may write what they like: `path vault`, `query filter`, `header if-match`, `body memories[].text`. */
  readonly texts: readonly string[];
}

export function operationsOf(document: ApiDocument): readonly Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId, parameters = [], requestBody, security }]) => {
      const schema = requestBody?.content['application/json']?.schema;
      return {
        name: operationId,
        method: method.toUpperCase(),
        path,
        isOpen: security?.length === 0,
        texts: [
          ...parameters
            .filter(({ schema }) => isText(schema))
            .map((parameter) => `${parameter.in} ${parameter.name}`),
          ...(schema === undefined ? [] : textsIn(schema, document)).map((field) => `body ${field}`),
        ],
      };
    }),
  );
}

/** Fields below a schema in which anything can be written: free strings, free objects, vectors. */
function textsIn(schema: Schema, document: ApiDocument): string[] {
  const resolved = resolve(schema, document);
  const { anyOf = [], oneOf = [], allOf = [], properties, items } = resolved;
  const found = [...anyOf, ...oneOf, ...allOf].flatMap((each) => textsIn(each, document));
  if (properties !== undefined)
    for (const [name, property] of Object.entries(properties))
      found.push(
        ...textsIn(property, document).map((rest) => (rest.startsWith('[') ? name + rest : join(name, rest))),
      );
  else if (items !== undefined && resolve(items, document).type !== 'number')
    found.push(...textsIn(items, document).map((rest) => (rest === '' ? '[]' : `[].${rest}`)));
  else if (isText(resolved)) found.push('');
  return [...new Set(found)];
}

const join = (name: string, rest: string): string => (rest === '' ? name : `${name}.${rest}`);

/** Enumerations, dates, patterns and single numbers leave no room for a canary. */
function isText(schema: Schema): boolean {
  const { type, enum: values, format, pattern, properties, items, anyOf, oneOf, allOf } = schema;
  if (values !== undefined || format !== undefined || pattern !== undefined) return false;
  if (type === 'string') return true;
  if (type === 'array') return items?.type === 'number';
  const isFree =
    properties === undefined && anyOf === undefined && oneOf === undefined && allOf === undefined;
  return isFree && (type === 'object' || type === undefined);
}

function resolve(schema: Schema, document: ApiDocument): Schema {
  if (schema.$ref === undefined) return schema;
  const name = schema.$ref.split('/').at(-1) ?? '';
  const found = document.components?.schemas?.[name];
  if (found === undefined) throw new Error(`the document has no ${schema.$ref}`);
  return found;
}
