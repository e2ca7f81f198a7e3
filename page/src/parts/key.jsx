import { useEffect, useRef, useState } from "preact/hooks";
import { useKey } from "../session.js";

/** Asks for the API key. `reason` says why the last one was refused; null before the first. */
export function KeyForm({ reason }) {
  const [problem, setProblem] = useState(null);
  const input = useRef(null);
  useEffect(() => {
    document.title = "API key · Postdate";
    input.current.focus();
  }, []);
  const submit = (event) => {
    event.preventDefault();
    const text = new FormData(event.currentTarget).get("key").trim();
    if (/^[\x21-\x7e]+$/.test(text)) {
      useKey(text);
    } else {
      setProblem("A key consists of visible ASCII characters, without spaces.");
    }
  };
  const shown = problem ?? reason;
  return (
    <div class="key">
      <h1>API key</h1>
      <p class="muted" id="key-help">
        This server needs a key with the scope “read”; “change” and “deploy” for what you want to do here, and “operate” for metrics. The
        key stays in this tab, and is gone when you close it.
      </p>
      <form onSubmit={submit}>
        <label for="key">Key</label>
        <input
          ref={input}
          id="key"
          name="key"
          type="password"
          autocomplete="off"
          spellcheck={false}
          required
          aria-describedby="key-help key-problem"
        />
        <p id="key-problem" class="problem" role="alert">
          {shown}
        </p>
        <button type="submit" class="primary">
          Use this key
        </button>
      </form>
    </div>
  );
}
