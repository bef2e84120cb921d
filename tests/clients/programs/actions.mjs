// The loop of a client program in JavaScript; actions.py describes the lines that it reads and prints.
import { createInterface } from "node:readline";

export const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
export const description = "The weather in a city.";
export const weather = ({ city }) => `3 degrees in ${city}`;

const show = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

async function carriedOut(result) {
  if (!result[Symbol.asyncIterator]) return result;
  let text = "";
  for await (const part of result) {
    text += part;
    show({ part });
  }
  return text;
}

export async function serve(kinds) {
  console.log = console.info = console.error; // some clients print
  for await (const line of createInterface({ input: process.stdin })) {
    const action = JSON.parse(line);
    try {
      show({ text: await carriedOut(kinds[action.kind](action)), error: null });
    } catch (error) {
      show({ text: String(error.message), error: error.name === "Error" ? error.constructor.name : error.name });
    }
  }
}
