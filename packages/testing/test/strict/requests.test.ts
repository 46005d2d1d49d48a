/** What the strict backend refuses, in the real one's words; each row is a rule. */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import { assert, describe, it } from "@effect/vitest"
import * as ModelCatalogue from "@effect-codex/schema/ModelCatalogue"
import { BackendServer } from "@effect-codex/testing/node"
import * as Script from "@effect-codex/testing/Script"
import * as StrictBackend from "@effect-codex/testing/StrictBackend"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Answer, body, credentials, get, type Json, post, user } from "./support.ts"

interface Refused {
  readonly status?: number
  /** The text in `detail`, or the message of `error`. */
  readonly says: string | RegExp
  readonly param?: string | null
  readonly code?: string | null
}

type Row = readonly [name: string, body: unknown, refused: Refused]

const call = (fields: Json = {}) => ({
  type: "function_call",
  call_id: "call_1",
  name: "f",
  arguments: "{}",
  ...fields
})
const output = (fields: Json = {}) => ({ type: "function_call_output", call_id: "call_1", output: "x", ...fields })
const input = (...items: ReadonlyArray<unknown>) => body({ input: [user("Hi"), ...items] })
const tool = (parameters: unknown, more: Json = {}) =>
  body({ tools: [{ type: "function", name: "f", strict: false, parameters, ...more }] })
const strict = (parameters: unknown) => tool(parameters, { strict: true })
const object = (properties: Json, more: Json = {}) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...more
})
const format = (schema: unknown, more: Json = {}) =>
  body({ text: { format: { type: "json_schema", name: "answer", strict: true, schema, ...more } } })

const parameters = "tools[0].parameters"
const functionSchema = (says: string): Refused => ({
  says: `Invalid schema for function 'f': ${says}`,
  param: parameters,
  code: "invalid_function_parameters"
})

const topLevel: ReadonlyArray<Row> = [
  ["store left out", body({ store: undefined }), { says: "Store must be set to false" }],
  ["store: true", body({ store: true }), { says: "Store must be set to false" }],
  ["stream left out", body({ stream: undefined }), { says: "Stream must be set to true" }],
  ["stream: false", body({ stream: false }), { says: "Stream must be set to true" }],
  ["no instructions", body({ instructions: undefined }), { says: "Instructions are required" }],
  [
    "instructions of another type",
    body({ instructions: ["x"] }),
    {
      says: "Invalid type for 'instructions': expected a string, but got an array instead.",
      param: "instructions",
      code: "invalid_type"
    }
  ],
  ...[
    "temperature",
    "top_p",
    "max_output_tokens",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "metadata",
    "top_logprobs",
    "truncation",
    "user",
    "context_management",
    "prompt_cache_retention",
    "safety_identifier",
    "previous_response_id",
    "background",
    "conversation",
    "max_tool_calls",
    "prompt"
  ].map((key): Row => [key, body({ [key]: 1 }), { says: `Unsupported parameter: ${key}` }]),
  [
    "an unknown parameter",
    body({ foo: 1 }),
    { says: "Unknown parameter: 'foo'.", param: "foo", code: "unknown_parameter" }
  ],
  ...["fast", "flex", "turbo", "auto"].map(
    (tier): Row => [
      `the service tier ${tier}`,
      body({ service_tier: tier }),
      { says: `Unsupported service_tier: ${tier}` }
    ]
  ),
  ...[
    ["model", 5, "a string", "an integer"],
    ["tools", {}, "an array of objects", "an object"],
    ["tool_choice", 1, "one of an object or string", "an integer"],
    ["reasoning", "high", "an object", "a string"],
    ["reasoning.effort", 3, "a string", "an integer"],
    ["reasoning.summary", true, "a string", "a boolean"],
    ["text", [], "an object", "an array"],
    ["text.format", "json", "an object", "a string"],
    ["include", "all", "an array of strings", "a string"],
    ["prompt_cache_key", 5, "a string", "an integer"],
    ["client_metadata", "x", "an object", "a string"]
  ].map(([path, value, expected, got]): Row => {
    const [field = "", inner] = String(path).split(".")
    return [
      `${path} that is ${got}`,
      body({ [field]: inner === undefined ? value : { [inner]: value } }),
      {
        says: `Invalid type for '${path}': expected ${expected}, but got ${got} instead.`,
        param: String(path),
        code: "invalid_type"
      }
    ]
  }),
  [
    "another context of reasoning",
    body({ reasoning: { context: "some" } }),
    { says: /^Invalid value: 'some'/, param: "reasoning.context" }
  ],
  [
    "a verbosity where the model has none",
    body({ model: "gpt-5.4-lite", text: { verbosity: "low" } }),
    { says: /^Unsupported value: 'low' is not supported with the 'gpt-5.4-lite' model/, code: "unsupported_value" }
  ],
  [
    "another format",
    body({ text: { format: { type: "yaml" } } }),
    { says: /^Invalid value: 'yaml'/, param: "text.format.type" }
  ],
  [
    "no model",
    body({ model: undefined }),
    { says: "Missing required parameter: 'model'.", param: "model", code: "missing_required_parameter" }
  ],
  [
    "an unknown model",
    body({ model: "gpt-x" }),
    { status: 404, says: "Model not found gpt-x", param: "model", code: null }
  ],
  [
    "a model of another plan",
    body({ model: "gpt-6-sol" }),
    { says: "The 'gpt-6-sol' model is not supported when using Codex with a ChatGPT account." }
  ],
  [
    "an effort the model lacks",
    body({ reasoning: { effort: "minimal" } }),
    {
      says: "Unsupported value: 'minimal' is not supported with the 'gpt-5.5' model. Supported values are: 'low', 'medium', 'high', and 'xhigh'.",
      param: "reasoning.effort",
      code: "unsupported_value"
    }
  ],
  [
    "an effort of the clients' own",
    body({ reasoning: { effort: "ultra" } }),
    { says: /^Unsupported value: 'ultra'/, code: "unsupported_value" }
  ],
  [
    "another summary",
    body({ reasoning: { summary: "long" } }),
    {
      says: "Invalid value: 'long'. Supported values are: 'concise', 'detailed', and 'auto'.",
      param: "reasoning.summary",
      code: "invalid_value"
    }
  ],
  [
    "another verbosity",
    body({ text: { verbosity: "huge" } }),
    { says: /^Invalid value: 'huge'/, param: "text.verbosity" }
  ],
  [
    "something else to include",
    body({ include: ["everything"] }),
    { says: /^Invalid value: 'everything'/, param: "include[0]" }
  ],
  [
    "a long cache key",
    body({ prompt_cache_key: "k".repeat(65) }),
    { says: /^Invalid 'prompt_cache_key': string too long/, param: "prompt_cache_key", code: "string_above_max_length" }
  ],
  [
    "metadata that is not text",
    body({ client_metadata: { a: 1 } }),
    { says: /^Invalid type for 'client_metadata.a'/, param: "client_metadata.a" }
  ],
  [
    "parallel_tool_calls of another type",
    body({ parallel_tool_calls: "yes" }),
    { says: /^Invalid type for 'parallel_tool_calls'/, code: "invalid_type" }
  ],
  ["an input that is text", body({ input: "Hi" }), { says: "Input must be a list" }],
  ["no input", body({ input: undefined }), { says: "Missing required parameter: 'input'." }],
  [
    "an empty input",
    body({ input: [] }),
    { says: /must be provided/, param: "input", code: "missing_required_parameter" }
  ],
  [
    "no effort at all where the model has no such level",
    body({ model: "gpt-5.4-lite", reasoning: { effort: "none" } }),
    { says: /^Unsupported value: 'none'/, code: "unsupported_value" }
  ],
  [
    "more than the window",
    body({ input: [user("word ".repeat(300_000))] }),
    { says: /exceeds the context window/, code: "context_length_exceeded" }
  ],
  ["no JSON", "not JSON", { says: /could not parse the JSON body/ }],
  ["a list", [], { says: /^Invalid type for 'body'/ }]
]

const items: ReadonlyArray<Row> = [
  [
    "an item that is text",
    input("x"),
    { says: "Invalid type for 'input[1]': expected an object, but got a string instead.", param: "input[1]" }
  ],
  ["an item without a type", input({ id: "x" }), { says: "Missing required parameter: 'input[1].type'." }],
  [
    "an item of another type",
    input({ type: "magic" }),
    { says: /^Invalid value: 'magic'/, param: "input[1]", code: "invalid_value" }
  ],
  ["an item of an inherited name", input({ type: "toString" }), { says: /^Invalid value: 'toString'/ }],
  [
    "a call without arguments",
    input(call({ arguments: undefined }), output()),
    { says: "Missing required parameter: 'input[1].arguments'.", code: "missing_required_parameter" }
  ],
  [
    "arguments that are not text",
    input(call({ arguments: { a: 1 } }), output()),
    {
      says: "Invalid type for 'input[1].arguments': expected a string, but got an object instead.",
      code: "invalid_type"
    }
  ],
  [
    "arguments too long",
    input(call({ arguments: "x".repeat(1_048_577) }), output()),
    {
      says: "Invalid 'input[1].arguments': string too long. Expected a string with maximum length 1048576, but instead got a string with length 1048577 instead.",
      param: "input[1].arguments",
      code: "string_above_max_length"
    }
  ],
  [
    "an output too long",
    input(call(), output({ output: "x".repeat(10_485_761) })),
    { says: /^Invalid 'input\[2\].output': string too long/, code: "string_above_max_length" }
  ],
  [
    "the input of a custom tool too long",
    input(
      { type: "custom_tool_call", call_id: "call_1", name: "g", input: "x".repeat(10_485_761) },
      { type: "custom_tool_call_output", call_id: "call_1", output: "x" }
    ),
    { says: /^Invalid 'input\[1\].input': string too long/, code: "string_above_max_length" }
  ],
  [
    "a text too long",
    input(user("x".repeat(10_485_761))),
    { says: /^Invalid 'input\[1\].content\[0\].text': string too long/, code: "string_above_max_length" }
  ],
  [
    "an output of another type",
    input(call(), output({ output: { a: 1 } })),
    {
      says: "Invalid type for 'input[2].output': expected one of an array of objects or string, but got an object instead.",
      code: "invalid_type"
    }
  ],
  [
    "an output that is a picture of words",
    input(call(), output({ output: [{ type: "output_text", text: "x" }] })),
    { says: /^Invalid value: 'output_text'/, param: "input[2].output[0]" }
  ],
  [
    "a phase of another type",
    input({ type: "message", role: "assistant", phase: 1, content: [] }),
    { says: /^Invalid type for 'input\[1\].phase'/ }
  ],
  [
    "an image of no address",
    input({ type: "message", role: "user", content: [{ type: "input_image" }] }),
    { says: "Missing required parameter: 'input[1].content[0].image_url'." }
  ],
  ...[
    ["message", "msg"],
    ["reasoning", "rs"],
    ["custom_tool_call", "ctc"],
    ["web_search_call", "ws"],
    ["image_generation_call", "ig"],
    ["compaction", "cmp"]
  ].map(
    ([type = "", prefix = ""]): Row => [
      `an id of another kind, ${type}`,
      input({
        type,
        id: "x_1",
        role: "user",
        content: [],
        summary: [],
        call_id: "call_1",
        name: "g",
        input: "x",
        encrypted_content: "gAAAAABother"
      }),
      { says: `Invalid 'input[1].id': 'x_1'. Expected an ID that begins with '${prefix}'.`, param: "input[1].id" }
    ]
  ),
  [
    "a part of an output too long",
    input(call(), output({ output: [{ type: "input_text", text: "x".repeat(10_485_761) }] })),
    { says: /^Invalid 'input\[2\].output\[0\].text': string too long/, code: "string_above_max_length" }
  ],
  [
    "an output that names its tool wrongly",
    input(call(), output({ name: "a.b" })),
    { says: /does not match pattern/, param: "input[2].name" }
  ],
  [
    "too many items",
    body({ input: Array.from({ length: 131_073 }, () => ({})) }),
    {
      says: /^Invalid 'input': array too long. Expected an array with maximum length 131072/,
      code: "array_above_max_length"
    }
  ],
  ...["functions.exec", "run shell cmd", "a\u0000b"].map(
    (name): Row => [
      `the name ${JSON.stringify(name)}`,
      input(call({ name }), output()),
      {
        says: "Invalid 'input[1].name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
        param: "input[1].name",
        code: "invalid_value"
      }
    ]
  ),
  [
    "an empty name",
    input(call({ name: "" }), output()),
    { says: /empty string/, param: "input[1].name", code: "empty_string" }
  ],
  [
    "a name too long",
    input(call({ name: "n".repeat(67) }), output()),
    { says: /string too long/, param: "input[1].name" }
  ],
  [
    "a call id too long",
    input(call({ call_id: "c".repeat(65) }), output({ call_id: "c".repeat(65) })),
    { says: /string too long/, param: "input[1].call_id" }
  ],
  [
    "an id of another kind",
    input(call({ id: "msg_1" }), output()),
    { says: "Invalid 'input[1].id': 'msg_1'. Expected an ID that begins with 'fc'.", param: "input[1].id" }
  ],
  [
    "an id too long",
    input(call({ id: `fc_${"x".repeat(62)}` }), output()),
    { says: /string too long/, param: "input[1].id" }
  ],
  [
    "one id twice",
    input(call({ id: "fc_1" }), output(), call({ id: "fc_1", call_id: "call_2" }), output({ call_id: "call_2" })),
    { says: /^Duplicate item found with id fc_1/, param: "input" }
  ],
  [
    "reasoning without a summary",
    input({ type: "reasoning" }),
    { says: "Missing required parameter: 'input[1].summary'." }
  ],
  [
    "the assistant's words as input",
    input({ type: "message", role: "assistant", content: [{ type: "input_text", text: "x" }] }),
    {
      says: "Invalid value: 'input_text'. Supported values are: 'output_text' and 'refusal'.",
      param: "input[1].content[0]"
    }
  ],
  [
    "the user's words as output",
    input({ type: "message", role: "user", content: [{ type: "output_text", text: "x" }] }),
    { says: /^Invalid value: 'output_text'/ }
  ],
  [
    "another role",
    input({ type: "message", role: "tool", content: "x" }),
    { says: /^Invalid value: 'tool'/, param: "input[1].role" }
  ],
  [
    "a part without text",
    input({ type: "message", role: "user", content: [{ type: "input_text" }] }),
    { says: "Missing required parameter: 'input[1].content[0].text'." }
  ],
  [
    "an image that is none",
    input({ type: "message", role: "user", content: [{ type: "input_image", image_url: "data:image/png;base64,@" }] }),
    { says: /image_url/, param: "input[1].content[0].image_url" }
  ],
  [
    "an image detail of another name",
    input({
      type: "message",
      role: "user",
      content: [{ type: "input_image", image_url: "https://example.org/a.png", detail: "huge" }]
    }),
    { says: /^Invalid value: 'huge'/ }
  ]
]

const pairs: ReadonlyArray<Row> = [
  [
    "a call without its output",
    input(call()),
    { says: "No tool output found for function call call_1.", param: "input", code: null }
  ],
  [
    "an output without its call",
    input(output()),
    { says: "No tool call found for function call output with call_id call_1.", param: "input", code: null }
  ],
  ["an output before its call", input(output(), call()), { says: /^No tool call found/ }],
  [
    "an output of another kind",
    input(call(), output({ type: "custom_tool_call_output" })),
    { says: "No tool call found for custom tool call output with call_id call_1." }
  ],
  [
    "a custom call without its output",
    input({ type: "custom_tool_call", call_id: "call_1", name: "g", input: "x" }),
    { says: "No tool output found for custom tool call call_1." }
  ],
  [
    "a local shell call without its output",
    input({ type: "local_shell_call", id: "lsh_1", call_id: "call_1", action: { type: "exec", command: ["ls"] } }),
    { says: "No tool output found for local shell call call_1." }
  ],
  [
    "a tool search of the client's without its output",
    input({ type: "tool_search_call", call_id: "call_1", execution: "client", arguments: {} }),
    { says: "No tool output found for tool search call call_1." }
  ],
  [
    "the second of two calls without its output",
    input(call(), call({ call_id: "call_2" }), output()),
    { says: /call_2\.$/ }
  ],
  [
    "reasoning at the end",
    input({ type: "reasoning", id: "rs_1", summary: [] }),
    { says: "Item 'rs_1' of type 'reasoning' was provided without its required following item.", param: "input" }
  ],
  [
    "reasoning before the user's words",
    input({ type: "reasoning", id: "rs_1", summary: [] }, user("And?")),
    { says: /required following item/ }
  ],
  [
    "encrypted content it never gave out",
    input({ type: "reasoning", summary: [], encrypted_content: "gAAAAABother" }),
    { says: "The encrypted content gAAA... could not be verified.", param: null, code: "invalid_encrypted_content" }
  ],
  ...[
    { type: "context_compaction", encrypted_content: "gAAAAABother" },
    { type: "agent_message", content: [{ type: "encrypted_content", encrypted_content: "gAAAAABother" }] }
  ].map(
    (item): Row => [
      `encrypted content it never gave out, in ${item.type}`,
      input(item),
      { says: /could not be verified/, param: null, code: "invalid_encrypted_content" }
    ]
  ),
  [
    "encrypted content it never gave out, in an output",
    input(call(), output({ output: [{ type: "encrypted_content", encrypted_content: "gAAAAABother" }] })),
    { says: /could not be verified/, code: "invalid_encrypted_content" }
  ],
  [
    "a compaction it never made",
    input({ type: "compaction", encrypted_content: "gAAAAABother" }),
    { says: /could not be verified/, code: "invalid_encrypted_content" }
  ]
]

const schemas: ReadonlyArray<Row> = [
  [
    "parameters without a type",
    tool({}),
    functionSchema("schema must be a JSON Schema of 'type: \"object\"', got 'type: \"None\"'.")
  ],
  [
    "parameters of another type",
    tool({ type: "string" }),
    functionSchema("schema must be a JSON Schema of 'type: \"object\"', got 'type: \"string\"'.")
  ],
  [
    "an object without properties",
    tool({ type: "object" }),
    functionSchema("In context=(), object schema missing properties.")
  ],
  [
    "a choice at the top",
    tool({ type: "object", properties: {}, anyOf: [] }),
    functionSchema("schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level.")
  ],
  [
    "an array without items",
    tool({ type: "object", properties: { a: { type: "array" } } }),
    functionSchema("In context=('properties', 'a'), array schema missing items.")
  ],
  [
    "an array of anything",
    tool({ type: "object", properties: { a: { type: "array", items: true } } }),
    functionSchema("In context=('properties', 'a'), array schema items is not an object.")
  ],
  [
    "an array in an array",
    tool({ type: "object", properties: { a: { type: "array", items: { type: "array" } } } }),
    functionSchema("In context=('properties', 'a', 'items'), array schema missing items.")
  ],
  [
    "an array among others",
    tool({ type: "object", properties: { a: { anyOf: [{ type: "string" }, { type: "array" }] } } }),
    functionSchema("In context=('properties', 'a', 'anyOf', '1'), array schema missing items.")
  ],
  [
    "an array or null",
    tool({ type: "object", properties: { a: { type: ["array", "null"] } } }),
    functionSchema("In context=('properties', 'a'), array schema missing items.")
  ],
  [
    "strict, open",
    strict({ type: "object", properties: {} }),
    functionSchema("In context=(), 'additionalProperties' is required to be supplied and to be false.")
  ],
  [
    "strict, open inside",
    strict(object({ a: { type: "object", properties: {} } })),
    functionSchema("In context=('properties', 'a'), 'additionalProperties' is required to be supplied and to be false.")
  ],
  [
    "strict, an optional property",
    strict(object({ a: { type: "string" }, b: { type: "string" } }, { required: ["a"] })),
    functionSchema(
      "In context=(), 'required' is required to be supplied and to be an array including every key in properties. Missing 'b'."
    )
  ],
  [
    "strict, required but not there",
    strict(object({ a: { type: "string" } }, { required: ["a", "c"] })),
    functionSchema(
      "In context=(), 'required' is required to be supplied and to be an array including every key in properties. Extra required key 'c' supplied."
    )
  ],
  [
    "strict, a default",
    strict(object({ a: { type: "string", default: "x" } })),
    functionSchema("In context=('properties', 'a'), 'default' is not permitted.")
  ],
  [
    "strict, a length",
    strict(object({ a: { type: "string", minLength: 1 } })),
    functionSchema("In context=('properties', 'a'), 'minLength' is not permitted.")
  ],
  [
    "strict, oneOf",
    strict(object({ a: { oneOf: [{ type: "string" }] } })),
    functionSchema("In context=('properties', 'a'), 'oneOf' is not permitted.")
  ],
  ...[
    "allOf",
    "not",
    "patternProperties",
    "prefixItems",
    "uniqueItems",
    "maxLength",
    "examples",
    "unevaluatedProperties"
  ].map(
    (keyword): Row => [
      `strict, ${keyword}`,
      strict(object({ a: { type: "string", [keyword]: {} } })),
      functionSchema(`In context=('properties', 'a'), '${keyword}' is not permitted.`)
    ]
  ),
  [
    "strict, nothing required",
    strict(object({ a: { type: "string" } }, { required: undefined })),
    functionSchema(
      "In context=(), 'required' is required to be supplied and to be an array including every key in properties. Missing 'a'."
    )
  ],
  [
    "strict, more than a thousand values",
    strict(object({ a: { enum: Array.from({ length: 1001 }, (_, n) => n) } })),
    functionSchema("In context=('properties', 'a'), enum has more than 1000 values.")
  ],
  [
    "strict, more than 5,000 properties",
    strict(object(Object.fromEntries(Array.from({ length: 5001 }, (_, n) => [`p${n}`, { type: "null" }])))),
    functionSchema("In context=(), schema has more than 5000 properties.")
  ],
  [
    "strict, names of more than 120,000 characters",
    strict(object({ ["p".repeat(120_001)]: { type: "null" } })),
    functionSchema("In context=(), schema has names of more than 120000 characters.")
  ],
  [
    "an object in a definition of a strict schema that is open",
    strict(object({ a: { $ref: "#/$defs/A" } }, { $defs: { A: { type: "object", properties: {} } } })),
    functionSchema("In context=('$defs', 'A'), 'additionalProperties' is required to be supplied and to be false.")
  ],
  [
    "strict, anything",
    strict(object({ a: {} })),
    functionSchema("In context=('properties', 'a'), schema must have a 'type' key.")
  ],
  [
    "strict, a format of its own",
    strict(object({ a: { type: "string", format: "uri" } })),
    functionSchema("In context=('properties', 'a', 'format'), 'uri' is not a valid format.")
  ],
  [
    "strict, a reference with more beside it",
    strict(object({ a: { $ref: "#/$defs/A", description: "x" } }, { $defs: { A: { type: "string" } } })),
    functionSchema("In context=('properties', 'a'), $ref cannot have keywords {'description'}.")
  ],
  [
    "strict, a reference to nothing",
    strict(object({ a: { $ref: "#/$defs/B" } })),
    functionSchema(
      "In context=('properties', 'a'), reference to component '#/$defs/B' which was not found in the schema."
    )
  ],
  [
    "strict, lookaround",
    strict(object({ a: { type: "array", items: { type: "string", pattern: "^(?!\\.)a" } } })),
    {
      says: "Invalid JSON schema: regex lookaround is not supported. Found at $.properties.a.items.pattern.",
      param: "tools",
      code: "invalid_json_schema"
    }
  ],
  [
    "strict, deeper than ten",
    strict(Array.from({ length: 12 }).reduce<Json>((inner) => object({ a: inner }), { type: "string" })),
    functionSchema(
      `In context=(${Array.from({ length: 11 }, () => "'properties', 'a'").join(", ")}), schema has more than 10 levels of nesting.`
    )
  ],
  [
    "a function without a name",
    body({ tools: [{ type: "function" }] }),
    { says: "Missing required parameter: 'tools[0].name'." }
  ],
  [
    "a function of another name",
    body({ tools: [{ type: "custom", name: "a.b" }] }),
    { says: /does not match pattern/, param: "tools[0].name" }
  ],
  [
    "a function in a namespace",
    body({ tools: [{ type: "namespace", name: "n", tools: [{ type: "function", name: "a.b" }] }] }),
    { says: /does not match pattern/, param: "tools[0].tools[0].name" }
  ],
  ["a tool that is text", body({ tools: ["f"] }), { says: /^Invalid type for 'tools\[0\]'/, param: "tools[0]" }],
  [
    "a tool without a type",
    body({ tools: [{ name: "f" }] }),
    { says: "Missing required parameter: 'tools[0].type'.", code: "missing_required_parameter" }
  ],
  [
    "a namespace of nothing",
    body({ tools: [{ type: "namespace", name: "n" }] }),
    { says: "Missing required parameter: 'tools[0].tools'." }
  ],
  [
    "a tool of another type",
    body({ tools: [{ type: "magic" }] }),
    { says: /^Invalid value: 'magic'/, param: "tools[0].type" }
  ],
  ["a choice among no tools", body({ tool_choice: "required" }), { says: /must be specified with 'tools'/ }],
  [
    "a choice of another tool",
    body({ tools: [{ type: "function", name: "f" }], tool_choice: { type: "function", name: "g" } }),
    { says: "Tool choice 'g' not found in 'tools' parameter." }
  ],
  ["another choice", body({ tool_choice: "any" }), { says: /^Invalid value: 'any'/ }],
  [
    "an open answer",
    format({ type: "object", properties: {} }),
    {
      says: "Invalid schema for response_format 'answer': In context=(), 'additionalProperties' is required to be supplied and to be false.",
      param: "text.format.schema",
      code: "invalid_json_schema"
    }
  ],
  [
    "an answer with lookaround",
    format(object({ a: { type: "string", pattern: "(?<=x)y" } })),
    {
      says: "Invalid JSON schema: regex lookaround is not supported. Found at $.properties.a.pattern.",
      param: "text.format.schema",
      code: "invalid_json_schema"
    }
  ],
  [
    "an answer without a name",
    format(object({}), { name: undefined }),
    { says: "Missing required parameter: 'text.format.name'." }
  ],
  ["an answer without a schema", format(undefined), { says: "Missing required parameter: 'text.format.schema'." }]
]

const accepted: ReadonlyArray<readonly [name: string, body: Json]> = [
  ["the least", body()],
  ["a round of tools", input(call({ id: "fc_1", status: "completed" }), output())],
  ["an output later on", input(call(), user("Wait."), output())],
  ["an output of parts", input(call(), output({ output: [{ type: "input_text", text: "x" }] }))],
  [
    "local shell, answered by a function's output",
    input(
      { type: "local_shell_call", id: "lsh_1", call_id: "call_1", action: { type: "exec", command: ["ls"] } },
      output()
    )
  ],
  [
    "a tool search of the server's",
    input(
      { type: "tool_search_call", call_id: "call_1", execution: "server", arguments: {} },
      { type: "tool_search_output", call_id: "call_1", execution: "server", tools: [] }
    )
  ],
  [
    "reasoning with what it led to",
    input(
      { type: "reasoning", id: "rs_1", summary: [] },
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "x" }] }
    )
  ],
  ["arguments at the limit", input(call({ arguments: "x".repeat(1_048_576), name: "n".repeat(64) }), output())],
  ["a message without a type", body({ input: [{ role: "user", content: "Hi" }] })],
  [
    "an image",
    input({
      type: "message",
      role: "user",
      content: [{ type: "input_image", image_url: "data:image/png;base64,iVBORw0K", detail: "original" }]
    })
  ],
  ["a function that takes nothing", body({ tools: [{ type: "function", name: "f" }] })],
  [
    "an open schema that is not strict",
    tool({ type: "object", properties: { a: { type: "object" }, b: {}, c: { type: "string", pattern: "(?=x)" } } })
  ],
  [
    "a strict schema with all there may be",
    strict(
      object(
        {
          a: { anyOf: [{ type: "null" }, { $ref: "#/$defs/A" }] },
          b: { enum: ["x"] },
          c: { type: "array", items: { type: "number", minimum: 1 } }
        },
        { $defs: { A: object({ next: { type: "string", pattern: "^a" } }) } }
      )
    )
  ],
  ["a strict schema that refers to itself", strict(object({ a: { type: "array", items: { $ref: "#" } } }))],
  [
    "every setting",
    body({
      service_tier: "priority",
      tool_choice: "required",
      tools: [{ type: "function", name: "f" }, { type: "web_search" }, { type: "local_shell" }],
      parallel_tool_calls: true,
      reasoning: { effort: "xhigh", summary: "auto" },
      text: { verbosity: "low", format: { type: "text" } },
      prompt_cache_key: "k".repeat(64),
      client_metadata: { a: "b" },
      stream_options: { reasoning_summary_delivery: "sequential_cutoff" }
    })
  ],
  ["no effort at all", body({ reasoning: { effort: "none" } })],
  [
    "null where a key may be left out",
    body({ tools: null, reasoning: null, text: null, service_tier: null, prompt_cache_key: null })
  ]
]

const options: StrictBackend.Options = {
  accounts: [{ id: "acc_test", models: ["gpt-5.5", "gpt-5.4-lite"] }],
  models: [
    ...ModelCatalogue.bundled,
    {
      slug: "gpt-5.4-lite",
      use_responses_lite: true,
      support_verbosity: false,
      supported_reasoning_levels: [{ effort: "low" }]
    }
  ],
  script: () => Script.turn({ text: "Fine." })
}

const check = ({ code, param, says, status = 400 }: Refused, answer: Answer) => {
  assert.strictEqual(answer.status, status, answer.text.slice(0, 400))
  const said = String(answer.json["detail"] ?? answer.error.message)
  if (typeof says === "string") assert.strictEqual(said, says)
  else assert.match(said, says)
  if (param !== undefined) assert.strictEqual(answer.error.param, param)
  if (code !== undefined) assert.strictEqual(answer.error.code, code)
  if (Object.keys(answer.error).length > 0) {
    assert.deepStrictEqual(Object.keys(answer.error), ["message", "type", "param", "code"])
    assert.strictEqual(answer.error.type, "invalid_request_error")
  }
}

describe("refused", () => {
  for (const [group, rows] of Object.entries({ topLevel, items, pairs, schemas })) {
    describe(group, () => {
      for (const [name, value, refused] of rows) {
        it.effect(name, () =>
          Effect.gen(function* () {
            check(refused, yield* post(value, yield* credentials()))
            const backend = yield* StrictBackend.StrictBackend
            assert.lengthOf(yield* backend.refusals, 1)
          }).pipe(Effect.provide(StrictBackend.layer(options)))
        )
      }
    })
  }
})

describe("accepted", () => {
  for (const [name, value] of accepted) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const answer = yield* post(value, yield* credentials())
        assert.strictEqual(answer.status, 200, answer.text.slice(0, 400))
        assert.include(answer.text, "response.completed")
        const backend = yield* StrictBackend.StrictBackend
        assert.deepStrictEqual(yield* backend.refusals, [])
      }).pipe(Effect.provide(StrictBackend.layer(options)))
    )
  }
})

describe("over sockets", () => {
  it.scopedLive("the same is refused and accepted", () =>
    Effect.gen(function* () {
      const context = yield* Layer.build(BackendServer.layerStrict(options))
      const { url } = Context.get(context, BackendServer.BackendServer)
      yield* Effect.gen(function* () {
        const headers = yield* credentials()
        for (const [, value, refused] of [...topLevel.slice(0, 8), ...pairs])
          check(refused, yield* post(value, headers, url))
        for (const [, value] of accepted) assert.strictEqual((yield* post(value, headers, url)).status, 200)
      }).pipe(Effect.provide(context))
    }).pipe(Effect.provide(NodeHttpClient.layerUndici))
  )
})

describe("who asks", () => {
  const refused = (headers: Readonly<Record<string, string>>) => post(body(), headers)

  it.effect("nobody, or with a token of somebody else's", () =>
    Effect.gen(function* () {
      for (const headers of [{}, { authorization: "Bearer x.y.z" }, { authorization: "Basic abc" }]) {
        const answer = yield* refused(headers as Record<string, string>)
        assert.deepInclude(answer, { status: 401, json: { detail: "Unauthorized" } })
      }
    }).pipe(Effect.provide(StrictBackend.layer()))
  )

  it.effect("with a token that has expired or was revoked", () =>
    Effect.gen(function* () {
      const backend = yield* StrictBackend.StrictBackend
      const headers = yield* credentials()
      yield* backend.elapse("10 days")
      const expired = yield* refused(headers)
      assert.strictEqual(expired.status, 401)
      assert.deepInclude(expired.error, { code: "token_expired", type: "invalid_request_error", param: null })
      assert.strictEqual(expired.headers["x-openai-authorization-error"], "token_expired")
      assert.deepStrictEqual(JSON.parse(Buffer.from(expired.headers["x-error-json"] ?? "", "base64").toString()), {
        error: { code: "token_expired" }
      })
      const others = yield* credentials()
      yield* backend.endLogins()
      assert.strictEqual((yield* refused(others)).error.code, "token_invalidated")
    }).pipe(Effect.provide(StrictBackend.layer()))
  )

  it.effect("for another account, or for one that is closed", () =>
    Effect.gen(function* () {
      const headers = yield* credentials("acc_a")
      const wrong = yield* refused({ ...headers, "chatgpt-account-id": "acc_b" })
      assert.deepInclude(wrong, { status: 403, json: { detail: { code: "invalid_workspace_selected" } } })
      const closed = yield* refused(yield* credentials("acc_b"))
      assert.deepInclude(closed, { status: 402, json: { detail: { code: "deactivated_workspace" } } })
    }).pipe(Effect.provide(StrictBackend.layer({ accounts: [{ id: "acc_a" }, { id: "acc_b", isDeactivated: true }] })))
  )

  it.effect("in no way of the backend's: by another method, path, or through the edge", () =>
    Effect.gen(function* () {
      const headers = yield* credentials()
      assert.deepInclude(yield* get("/codex/responses", headers), {
        status: 405,
        json: { detail: "Method Not Allowed" }
      })
      assert.deepInclude(yield* get("/codex/other", headers), { status: 404, json: { detail: "Not Found" } })
      for (const agent of ["", "curl/8.5.0", "python-requests/2.32"]) {
        const page = yield* post(body(), { ...headers, "user-agent": agent })
        assert.strictEqual(page.status, 403, agent)
        assert.match(page.text, /^<!DOCTYPE html>.*Cloudflare.*blocked/)
        assert.strictEqual(page.headers["content-type"], "text/html")
      }
    }).pipe(Effect.provide(StrictBackend.layer()))
  )

  it.effect("is told the id of the request and the state of the limits, whatever else", () =>
    Effect.gen(function* () {
      const headers = yield* credentials()
      const ids = new Set<string | undefined>()
      for (const [value, sent] of [
        [body(), headers],
        [body({ store: true }), headers],
        [body({ model: "gpt-x" }), headers],
        [body(), {}]
      ] as const) {
        const answer = yield* post(value, sent)
        ids.add(answer.headers["x-request-id"])
        assert.match(answer.headers["x-request-id"] ?? "", /^req_/)
        assert.match(answer.headers["cf-ray"] ?? "", /-PRG$/)
        const limits = sent === headers ? ["plus", "0"] : [undefined, undefined]
        assert.deepStrictEqual(
          [answer.headers["x-codex-plan-type"], answer.headers["x-codex-primary-used-percent"]],
          limits
        )
        if (answer.status !== 200) assert.strictEqual(answer.headers["content-type"], "application/json")
      }
      assert.strictEqual(ids.size, 4)
    }).pipe(Effect.provide(StrictBackend.layer()))
  )

  it.effect("with a body that is compressed in a way the backend cannot read", () =>
    Effect.gen(function* () {
      const answer = yield* post("not JSON", { ...(yield* credentials()), "content-encoding": "br" })
      assert.deepInclude(answer, { status: 415, json: { detail: "Unsupported content encoding: br" } })
    }).pipe(Effect.provide(StrictBackend.layer()))
  )
})
