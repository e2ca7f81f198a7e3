// Builds the page: `node build.mjs [OUT]`, by default into `target/page` of the project. Fails if the page is larger than its limit.
import { copyFile, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { build as bundle } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));

/** Limit of all files together, each in gzip, in bytes. */
export const MAX_GZIPPED_BYTES = 150 << 10;

/** Builds into the directory `out`, whose old content is deleted. Returns the size of each file, plain and in gzip. */
export async function build(out) {
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  const result = await bundle({
    absWorkingDir: here,
    entryPoints: { app: "src/main.jsx" },
    outdir: out,
    bundle: true,
    format: "esm",
    target: ["es2022"],
    jsx: "automatic",
    jsxImportSource: "preact",
    minify: true,
    legalComments: "none",
    metafile: true,
    logLevel: "warning",
  });
  await copyFile(join(here, "src/index.html"), join(out, "index.html"));
  await copyFile(join(here, "src/icon.svg"), join(out, "icon.svg"));
  await writeFile(join(out, "LICENSES.txt"), await licenses(Object.keys(result.metafile.inputs)));
  return sizes(out);
}

/** Returns the licences of the packages that are part of the bundle. Fails for a package without a licence file. */
async function licenses(inputs) {
  const packages = new Set(inputs.map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1]).filter(Boolean));
  const texts = [...packages].sort().map(async (name) => {
    const folder = join(here, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const file = (await readdir(folder)).find((name) => /^licen[cs]e/i.test(name));
    if (!file) {
      throw new Error(`the package ${name} ${version} has no licence file in ${folder}`);
    }
    return `${name} ${version} (${license})\n\n${(await readFile(join(folder, file), "utf8")).trim()}\n`;
  });
  return `The page contains these packages.\n\n${(await Promise.all(texts)).join(`\n${"-".repeat(80)}\n\n`)}`;
}

async function sizes(out) {
  const names = (await readdir(out)).sort();
  return Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(join(out, name));
      return { name, plain: bytes.length, gzipped: gzipSync(bytes, { level: 9 }).length };
    }),
  );
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const out = resolve(process.argv[2] ?? join(here, "../target/page"));
  const files = await build(out);
  const total = files.reduce((sum, file) => sum + file.gzipped, 0);
  for (const { name, plain, gzipped } of files) {
    console.log(`${name.padEnd(14)} ${String(plain).padStart(8)} bytes ${String(gzipped).padStart(8)} gzipped`);
  }
  console.log(`${out}: ${total} bytes gzipped`);
  if (total > MAX_GZIPPED_BYTES) {
    console.error(`the page has ${total} bytes gzipped; its limit is ${MAX_GZIPPED_BYTES}`);
    process.exit(1);
  }
}
