/** The first tables. Rows of `schema.ts` say what the columns mean. */
import { columnsOf, nullable, type Migration } from '../table.ts';

const deployment = columnsOf('deployment', 'deployment', 'kept');
const organization = columnsOf('organization', 'record', 'row');
const vault = columnsOf('vault', 'record', 'row');
const subject = columnsOf('subject', 'record', 'row');
const conversation = columnsOf('conversation', 'record', 'row');
const memory = columnsOf('memory', 'record', 'row');
const superseded = columnsOf('memory', 'dated', 'row');
const credential = columnsOf('principal', 'record', 'row');
const request = columnsOf('principal', 'request', 'row');
const ledger = columnsOf('organization', 'ledger', 'kept');
const entry = columnsOf('principal', 'ledger', 'kept');

/** A thing with an id, a slot of its own, a version and a sealed name. */
const named = { id: 'id', version: 'version', vault: null, slot: 'slot', scope: null };

export const foundation = {
  name: '0001-foundation',
  creates: {
    meta: {
      columns: { name: deployment.id(), value: deployment.bytes(), change: deployment.count() },
      key: ['name'],
    },
    store_head: {
      columns: { id: deployment.count(), change: deployment.count() },
      key: ['id'],
      unbacked: 'own',
    },
    epochs: {
      columns: {
        epoch: deployment.count(),
        file_id: deployment.bytes(),
        state: deployment.state(),
        at: deployment.time(),
        change: deployment.count(),
      },
      key: ['epoch'],
    },
    keyring_head: {
      columns: {
        id: deployment.count(),
        epoch: deployment.count(),
        file_id: deployment.bytes(),
        change: deployment.count(),
      },
      key: ['id'],
    },
    key_requests: {
      columns: {
        id: deployment.id(),
        slots: deployment.packedSlots(),
        reason: deployment.setting(),
        state: deployment.state(),
        epoch: deployment.count(),
        requested_at: deployment.time(),
        destroyed_at: nullable(deployment.time()),
        confirmed: deployment.setting(),
        missing: deployment.setting(),
        change: deployment.count(),
      },
      key: ['id'],
      indexes: [{ columns: ['state', 'epoch'] }],
    },
    leaves: {
      columns: {
        leaf: deployment.slot(),
        owner: deployment.id(),
        node: deployment.id(),
        next: deployment.count(),
        change: deployment.count(),
      },
      key: ['leaf'],
      indexes: [{ columns: ['owner', 'node', 'leaf'] }],
    },
    service_slots: {
      columns: {
        name: deployment.id(),
        slot: deployment.slot(),
        created_at: deployment.time(),
        change: deployment.count(),
      },
      key: ['name'],
    },
    organizations: {
      columns: {
        id: organization.id(),
        organization: organization.id(),
        slot: organization.slot(),
        state: organization.state(),
        name_box: organization.sealed(named),
        version: organization.count(),
        created_at: organization.time(),
        updated_at: organization.time(),
        change: organization.count(),
      },
      key: ['id'],
    },
    projects: {
      columns: {
        id: organization.id(),
        organization: organization.id(),
        slot: organization.slot(),
        state: organization.state(),
        name_box: organization.sealed(named),
        version: organization.count(),
        created_at: organization.time(),
        updated_at: organization.time(),
        change: organization.count(),
      },
      key: ['id'],
      indexes: [{ columns: ['organization', 'id'] }],
    },
    vaults: {
      columns: {
        id: vault.id(),
        organization: vault.id(),
        project: vault.id(),
        slot: vault.slot(),
        state: vault.state(),
        dimensions: nullable(vault.number()),
        metric: vault.setting(),
        deletion_mode: vault.setting(),
        deletion_days: vault.number(),
        history: vault.number(),
        environment: vault.setting(),
        tombstones: nullable(vault.setting()),
        name_box: vault.sealed({ ...named, vault: 'id' }),
        version: vault.count(),
        created_at: vault.time(),
        updated_at: vault.time(),
        deleted_at: nullable(vault.time()),
        change: vault.count(),
      },
      key: ['id'],
      indexes: [{ columns: ['organization', 'id'] }],
    },
    subjects: {
      columns: {
        id: subject.id(),
        organization: subject.id(),
        slot: subject.slot(),
        state: subject.state(),
        name_box: subject.sealed({ ...named, version: 1 }),
        created_at: subject.time(),
        change: subject.count(),
      },
      key: ['id'],
      indexes: [{ columns: ['organization', 'id'] }, { columns: ['change'] }],
    },
    conversations: {
      columns: {
        id: conversation.id(),
        organization: conversation.id(),
        vault: conversation.id(),
        slot: conversation.slot(),
        state: conversation.state(),
        name_box: conversation.sealed({ ...named, version: 1, vault: 'vault' }),
        created_at: conversation.time(),
        change: conversation.count(),
      },
      key: ['id'],
      indexes: [{ columns: ['organization', 'vault', 'id'] }, { columns: ['change'] }],
    },
    memories: {
      columns: {
        id: memory.id(),
        organization: memory.id(),
        vault: memory.id(),
        state: memory.state(),
        version: memory.count(),
        subject: nullable(memory.id()),
        conversation: nullable(memory.id()),
        expires_at: nullable(memory.time()),
        created_at: memory.time(),
        updated_at: memory.time(),
        trashed_at: nullable(memory.time()),
        change: memory.count(),
      },
      key: ['id'],
      indexes: [{ columns: ['organization', 'vault', 'state', 'id'] }, { columns: ['change'] }],
      clustered: true,
    },
    memory_versions: {
      columns: {
        memory: memory.id(),
        version: memory.count(),
        organization: memory.id(),
        vault: memory.id(),
        slot: memory.slot(),
        scope: memory.slots(),
        author: memory.id(),
        body_box: memory.sealed({
          id: 'memory',
          version: 'version',
          vault: 'vault',
          slot: 'slot',
          scope: 'scope',
        }),
        vector_box: nullable(
          memory.sealed({ id: 'memory', version: 'version', vault: 'vault', slot: 'slot', scope: 'scope' }),
        ),
        created_at: memory.time(),
        change: memory.count(),
      },
      key: ['memory', 'version'],
      indexes: [{ columns: ['slot'] }, { columns: ['change'] }],
    },
    superseded_slots: {
      columns: {
        slot: superseded.slot(),
        organization: superseded.id(),
        vault: superseded.id(),
        memory: superseded.id(),
        version: superseded.count(),
        due_at: superseded.time(),
        change: superseded.count(),
      },
      key: ['slot'],
      indexes: [{ columns: ['memory'] }, { columns: ['due_at'] }],
    },
    segments: {
      columns: {
        id: vault.id(),
        organization: vault.id(),
        vault: vault.id(),
        leaf: vault.slot(),
        slot: vault.slot(),
        state: vault.state(),
        epoch: vault.count(),
        through_change: vault.count(),
        blob: vault.blob(),
        cover: vault.slots(),
        created_at: vault.time(),
        change: vault.count(),
      },
      key: ['id'],
      indexes: [{ columns: ['organization', 'vault', 'leaf'] }],
      unbacked: 'derived',
    },
    api_keys: {
      columns: {
        id: credential.id(),
        organization: credential.id(),
        slot: credential.slot(),
        principal_slot: credential.slot(),
        state: credential.state(),
        environment: credential.setting(),
        hash_box: credential.sealed({ ...named, version: 1, slot: 'slot' }),
        pepper_slot: credential.slot(),
        settings_box: credential.sealed({ ...named, version: 1, slot: 'principal_slot' }),
        expires_at: nullable(credential.time()),
        created_at: credential.time(),
        revoked_at: nullable(credential.time()),
        change: credential.count(),
      },
      key: ['id'],
      indexes: [{ columns: ['organization', 'id'] }],
    },
    idempotency: {
      columns: {
        id: request.id(),
        organization: request.id(),
        principal: request.id(),
        digest: request.hash(),
        period: request.id(),
        status: request.number(),
        response_box: nullable(
          request.sealed({ id: 'id', version: 1, vault: null, slot: null, scope: null }),
        ),
        created_at: request.time(),
        change: request.count(),
      },
      key: ['id'],
      indexes: [
        { columns: ['organization', 'principal', 'digest'], unique: true },
        { columns: ['created_at'] },
      ],
      unbacked: 'short-lived',
    },
    ledger_heads: {
      columns: {
        log: ledger.id(),
        organization: ledger.id(),
        size: ledger.count(),
        frontier: ledger.proof(),
        generation: ledger.count(),
        change: ledger.count(),
      },
      key: ['log'],
    },
    ledger_entries: {
      columns: {
        log: entry.id(),
        n: entry.count(),
        organization: entry.id(),
        leaf: entry.proof(),
        box: nullable(entry.sealed({ id: null, version: null, vault: null, slot: null, scope: null })),
        at: entry.time(),
        principal: entry.id(),
        action: entry.setting(),
        change: entry.count(),
      },
      key: ['log', 'n'],
      indexes: [
        { columns: ['log', 'principal', 'n'] },
        { columns: ['log', 'action', 'n'] },
        { columns: ['log', 'at'] },
      ],
      appendOnly: true,
      clustered: true,
    },
    ledger_targets: {
      columns: {
        log: entry.id(),
        target: entry.id(),
        n: entry.count(),
        organization: entry.id(),
        change: entry.count(),
      },
      key: ['log', 'target', 'n'],
      appendOnly: true,
      clustered: true,
      unbacked: 'derived',
    },
    ledger_tiles: {
      columns: {
        log: ledger.id(),
        level: ledger.count(),
        tile: ledger.count(),
        organization: ledger.id(),
        hashes: ledger.proof(),
        change: ledger.count(),
      },
      key: ['log', 'level', 'tile'],
    },
    ledger_checkpoints: {
      columns: {
        log: ledger.id(),
        size: ledger.count(),
        organization: ledger.id(),
        note: ledger.note(),
        at: ledger.time(),
        change: ledger.count(),
      },
      key: ['log', 'size'],
      appendOnly: true,
    },
  },
} as const satisfies Migration;
