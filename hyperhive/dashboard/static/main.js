// Wires the page: every part works on what the server rendered, and the page works without any.

import { tick } from "./clock.js";
import { watchForms } from "./forms.js";
import { follow, refreshSoon } from "./live.js";
import { pasteCode } from "./login.js";
import { followLog } from "./log.js";
import { offerTerminal } from "./terminal.js";
import { watchOutput } from "./output.js";
import { followPrinted } from "./printed.js";

tick();
watchForms(refreshSoon);
pasteCode();
followLog();
offerTerminal();
watchOutput();
followPrinted(refreshSoon);
follow();
