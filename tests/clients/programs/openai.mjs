// OpenAI's Node.js SDK: chat completions or responses, as the argument says.
import OpenAI from "openai";
import { description, schema, serve, weather } from "./actions.mjs";

const client = ({ url, key }) => new OpenAI({ baseURL: `${url}/v1`, apiKey: key });
const user = ({ prompt }) => ({ role: "user", content: prompt });

const chat = {
  create: (action, messages, options) => client(action).chat.completions.create({ model: action.model, messages, ...options }),
  plain: async (action) => (await chat.create(action, [user(action)])).choices[0].message.content,
  async *streamed(action) {
    for await (const chunk of await chat.create(action, [user(action)], { stream: true })) {
      yield chunk.choices[0]?.delta.content ?? "";
    }
  },
  async tool(action) {
    const tools = [{ type: "function", function: { name: "weather", description, parameters: schema } }];
    const { message } = (await chat.create(action, [user(action)], { tools })).choices[0];
    const [call] = message.tool_calls;
    const result = { role: "tool", tool_call_id: call.id, content: weather(JSON.parse(call.function.arguments)) };
    return (await chat.create(action, [user(action), message, result], { tools })).choices[0].message.content;
  },
};

const responses = {
  create: (action, input, options) => client(action).responses.create({ model: action.model, input, ...options }),
  plain: async (action) => (await responses.create(action, action.prompt)).output_text,
  async *streamed(action) {
    for await (const event of await responses.create(action, action.prompt, { stream: true })) {
      if (event.type === "response.failed") throw new OpenAI.OpenAIError(event.response.error.message);
      if (event.type === "response.output_text.delta") yield event.delta;
    }
  },
  async tool(action) {
    const tools = [{ type: "function", name: "weather", description, parameters: schema, strict: false }];
    const [call] = (await responses.create(action, action.prompt, { tools })).output;
    const result = { type: "function_call_output", call_id: call.call_id, output: weather(JSON.parse(call.arguments)) };
    return (await responses.create(action, [user(action), call, result], { tools })).output_text;
  },
};

await serve({ chat, responses }[process.argv[2]]);
