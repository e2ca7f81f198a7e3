import { useEffect, useState } from "preact/hooks";

/** Makes a value that components can watch. */
export function makeStore(initial) {
  let value = initial;
  const watchers = new Set();
  return {
    get: () => value,
    set(next) {
      if (!Object.is(next, value)) {
        value = next;
        [...watchers].forEach((watcher) => watcher());
      }
    },
    watch(watcher) {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
  };
}

/** Returns the store's value, and renders again after each change. */
export function useStore(store) {
  const [value, setValue] = useState(store.get());
  useEffect(() => {
    const update = () => setValue(store.get());
    update();
    return store.watch(update);
  }, [store]);
  return value;
}
