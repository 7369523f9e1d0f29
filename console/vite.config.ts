import { defineConfig } from "vitest/config"

// `npm run dev` serves the sources, and takes the rest from the API of `sojourn dev`.
const api = "http://127.0.0.1:8080"

export default defineConfig({
  base: "/console/",
  build: {
    // Those that know light-dark(), and so need no second style sheet.
    target: ["chrome123", "firefox120", "safari17.5"],
    modulePreload: { polyfill: false },
    // An asset as a data URL would need a wider policy.
    assetsInlineLimit: 0,
    license: { fileName: "assets/licenses.md" },
    reportCompressedSize: false,
    rolldownOptions: {
      // Libraries ask for client components by a directive that means nothing here.
      onwarn: (warning, warn) => {
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") warn(warning)
      },
      output: {
        // Libraries stand alone: what changes with the console is small, here and in a browser's cache.
        codeSplitting: {
          groups: [
            // First, since a group takes along what its modules import: every page needs these.
            { name: "library", test: /node_modules\/(react|react-dom|scheduler|use-sync-external-store|@tanstack|openapi-)/ },
            { name: "editor", test: /node_modules\/(@codemirror|@lezer|style-mod|w3c-keyname|crelt|@marijn)/ },
            { name: "diagram", test: /node_modules\/(@xyflow|@dagrejs|zustand|classcat|d3-(?!sankey|path|shape|array))/ },
          ],
        },
      },
    },
  },
  server: { proxy: { "^/(v1|problems)": api } },
  test: { include: ["tests/*.test.ts"] },
})
