import { useEffect, useRef, useState } from "preact/hooks";
import { Fault } from "./small.jsx";

/**
 * Asks before something is done. `onConfirm` does it, and gets the form's data; the dialog closes when it has succeeded, and shows its
 * error otherwise. `isDangerous` for what cannot be undone.
 */
export function Dialog({ title, confirm, isDangerous = false, onConfirm, onClose, children }) {
  const dialog = useRef(null);
  const [error, setError] = useState(null);
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    dialog.current.showModal();
  }, []);

  const submit = async (event) => {
    event.preventDefault();
    if (isBusy) {
      return;
    }
    setBusy(true);
    setError(null);
    try {
      await onConfirm(new FormData(event.currentTarget));
      dialog.current.close();
    } catch (error) {
      setError(error);
      setBusy(false);
    }
  };

  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onClose={onClose}>
      <form onSubmit={submit}>
        <h2 id="dialog-title">{title}</h2>
        <div class="dialog-body">{children}</div>
        {error && <Fault error={error} />}
        <div class="dialog-actions">
          <button type="button" onClick={() => dialog.current.close()}>
            Back
          </button>
          <button type="submit" class={isDangerous ? "danger" : "primary"} disabled={isBusy}>
            {isBusy ? "Working …" : confirm}
          </button>
        </div>
      </form>
    </dialog>
  );
}
