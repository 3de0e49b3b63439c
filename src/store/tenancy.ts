/**
 * Tenancy in the query itself: before a statement of a scoped handle is compiled, `organization = …` is added for every
 * tenant table it reads, changes or deletes from, at any depth, and every row it inserts is checked to say the same.
 *
 * What cannot be judged is refused: raw SQL that names a tenant table, schema changes, `merge`, `insert … select` into a
 * tenant table. Existing conditions are put in parentheses, so that an `or` in them cannot widen the result. On
 * PostgreSQL the row-level security of the first migration stands behind this and knows nothing of it.
 */
import {
  AliasNode,
  AndNode,
  BinaryOperationNode,
  ColumnNode,
  IdentifierNode,
  InsertQueryNode,
  OnNode,
  OperationNodeTransformer,
  OperatorNode,
  ParensNode,
  PrimitiveValueListNode,
  ReferenceNode,
  TableNode,
  ValueListNode,
  ValueNode,
  ValuesNode,
  WhereNode,
  type ColumnUpdateNode,
  type DeleteQueryNode,
  type JoinNode,
  type OnConflictNode,
  type OperationNode,
  type QueryId,
  type RawNode,
  type RootOperationNode,
  type SelectQueryNode,
  type UpdateQueryNode,
} from 'kysely';
import { StrongroomError } from '../errors.ts';
import type { OrganizationId } from '../ids.ts';
import { TENANT_TABLES } from './migrations.ts';
import { TENANT_COLUMN } from './table.ts';

const QUERIES: ReadonlySet<string> = new Set([
  'SelectQueryNode',
  'InsertQueryNode',
  'UpdateQueryNode',
  'DeleteQueryNode',
]);

/** The statement confined to `organization`; throws on one that cannot be confined. */
export function confine(node: RootOperationNode, organization: OrganizationId): RootOperationNode {
  if (!QUERIES.has(node.kind)) throw refused(`${node.kind} in the scope of an organization`);
  return transformer.confine(node, organization);
}

class TenancyTransformer extends OperationNodeTransformer {
  #organization = '';

  confine(node: RootOperationNode, organization: OrganizationId): RootOperationNode {
    this.#organization = organization;
    return this.transformNode(node);
  }

  protected override transformSelectQuery(node: SelectQueryNode, id?: QueryId): SelectQueryNode {
    const inner = super.transformSelectQuery(node, id);
    const { joins, conditions } = this.#joined(inner.joins);
    return this.#where({ ...inner, ...joins }, [...(inner.from?.froms ?? []), ...conditions]);
  }

  protected override transformUpdateQuery(node: UpdateQueryNode, id?: QueryId): UpdateQueryNode {
    const inner = super.transformUpdateQuery(node, id);
    requireNotSystem(inner.table);
    this.#requireOwnUpdates(inner.updates);
    const { joins, conditions } = this.#joined(inner.joins);
    const sources = [inner.table, ...(inner.from?.froms ?? []), ...conditions];
    return this.#where(
      { ...inner, ...joins },
      sources.filter((source) => source !== undefined),
    );
  }

  protected override transformDeleteQuery(node: DeleteQueryNode, id?: QueryId): DeleteQueryNode {
    const inner = super.transformDeleteQuery(node, id);
    inner.from.froms.forEach(requireNotSystem);
    const { joins, conditions } = this.#joined(inner.joins);
    return this.#where({ ...inner, ...joins }, [
      ...inner.from.froms,
      ...(inner.using?.tables ?? []),
      ...conditions,
    ]);
  }

  protected override transformInsertQuery(node: InsertQueryNode, id?: QueryId): InsertQueryNode {
    const inner = super.transformInsertQuery(node, id);
    requireNotSystem(inner.into);
    const table = inner.into === undefined ? null : tenantTable(inner.into);
    if (table === null) return inner;
    if (inner.replace || inner.orAction || inner.onDuplicateKey)
      throw refused(`insert or replace into ${table.name}`);
    this.#requireOwnRows(inner, table.name);
    // A row with the same id may be another tenant's: it must not be what the conflict updates.
    return inner.onConflict === undefined
      ? inner
      : { ...inner, onConflict: this.#ownConflict(inner.onConflict, table) };
  }

  protected override transformMergeQuery(): never {
    throw refused('merge');
  }

  protected override transformRaw(node: RawNode, id?: QueryId): RawNode {
    requireBalanced(node.sqlFragments.join(' '));
    for (const part of [...node.sqlFragments, ...node.parameters.map(nameOf)]) {
      const named = TENANT_WORDS.exec(part);
      if (named !== null) throw refused(`raw SQL that names ${named[0]}`);
    }
    return super.transformRaw(node, id);
  }

  /** Tenant tables of joins are confined in the join's own condition, so that an outer join stays one. */
  #joined(joins: readonly JoinNode[] | undefined): {
    joins: { joins?: JoinNode[] };
    conditions: OperationNode[];
  } {
    if (joins === undefined) return { joins: {}, conditions: [] };
    const conditions: OperationNode[] = [];
    const confined = joins.map((join): JoinNode => {
      const table = tenantTable(join.table);
      if (table === null) return join;
      if (join.on === undefined) {
        conditions.push(join.table);
        return join;
      }
      return { ...join, on: OnNode.create(and(this.#own(table), join.on.on)) };
    });
    return { joins: { joins: confined }, conditions };
  }

  #where<N extends { readonly where?: WhereNode }>(node: N, sources: readonly OperationNode[]): N {
    const own = sources.map(tenantTable).filter((table) => table !== null);
    if (own.length === 0) return node;
    const condition = own
      .map((table) => this.#own(table))
      .reduce((left, right) => AndNode.create(left, right));
    const where = node.where === undefined ? condition : and(condition, node.where.where);
    return { ...node, where: WhereNode.create(where) };
  }

  #own(table: TenantTable): OperationNode {
    return BinaryOperationNode.create(
      ReferenceNode.create(ColumnNode.create(TENANT_COLUMN), TableNode.create(table.alias)),
      OperatorNode.create('='),
      ValueNode.create(this.#organization),
    );
  }

  #ownConflict(conflict: OnConflictNode, table: TenantTable): OnConflictNode {
    if (conflict.doNothing || conflict.updates === undefined) return conflict;
    this.#requireOwnUpdates(conflict.updates);
    const own = this.#own(table);
    const where = conflict.updateWhere === undefined ? own : and(own, conflict.updateWhere.where);
    return { ...conflict, updateWhere: WhereNode.create(where) };
  }

  #requireOwnRows(node: InsertQueryNode, table: string): void {
    const at = (node.columns ?? []).findIndex(({ column }) => column.name === TENANT_COLUMN);
    if (at < 0) throw refused(`an insert into ${table} without ${TENANT_COLUMN}`);
    if (node.values === undefined || !ValuesNode.is(node.values))
      throw refused(`insert … select into ${table}`);
    for (const row of node.values.values) {
      const value = PrimitiveValueListNode.is(row)
        ? row.values[at]
        : valueOf(ValueListNode.is(row) ? row.values[at] : row);
      if (value !== this.#organization) throw refused(`an insert into ${table} for another organization`);
    }
  }

  #requireOwnUpdates(updates: readonly ColumnUpdateNode[] | undefined): void {
    for (const { column, value } of updates ?? []) {
      const moves =
        ColumnNode.is(column) &&
        column.column.name === TENANT_COLUMN &&
        valueOf(value) !== this.#organization;
      if (moves) throw refused('an update that moves a row to another organization');
    }
  }
}

interface TenantTable {
  readonly name: string;
  readonly alias: string;
}

const transformer = new TenancyTransformer();

const TENANT_WORDS = new RegExp(`\\b(?:${[...TENANT_TABLES].join('|')})\\b`, 'i');

/** The tenant table that a source names, with the alias by which its columns are referred to. */
function tenantTable(source: OperationNode): TenantTable | null {
  if (TableNode.is(source)) {
    const name = source.table.identifier.name;
    return TENANT_TABLES.has(name) ? { name, alias: name } : null;
  }
  if (!AliasNode.is(source)) return null;
  const table = tenantTable(source.node);
  if (table === null) return null;
  if (!IdentifierNode.is(source.alias)) throw refused(`a raw alias of ${table.name}`);
  return { name: table.name, alias: source.alias.name };
}

/** What only the system's own jobs write: the head of the store and of the keyring. */
export const SYSTEM_TABLES: ReadonlySet<string> = new Set(['meta', 'store_head', 'epochs', 'keyring_head']);

function requireNotSystem(target: OperationNode | undefined): void {
  const name = target === undefined ? '' : nameOf(AliasNode.is(target) ? target.node : target);
  if (SYSTEM_TABLES.has(name)) throw refused(`a write to ${name}`);
}

const and = (left: OperationNode, right: OperationNode): AndNode =>
  AndNode.create(left, ParensNode.create(right));

const valueOf = (node: OperationNode | undefined): unknown =>
  node !== undefined && ValueNode.is(node) ? node.value : undefined;

/** The table or identifier that a parameter of raw SQL splices in; a reference to a column of one is harmless. */
function nameOf(node: OperationNode): string {
  if (TableNode.is(node)) return node.table.identifier.name;
  if (IdentifierNode.is(node)) return node.name;
  return '';
}

/** Raw SQL must not close a parenthesis that it did not open: it could step out of the condition around it. */
function requireBalanced(text: string): void {
  let depth = 0;
  for (const character of text) {
    if (character === '(') depth++;
    if (character === ')') depth--;
    if (depth < 0) break;
  }
  if (depth !== 0 || text.includes('--') || text.includes('/*'))
    throw refused('raw SQL that does not close itself');
}

const refused = (what: string): StrongroomError =>
  new StrongroomError('internal', `refused by tenancy: ${what}`);
