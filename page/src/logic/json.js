// JSON as text. A parser would round long numbers and drop repeated keys, and the page shows bodies as they are.

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:,]|[^\s"{}[\]:,]+/gs;

/** Returns JSON text with line breaks and indents, every token unchanged. Returns any other text as it is. */
export function pretty(text) {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  const tokens = text.match(TOKEN) ?? [];
  const lines = [];
  let line = "";
  let depth = 0;
  const breakLine = () => {
    lines.push(line);
    line = "  ".repeat(depth);
  };
  tokens.forEach((token, at) => {
    if ("{[".includes(token)) {
      line += token;
      depth += 1;
      if (!"}]".includes(tokens[at + 1])) {
        breakLine();
      }
    } else if ("}]".includes(token)) {
      depth -= 1;
      if (!"{[".includes(tokens[at - 1])) {
        breakLine();
      }
      line += token;
    } else if (token === ",") {
      line += token;
      breakLine();
    } else {
      line += token === ":" ? ": " : token;
    }
  });
  lines.push(line);
  return lines.join("\n");
}

/** Returns the text of the member `name` of a JSON object; null if there is none. `text` must be JSON. */
export function member(text, name) {
  let depth = 0;
  let key = null;
  let start = null;
  for (const match of text.matchAll(TOKEN)) {
    const token = match[0];
    if (depth === 1 && start !== null && (token === "," || token === "}")) {
      if (key === name) {
        return text.slice(start, match.index).trim();
      }
      [key, start] = [null, null];
    }
    if ("{[".includes(token)) {
      depth += 1;
    } else if ("}]".includes(token)) {
      depth -= 1;
    } else if (depth === 1 && key === null && token.startsWith('"')) {
      key = JSON.parse(token);
    } else if (depth === 1 && start === null && token === ":") {
      start = match.index + 1;
    }
  }
  return null;
}
