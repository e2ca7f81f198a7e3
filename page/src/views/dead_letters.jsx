import { useState } from "preact/hooks";
import { useLive } from "../live.js";
import { requestLink } from "../logic/route.js";
import { Dialog } from "../parts/dialog.jsx";
import { Heading, Pending, Time, Updated } from "../parts/small.jsx";
import { api, notice } from "../session.js";

/** The dead-letter queue on AWS: events that could not be delivered, and failed requests. `postdate ui` has them, if it knows the queue. */
export function DeadLetters() {
  const live = useLive((signal) => api.deadLetters(signal), 60_000, [], { isGone: ({ status }) => status === 404, byEvents: false });
  const [act, setAct] = useState(null);
  return (
    <>
      <div class="view-head">
        <Heading>Dead letters</Heading>
        <Updated at={live.at} />
        <div class="actions">
          <button type="button" onClick={live.refresh}>
            Read again
          </button>
        </div>
      </div>
      <Pending live={live}>{(answer) => <Letters answer={answer} onAct={setAct} />}</Pending>
      {act && <Act {...act} onDone={live.refresh} onClose={() => setAct(null)} />}
    </>
  );
}

function Letters({ answer: { deadLetters, canRedrive, isComplete }, onAct }) {
  if (deadLetters.length === 0) {
    return <p class="empty">The dead-letter queue is empty.</p>;
  }
  return (
    <>
      {/* The roles survive the styles of a narrow window, where the table is no table any more. */}
      <table class="requests" role="table" aria-label="Dead letters">
        <thead role="rowgroup">
          <tr role="row">
            {["Sent", "Request", "Use case", "Reason", "Actions"].map((text) => (
              <th key={text} role="columnheader" scope="col">
                {text}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {deadLetters.map((letter) => (
            <Row key={letter.messageId} letter={letter} canRedrive={canRedrive} onAct={onAct} />
          ))}
        </tbody>
      </table>
      {!isComplete && <p class="muted more">The queue may have more letters than these {deadLetters.length}.</p>}
      {!canRedrive && (
        <p class="muted more">
          Start <code>postdate ui</code> with <code>--to</code> and the URL of the delay queue to send letters again.
        </p>
      )}
    </>
  );
}

function Row({ letter, canRedrive, onAct }) {
  const { correlationId: id, messageId, useCase, sent, reason, stays } = letter;
  return (
    <tr role="row">
      <td role="cell" class="when">
        <Time at={sent} />
      </td>
      <td role="cell" class="break">
        {id ? <a href={requestLink(id)}>{id}</a> : <span class="muted">none</span>}
      </td>
      <td role="cell">{useCase}</td>
      <td role="cell" class="notes">
        <span class="bad-text">{reason}</span>
        {stays && <span class="muted">Cannot be sent again: {stays}.</span>}
      </td>
      <td role="cell" class="row-actions">
        {canRedrive && !stays && (
          <button type="button" onClick={() => onAct({ kind: "redrive", letter })}>
            Send again …<span class="hidden"> the letter of request {id}</span>
          </button>
        )}
        <button type="button" class="danger-quiet" onClick={() => onAct({ kind: "delete", letter })}>
          Delete …<span class="hidden"> {id ? `the letters of request ${id}` : `the letter ${messageId}`}</span>
        </button>
      </td>
    </tr>
  );
}

function Act({ kind, letter: { correlationId: id, messageId }, onDone, onClose }) {
  if (kind === "redrive") {
    const redrive = async () => {
      await api.redrive(messageId);
      notice.set("The letter was sent to the target host again.");
      onDone();
    };
    return (
      <Dialog title="Send this letter again" confirm="Send again" onConfirm={redrive} onClose={onClose}>
        <p>It goes to the target host by the delay queue, and leaves the dead-letter queue.</p>
        <p>It runs the attempt that it is about. If a later attempt has begun since, it runs nothing.</p>
      </Dialog>
    );
  }
  const remove = async () => {
    const { deleted } = await api.deleteLetters(id ?? messageId);
    notice.set(`${deleted === 1 ? "One letter is" : `${deleted} letters are`} deleted.`);
    onDone();
  };
  return (
    <Dialog
      title={id ? "Delete the letters of this request" : "Delete this letter"}
      confirm="Delete for ever"
      isDangerous
      onConfirm={remove}
      onClose={onClose}
    >
      <p>
        {id ? "Every letter of the request leaves the queue" : "It leaves the queue"}, with the body that it may carry. This cannot be
        undone.
      </p>
      {id && (
        <p>
          The request itself stays as it is: <a href={requestLink(id)}>erase it there</a>, if nobody shall read it any more.
        </p>
      )}
    </Dialog>
  );
}
