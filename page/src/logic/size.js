const UNITS = ["KiB", "MiB", "GiB"];

/** Returns a number of bytes in the largest unit of which there is one, with at most one digit after the point. */
export function sizeText(bytes) {
  if (bytes < 1024) {
    return `${bytes} bytes`;
  }
  let [size, unit] = [bytes / 1024, 0];
  while (size >= 1024 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${size >= 100 ? Math.round(size) : Math.round(size * 10) / 10} ${UNITS[unit]}`;
}
