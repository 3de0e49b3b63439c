/** For sabotages: an object that is another one but for the functions given. */
export function replaced<T extends object>(real: T, changes: Partial<T>): T {
  return new Proxy(real, {
    get: (target, name) => {
      if (Object.hasOwn(changes, name)) return Reflect.get(changes, name) as unknown;
      const value: unknown = Reflect.get(target, name);
      // Private fields belong to the real object.
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
