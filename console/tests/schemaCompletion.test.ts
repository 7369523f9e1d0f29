import { expect, test } from "vitest"
import { complete, type Schema } from "../src/pages/documents/schemaCompletion"

const STEP: Schema = {
  properties: { id: {}, delay: {}, send: { $ref: "#/$defs/Send" }, steps: { items: { $ref: "#/$defs/Step" } } },
}
const SCHEMA: Schema = {
  properties: {
    key: { description: "its key" },
    entry: { anyOf: [{ type: "string" }, { properties: { event: {}, reentry: { enum: ["never", "always"] } } }] },
    steps: { items: { $ref: "#/$defs/Step" } },
  },
  $defs: { Step: STEP, Send: { properties: { channel: { enum: ["email", "sms"] }, is_test: { type: "boolean" } } } },
}

test.each([
  ["", ["key", "entry", "steps"]],
  ["key: a\n", ["entry", "steps"]],
  ["entry:\n  ", ["event", "reentry"]],
  ["entry:\n  event: A\n  ", ["reentry"]],
  ["entry:\n  reentry: ", ["never", "always"]],
  ["steps:\n  - ", ["id", "delay", "send", "steps"]],
  ["steps:\n  - id: a\n    ", ["delay", "send", "steps"]],
  ["steps:\n  - id: a\n  - ", ["id", "delay", "send", "steps"]],
  ["steps:\n- id: a\n  send:\n    ", ["channel", "is_test"]],
  ["steps:\n- id: a\n  send:\n    channel: ", ["email", "sms"]],
  ["steps:\n- send:\n    is_test: ", ["true", "false"]],
  ["steps:\n  - steps:\n      - id: b\n        ", ["delay", "send", "steps"]],
  ["steps:\n  - id: a\n", ["key", "entry"]],
  ["unknown:\n  ", []],
])("after %j", (text, labels) => {
  expect(complete(SCHEMA, text).map(({ label }) => label)).toEqual(labels)
})
