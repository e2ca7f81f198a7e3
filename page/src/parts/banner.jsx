import { away, ticking, tryAgain } from "../session.js";
import { useStore } from "../store.js";

/** Says that the server is away, and when the next try is. */
export function Banner() {
  const state = useStore(away);
  useStore(ticking);
  return (
    <div role="alert">
      {state && (
        <div class="banner">
          <p>The server is away: {state.reason}. The page shows what it had last, and goes on by itself.</p>
          <span aria-hidden="true">{next(state.nextAt)}</span>
          <button type="button" onClick={tryAgain} disabled={state.nextAt === null}>
            Try now
          </button>
        </div>
      )}
    </div>
  );
}

function next(at) {
  const seconds = at === null ? 0 : Math.ceil((at - Date.now()) / 1_000);
  return seconds > 0 ? `next try in ${seconds} s` : "trying …";
}
