import { useState } from "preact/hooks";
import { useLive } from "../live.js";
import { sizeText } from "../logic/size.js";
import { duration } from "../logic/time.js";
import { Dialog } from "../parts/dialog.jsx";
import { PauseDialog, Pauses } from "../parts/pauses.jsx";
import { Card, Codes, Fact, Fault, Heading, Pending, Since, Time, Updated, Version } from "../parts/small.jsx";
import { RequestLinks, State } from "../parts/use_case.jsx";
import { api, notice } from "../session.js";

/** One use case: state, versions, and what it may do. */
export function UseCase({ name }) {
  const live = useLive((signal) => api.useCase(name, signal), 10_000, [name], { isGone: ({ status }) => status === 404 });
  const versions = useLive((signal) => api.versions(name, signal), 30_000, [name], {
    isGone: ({ status }) => status === 404,
    byEvents: false,
  });
  const [act, setAct] = useState(null);
  const useCase = live.data;
  const refresh = () => {
    live.refresh();
    versions.refresh();
  };
  if (useCase === null) {
    return (
      <>
        <Heading>{name}</Heading>
        <Pending live={live} />
        <p>
          <a href="#/use-cases">All use cases</a>
        </p>
      </>
    );
  }
  return (
    <>
      <div class="view-head">
        <Heading>{name}</Heading>
        <State useCase={useCase} />
        <Updated at={live.at} />
        <div class="actions">
          <button type="button" onClick={() => setAct({ kind: "pause", useCase })}>
            Pause …
          </button>
        </div>
      </div>
      {live.error && <Fault error={live.error} />}
      {useCase.error && (
        <p class="fault">
          <strong>The newest version does not serve:</strong> {useCase.error}
        </p>
      )}
      <div class="columns">
        <div>
          <Facts useCase={useCase} onAct={setAct} />
          <Plugins useCase={useCase} />
          <Targets useCase={useCase} />
        </div>
        <div>
          <Card title="Versions">
            <Pending live={versions}>{(answer) => <Versions answer={answer} onAct={setAct} />}</Pending>
          </Card>
          <Cases answer={versions.data} />
        </div>
      </div>
      <PauseDialog act={act} onDone={refresh} onClose={() => setAct(null)} />
      {act?.kind === "roll-back" && (
        <RollBack name={name} from={useCase.version} to={act.version} onDone={refresh} onClose={() => setAct(null)} />
      )}
    </>
  );
}

function Facts({ useCase, onAct }) {
  const { name, description, version, update } = useCase;
  return (
    <Card title="State">
      {description && <p class="lead">{description}</p>}
      <dl class="facts">
        <Fact name="Version">
          <Version version={version} />
        </Fact>
        {update && (
          <Fact name="Next version">
            {update.state} for <Since at={update.since} />
          </Fact>
        )}
        <Fact name="Requests">
          <RequestLinks name={name} />
        </Fact>
      </dl>
      <Pauses useCase={useCase} onAct={onAct} />
    </Card>
  );
}

/** A caller that may not see the grants gets a use case without them. */
const HIDDEN = "A key with the scope “deploy” or “operate” sees what plugins and targets may do.";

function Plugins({ useCase: { version, plugins } }) {
  if (!plugins) {
    return <Card title="Plugins">{version && <p class="muted">{HIDDEN}</p>}</Card>;
  }
  return (
    <Card title="Plugins">
      {plugins.length === 0 && <p class="muted">None: any JSON object with a valid time is accepted.</p>}
      {plugins.map(({ role, plugin, memoryBytes, timeoutSeconds, headers, allowHttp, secrets }) => (
        <section key={role} class="part" aria-label={`Plugin ${role}`}>
          <h3>{role}</h3>
          <dl class="facts">
            <Fact name="File">
              <code>{plugin}</code>
            </Fact>
            <Fact name="Memory">at most {sizeText(memoryBytes)}</Fact>
            <Fact name="Time">at most {duration(timeoutSeconds * 1_000)} a call</Fact>
            {role === "validate" ? (
              <Fact name="Headers">
                <Codes texts={headers} />
              </Fact>
            ) : (
              <Fact name="May call">
                <Codes texts={allowHttp} none="nothing" />
              </Fact>
            )}
            <Fact name="Secrets">
              <Codes texts={secrets} />
            </Fact>
          </dl>
        </section>
      ))}
    </Card>
  );
}

function Targets({ useCase: { targets, reach } }) {
  if (!reach) {
    return (
      <Card title="Targets">
        <p class="links">
          <Codes texts={targets} />
        </p>
      </Card>
    );
  }
  return (
    <Card title="Targets">
      {reach.map(({ target, kind, isDefault, isDirect, address, secrets, concurrency, rate }) => (
        <section key={target} class="part" aria-label={`Target ${target}`}>
          <h3>
            <code>{target}</code>
            {isDefault && <span class="badge">default</span>}
            {isDirect && <span class="badge">direct</span>}
          </h3>
          <dl class="facts">
            <Fact name="Kind">{kind}</Fact>
            {address && (
              <Fact name="Address">
                <code>{address}</code>
              </Fact>
            )}
            {(concurrency || rate) && (
              <Fact name="Limits">{[concurrency && `${concurrency} at a time`, rate].filter(Boolean).join(", ")}</Fact>
            )}
            {secrets.length > 0 && (
              <Fact name="Secrets">
                <Codes texts={secrets} />
              </Fact>
            )}
          </dl>
        </section>
      ))}
    </Card>
  );
}

function Versions({ answer: { versions, fixed, more }, onAct }) {
  if (versions.length === 0) {
    return <p class="muted">{fixed ? `No version is stored: ${fixed}.` : "No version is stored yet."}</p>;
  }
  return (
    <>
      <ol class="versions">
        {versions.map((version) => (
          <li key={version.version}>
            <StoredVersion version={version} canRollBack={!fixed} onAct={onAct} />
          </li>
        ))}
      </ol>
      {more > 0 && <p class="muted">And {more} older ones, which the server's store has.</p>}
      {fixed && <p class="muted note">This server cannot go back to one of them: {fixed}.</p>}
    </>
  );
}

function StoredVersion({ version: stored, canRollBack, onAct }) {
  const { version, serves, isCurrent, servedUntil, pushedAt, pushedBy, bytes, signedBy = [], error } = stored;
  return (
    <>
      <p class="version">
        <Version version={version} />
        <span class="badges">
          {serves && <span class="badge succeeded">serves</span>}
          {isCurrent && !serves && <span class="badge warn">to serve next</span>}
          {error && <span class="badge failed">unusable</span>}
        </span>
        {canRollBack && !serves && !isCurrent && !error && (
          <button
            type="button"
            onClick={() => onAct({ kind: "roll-back", version: stored })}
            aria-label={`Roll back to version ${version}`}
          >
            Roll back …
          </button>
        )}
      </p>
      {error ? (
        <p class="failure">{error}</p>
      ) : (
        <p class="muted">
          pushed <Time at={pushedAt} /> by {pushedBy} · {sizeText(bytes)}
          {signedBy.length > 0 && <> · signed by {signedBy.join(", ")}</>}
        </p>
      )}
      {servedUntil && (
        <p class="muted">
          served until <Time at={servedUntil} />
        </p>
      )}
    </>
  );
}

/** The test cases of the version that serves. The host has run them before it served. */
function Cases({ answer }) {
  const cases = answer?.versions.find(({ serves }) => serves)?.cases;
  if (!cases) {
    return null;
  }
  return (
    <Card title="Test cases" note="of the version that serves">
      {cases.length === 0 ? (
        <p class="muted">None.</p>
      ) : (
        <ul class="cases">
          {cases.map((name) => (
            <li key={name}>
              <code>{name}</code>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function RollBack({ name, from, to: { version, pushedAt, pushedBy }, onDone, onClose }) {
  const rollBack = async () => {
    const answer = await api.rollBack(name, version);
    notice.set(`Version ${answer.version} of ${name} serves again.`);
    onDone();
  };
  return (
    <Dialog title={`Roll back ${name}`} confirm="Roll back" onConfirm={rollBack} onClose={onClose}>
      <p>
        New requests go to version <Version version={version} />, pushed <Time at={pushedAt} /> by {pushedBy}, instead of{" "}
        <Version version={from} />.
      </p>
      <p>
        Accepted requests keep the version that validated them, unless the manifest says otherwise. Plugins whose machine code is gone are
        compiled first, which takes up to minutes.
      </p>
    </Dialog>
  );
}
