// Reads the body of `fetch`'s answer as text: at most `limit` bytes of it. `truncated` is true if that is not the whole body: it was
// longer, or the connection broke before its end. The server has answered with its status in both cases. `answer.text()` throws at a
// body that breaks off, and a processor that fails there asks a server for work that it has done.
export async function read(answer, limit = 1 << 20) {
  const chunks = [];
  let length = 0;
  let truncated = false;
  const reader = answer.body?.getReader();
  while (reader && !truncated) {
    // A rejected read is a body that breaks off.
    const { done, value } = await reader.read().catch(() => ({ done: true, value: null }));
    if (done) {
      truncated = value === null;
      break;
    }
    chunks.push(value.subarray(0, limit - length));
    length += value.length;
    truncated = length > limit;
  }
  const bytes = new Uint8Array(Math.min(length, limit));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return { body: new TextDecoder().decode(bytes), truncated };
}
