// Drives the official SDK of OpenAI against the server. Only the base URL and the key are not as usual.
//
// The provider behind the server answers by the prompt; see mod.rs, which also counts the requests.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The packages are installed elsewhere than this file.
const { resolve } = createRequire(`${process.env.SDK}/package.json`);
const load = (name) => import(pathToFileURL(resolve(name)));
const { default: OpenAI } = await load("openai");
const { zodResponseFormat } = await load("openai/helpers/zod");
const { z } = await load("zod");

// Reads OPENAI_BASE_URL and OPENAI_API_KEY.
const client = new OpenAI();
const { POOR_KEY, READER_KEY } = process.env;

const City = z.object({ name: z.string(), people: z.number().int() });
const format = zodResponseFormat(City, "city");
const says = (prompt) => ({ model: "m", messages: [{ role: "user", content: prompt }] });
const ask = (prompt, more, options) => client.chat.completions.create({ ...says(prompt), ...more }, options);
const parse = (prompt) => client.chat.completions.parse({ ...says(prompt), response_format: format });

async function raises(kind, promise) {
  const error = await promise.then(
    () => assert.fail(`no ${kind.name}`),
    (error) => error,
  );
  assert.equal(error.constructor, kind, String(error));
  return error;
}

const steps = {
  async models() {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    assert(names.includes("m") && names.includes("second"), names);
    assert.equal((await client.models.retrieve("m")).owned_by, "test");
  },

  async chat() {
    const answer = await ask("hello", { temperature: 0, user: "u-1" });
    const { message, finish_reason } = answer.choices[0];
    assert.deepEqual([answer.model, message.role, message.content, finish_reason], ["m", "assistant", "You said: hello", "stop"]);
    assert.equal(answer.usage.total_tokens, 15);
    assert(answer._request_id);
  },

  async stream() {
    const chunks = [];
    for await (const chunk of await ask("hello", { stream: true, stream_options: { include_usage: true } })) chunks.push(chunk);
    const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");
    assert.equal(text, "You said: hello");
    assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
    assert.deepEqual([chunks.at(-1).choices, chunks.at(-1).usage.total_tokens], [[], 15]);
  },

  async streamHelper() {
    const stream = client.chat.completions.stream(says("hello"));
    assert.equal(await stream.finalContent(), "You said: hello");
  },

  async parse() {
    assert.deepEqual((await parse("json")).choices[0].message.parsed, { name: "Rome", people: 3 });
  },

  async parseRepaired() {
    const answer = await parse("json after a repair");
    assert.deepEqual(answer.choices[0].message.parsed, { name: "Rome", people: 3 });
    assert.equal(answer.usage.total_tokens, 30);
  },

  async parseRefused() {
    const { parsed, refusal } = (await parse("refuse")).choices[0].message;
    assert.deepEqual([parsed, refusal], [null, "I cannot."]);
  },

  async parseCut() {
    await raises(OpenAI.LengthFinishReasonError ?? (await load("openai/core/error")).LengthFinishReasonError, parse("cut"));
  },

  async parseNever() {
    const error = await raises(OpenAI.InternalServerError, parse("no json"));
    assert.deepEqual([error.status, error.code], [502, "output_schema_mismatch"]);
  },

  async tools() {
    const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object" } } }];
    const { message, finish_reason } = (await ask("call a tool", { tools })).choices[0];
    const [call] = message.tool_calls;
    assert.deepEqual([finish_reason, message.content, call.function.name], ["tool_calls", null, "weather"]);
    const messages = [...says("hello").messages, message, { role: "tool", tool_call_id: call.id, content: "sunny" }];
    await client.chat.completions.create({ model: "m", messages, tools });
    // Some answers have more fields, which come back with the message.
    messages[1] = { ...message, annotations: [], audio: null, function_call: null };
    await client.chat.completions.create({ model: "m", messages, tools });
  },

  async sameRequestTwice() {
    const options = { headers: { "Idempotency-Key": "sdk" } };
    const first = await ask("hello", {}, options);
    const again = await ask("hello", {}, options).withResponse();
    assert.equal(again.response.headers.get("idempotent-replayed"), "true");
    assert.equal(again.data.id, first.id);
    const error = await raises(OpenAI.ConflictError, ask("something else", {}, options));
    assert.equal(error.code, "idempotency_key_conflict");
  },

  async wrongKey() {
    const wrong = new OpenAI({ apiKey: "sk_live_wrong" });
    const error = await raises(OpenAI.AuthenticationError, wrong.chat.completions.create(says("hello")));
    assert.equal(error.code, "invalid_api_key");
  },

  async weakKey() {
    const reader = new OpenAI({ apiKey: READER_KEY });
    const error = await raises(OpenAI.PermissionDeniedError, reader.chat.completions.create(says("hello")));
    assert.equal(error.code, "insufficient_scope");
  },

  async noSuchModel() {
    const error = await raises(OpenAI.NotFoundError, ask("hello", { model: "nothing" }));
    assert.deepEqual([error.code, error.param], ["model_not_found", "model"]);
    await raises(OpenAI.NotFoundError, client.models.retrieve("nothing"));
  },

  async badRequest() {
    const error = await raises(OpenAI.BadRequestError, ask("hello", { temperature: 9 }));
    assert.deepEqual([error.code, error.param], ["invalid_request", "temperature"]);
    assert(error.requestID);
  },

  async noCredits() {
    const poor = new OpenAI({ apiKey: POOR_KEY });
    const error = await raises(OpenAI.RateLimitError, poor.chat.completions.create(says("hello")));
    assert.deepEqual([error.code, error.type], ["insufficient_quota", "insufficient_quota"]);
  },

  async providerDown() {
    const error = await raises(OpenAI.InternalServerError, ask("always fail"));
    assert.deepEqual([error.status, error.code], [502, "server_error"]);
  },

  async providerRefusesTheServer() {
    const error = await raises(OpenAI.InternalServerError, ask("refuse the key"));
    assert.deepEqual([error.status, error.code], [502, "server_error"]);
  },

  async providerRecovers() {
    const answer = await ask("fail twice");
    assert.equal(answer.choices[0].message.content, "You said: fail twice");
  },

  async streamBreaks() {
    const read = async () => {
      for await (const _ of await ask("break", { stream: true }));
    };
    const error = await raises(OpenAI.APIError, read());
    assert.deepEqual([error.code, error.type], ["server_error", "api_error"]);
  },
};

for (const [name, step] of Object.entries(steps)) {
  console.log(name);
  await step();
}
