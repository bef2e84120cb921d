// The loop of a client program in JavaScript; actions.py describes the lines that it reads and prints.
import { createInterface } from "node:readline";

export const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
export const description = "The weather in a city.";
export const weather = ({ city }) => `3 degrees in ${city}`;

export async function serve(kinds) {
  console.log = console.info = console.error; // some clients print
  for await (const line of createInterface({ input: process.stdin })) {
    const action = JSON.parse(line);
    let outcome;
    try {
      outcome = { text: await kinds[action.kind](action), error: null };
    } catch (error) {
      outcome = { text: String(error.message), error: error.name === "Error" ? error.constructor.name : error.name };
    }
    process.stdout.write(`${JSON.stringify(outcome)}\n`);
  }
}
