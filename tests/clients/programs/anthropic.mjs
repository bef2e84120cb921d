// Anthropic's Node.js SDK.
import Anthropic from "@anthropic-ai/sdk";
import { description, schema, serve, weather } from "./actions.mjs";

const client = ({ url, key }) => new Anthropic({ baseURL: url, apiKey: key });
const options = ({ model, prompt }) => ({ model, max_tokens: 500, messages: [{ role: "user", content: prompt }] });

await serve({
  plain: async (action) => (await client(action).messages.create(options(action))).content[0].text,
  async *streamed(action) {
    for await (const event of client(action).messages.stream(options(action))) {
      if (event.type === "content_block_delta") yield event.delta.text;
    }
  },
  async tool(action) {
    const request = { ...options(action), tools: [{ name: "weather", description, input_schema: schema }] };
    const { content } = await client(action).messages.create(request);
    const result = { type: "tool_result", tool_use_id: content[0].id, content: weather(content[0].input) };
    request.messages.push({ role: "assistant", content }, { role: "user", content: [result] });
    return (await client(action).messages.create(request)).content[0].text;
  },
});
