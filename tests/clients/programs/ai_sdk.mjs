// Vercel's AI SDK with OpenAI's responses, OpenAI's chat completions, Anthropic or Bedrock, as the argument says.
import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { description, schema, serve, weather } from "./actions.mjs";

const models = {
  responses: ({ url, key, model }) => createOpenAI({ baseURL: `${url}/v1`, apiKey: key })(model),
  chat: ({ url, key, model }) => createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).chat(model),
  anthropic: ({ url, key, model }) => createAnthropic({ baseURL: `${url}/v1`, apiKey: key })(model),
  bedrock: ({ url, key, model }) =>
    createAmazonBedrock({ baseURL: `${url}/bedrock`, apiKey: key, region: "eu-west-1" })(model),
};
const options = (action) => ({ model: models[process.argv[2]](action), prompt: action.prompt });

await serve({
  plain: async (action) => (await generateText(options(action))).text,
  async *streamed(action) {
    for await (const part of streamText({ ...options(action), onError: () => {} }).fullStream) {
      if (part.type === "error") throw part.error instanceof Error ? part.error : new Error(JSON.stringify(part.error));
      if (part.type === "text-delta") yield part.text;
    }
  },
  async tool(action) {
    const tools = { weather: tool({ description, inputSchema: jsonSchema(schema), execute: weather }) };
    return (await generateText({ ...options(action), tools, stopWhen: stepCountIs(3) })).text;
  },
});
