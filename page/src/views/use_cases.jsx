import { useState } from "preact/hooks";
import { useLive } from "../live.js";
import { useCaseLink } from "../logic/route.js";
import { PauseDialog, Pauses } from "../parts/pauses.jsx";
import { Heading, Pending, Since, Updated, Version } from "../parts/small.jsx";
import { RequestLinks, State } from "../parts/use_case.jsx";
import { api } from "../session.js";

export function UseCases() {
  const live = useLive((signal) => api.useCases(signal), 10_000, []);
  const [act, setAct] = useState(null);
  return (
    <>
      <div class="view-head">
        <Heading>Use cases</Heading>
        <Updated at={live.at} />
      </div>
      <Pending live={live}>
        {(useCases) =>
          useCases.length === 0 ? (
            <p class="empty">
              No use case is served, or your key sees none. <code>postdate use-case push</code> brings one.
            </p>
          ) : (
            <ul class="use-cases">
              {useCases.map((useCase) => (
                <UseCase key={useCase.name} useCase={useCase} onAct={setAct} />
              ))}
            </ul>
          )
        }
      </Pending>
      <PauseDialog act={act} onDone={live.refresh} onClose={() => setAct(null)} />
    </>
  );
}

function UseCase({ useCase, onAct }) {
  const { name, description, version, targets, error, update } = useCase;
  return (
    <li class="card">
      <header class="card-head">
        <h2>
          <a href={useCaseLink(name)}>{name}</a>
        </h2>
        <State useCase={useCase} />
        <div class="card-actions">
          <button type="button" onClick={() => onAct({ kind: "pause", useCase })} aria-label={`Pause ${name}`}>
            Pause …
          </button>
        </div>
      </header>
      {description && <p>{description}</p>}
      {error && (
        <p class="fault">
          <strong>The newest version does not serve:</strong> {error}
        </p>
      )}
      <dl class="facts">
        <dt>Version</dt>
        <dd>
          <Version version={version} />
        </dd>
        {update && (
          <>
            <dt>Next version</dt>
            <dd>
              {update.state} for <Since at={update.since} />
            </dd>
          </>
        )}
        <dt>Targets</dt>
        <dd>{targets.length === 0 ? <span class="muted">none</span> : targets.map((target) => <code key={target}>{target}</code>)}</dd>
        <dt>Requests</dt>
        <dd class="links">
          <RequestLinks name={name} />
        </dd>
      </dl>
      <Pauses useCase={useCase} onAct={onAct} />
    </li>
  );
}
