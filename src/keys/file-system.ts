/** Which file system a folder lies on, and whether overwriting in place reaches what was there. */
import { statfs } from 'node:fs/promises';

export interface FileSystem {
  readonly name: string;
  /** Known to keep overwritten blocks: copy-on-write, log-structured. */
  readonly keepsOverwritten: boolean;
}

/** Magic numbers of statfs(2). */
const FILE_SYSTEMS: Readonly<Record<number, FileSystem>> = {
  0xef53: { name: 'ext', keepsOverwritten: false },
  0x58465342: { name: 'xfs', keepsOverwritten: false },
  0x01021994: { name: 'tmpfs', keepsOverwritten: false },
  0x9123683e: { name: 'btrfs', keepsOverwritten: true },
  0x2fc12fc1: { name: 'zfs', keepsOverwritten: true },
  0x794c7630: { name: 'overlayfs', keepsOverwritten: true },
  0xf2f52010: { name: 'f2fs', keepsOverwritten: true },
};

/** Null where the folder cannot be looked at. */
export async function fileSystemOf(folder: string): Promise<FileSystem | null> {
  const found = await statfs(folder).catch(() => null);
  if (found === null) return null;
  return FILE_SYSTEMS[found.type] ?? { name: `0x${found.type.toString(16)}`, keepsOverwritten: false };
}
