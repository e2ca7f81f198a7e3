/**
 * Returns a function that takes pieces of a stream of server-sent events, and calls `onEvent` with the type and the data of each event.
 * Follows the HTML standard's section on parsing an event stream.
 */
export function eventParser(onEvent) {
  let rest = "";
  let type = "message";
  let data = [];
  const line = (text) => {
    if (text === "") {
      if (data.length > 0) {
        onEvent({ type, data: data.join("\n") });
      }
      [type, data] = ["message", []];
      return;
    }
    const at = text.indexOf(":");
    const name = at < 0 ? text : text.slice(0, at);
    const value = at < 0 ? "" : text.slice(at + 1).replace(/^ /, "");
    if (name === "event") {
      type = value;
    } else if (name === "data") {
      data.push(value);
    }
  };
  return (piece) => {
    rest += piece;
    // A CR at the end may be the first half of a CRLF.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    lines.forEach(line);
  };
}
