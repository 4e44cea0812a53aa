// A host of MCP Apps: the official bridge around a frame. Tools are called in Python, by way of window.callTool.
import {AppBridge, PostMessageTransport} from "@modelcontextprotocol/ext-apps/app-bridge";

window.open_app = async (html, {sandbox = "allow-scripts", context = {}, capabilities = {serverTools: {}}} = {}) => {
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", sandbox);
  document.querySelector("main").replaceChildren(frame);
  const bridge = new AppBridge(null, {name: "test host", version: "1"}, capabilities, {hostContext: context});
  const sizes = (window.sizes = []), modes = (window.modes = []);
  bridge.oncalltool = async ({name, arguments: args}) => JSON.parse(await window.callTool(name, JSON.stringify(args ?? {})));
  bridge.onsizechange = ({width, height}) => {
    sizes.push([width, height]);
    frame.style.height = `${height}px`;
  };
  bridge.onrequestdisplaymode = async ({mode}) => {
    modes.push(mode);
    return {mode};
  };
  const ready = new Promise((done) => (bridge.oninitialized = done));
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  frame.srcdoc = html;
  await ready;
  window.bridge = bridge;
};
