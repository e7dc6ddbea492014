// Two small pieces of state that the browser keeps for us.
import { useEffect, useState, useSyncExternalStore } from "react";

/** The part of the address behind `#`: which channel is open.  A link to a channel can be shared. */
export function useHash(): string {
  return useSyncExternalStore(onHashChange, () => decodeURIComponent(location.hash.slice(1)));
}

function onHashChange(listener: () => void): () => void {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
}

/** Text that survives a reload, but is not shared with other tabs: open two and talk to yourself. */
export function useStoredText(key: string, initial: () => string) {
  const [text, setText] = useState(() => sessionStorage.getItem(key) ?? initial());
  useEffect(() => sessionStorage.setItem(key, text), [key, text]);
  return [text, setText] as const;
}
