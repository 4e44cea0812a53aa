// Lists the tools and runs a team, with the first generation of the TypeScript SDK.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";

const [command, ...args] = process.argv.slice(2);
const client = new Client({ name: "typescript", version: "1" });
await client.connect(new StdioClientTransport({ command, args, cwd: process.cwd(), env: { ...process.env } }));
const { tools } = await client.listTools();
const progress = [];
const call = { name: "run_team", arguments: { task: "Look.", team: "duo" } };
const result = await client.callTool(call, undefined, { onprogress: (told) => progress.push(told.progress) });
console.log(JSON.stringify({ tools: tools.map((tool) => tool.name), status: result.structuredContent.status, progress }));
await client.close();
