// Build the scripts that the API serves (api/scripts/), and dist/ for npm. `node build.mjs FOLDER` writes the scripts there.

import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { build, transform } from "esbuild"

// A style sheet is text in the script: a strict CSP allows no other way in.
const style = {
  name: "style",
  setup: ({ onLoad }) =>
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path), { loader: "css", minify: true })
      return { contents: code.trim(), loader: "text" }
    }),
}
const common = {
  absWorkingDir: import.meta.dirname,
  bundle: true,
  target: "es2020",
  charset: "utf8",
  plugins: [style],
  logLevel: "warning",
}
const script = { ...common, format: "iife", minify: true, banner: { js: "/* @sojourn/browser, Apache-2.0 */" } }

const folder = process.argv[2] ?? join(import.meta.dirname, "../api/scripts")
const views = join(folder, "sojourn-views.js")
await build({ ...script, entryPoints: ["src/views/index.ts"], outfile: views, globalName: "sojournViews" })
const digest = createHash("sha384").update(await readFile(views)).digest()
const define = {
  VIEWS_INTEGRITY: JSON.stringify(`sha384-${digest.toString("base64")}`),
  // As api/script_builds.py names it.
  VIEWS_ADDRESS: JSON.stringify(`sojourn-views-${digest.toString("hex").slice(0, 12)}.js`),
}
await build({ ...script, entryPoints: ["src/tag.ts"], outfile: join(folder, "sojourn.js"), define })
if (process.argv.length === 2) {
  await build({ ...common, entryPoints: ["src/index.ts"], outdir: "dist", format: "esm", splitting: true })
}
